/** @file The fine-tuning methods, as a notebook configures them. */
import { isDeepStrictEqual } from "node:util";
import type {
  AdaLoraConfig,
  AdapterConfig,
  EmbeddingsConfig,
  FreezeConfig,
  FullConfig,
  LoraConfig,
  PTuningConfig,
} from "../adapters/adapter.ts";
import { targetNames } from "../adapters/target-names.ts";
import type { ModuleSpec } from "../models/context.ts";
import { complete, type Given, refuseUnknown } from "../options.ts";
import { faultsOf } from "./checks.ts";
import * as defaults from "./defaults.ts";

export type LoraOptions = Given<Omit<LoraConfig, "method" | "bias">> & {
  /** Biases of the base that are trained as well, as in PEFT: "none" by default. */
  readonly bias?: "none" | "all" | "lora_only" | undefined;
};

const PATTERNS = ["rankPattern", "alphaPattern"] as const;

/**
 * LoRA: small low-rank updates of chosen linear modules.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function lora(options: LoraOptions = {}): LoraConfig {
  // What is not an object is refused as a whole.
  const { targets = defaults.loraTargets, rankStabilized, rankPattern, alphaPattern, bias } = options ?? {};
  const found = faultsOf({ targets, rankStabilized, rankPattern, alphaPattern, bias });
  const config = complete("lora", defaults.lora, options, ["targets", "rankStabilized", "bias", ...PATTERNS], found);
  return {
    method: "lora",
    ...config,
    targets: [...targets],
    ...(rankStabilized === undefined ? {} : { rankStabilized }),
    ...(rankPattern === undefined ? {} : { rankPattern }),
    ...(alphaPattern === undefined ? {} : { alphaPattern }),
    ...(bias === undefined || bias === "none" ? {} : { bias }),
  };
}

export type AdaLoraOptions = Given<Omit<AdaLoraConfig, "method">>;

/**
 * AdaLoRA: low-rank updates that begin with rank `initR`, and give up singular values until `r` are left in the mean. A run
 * knows how many steps it has; a loop by hand must be told (`totalStep`).
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function adaLora(options: AdaLoraOptions = {}): AdaLoraConfig {
  const { targets = defaults.loraTargets, totalStep } = options ?? {};
  const found = faultsOf({ targets, totalStep });
  const config = complete("adaLora", defaults.adaLora, options, ["targets", "totalStep"], found);
  return { method: "adaLora", ...config, targets: [...targets], ...(totalStep === undefined ? {} : { totalStep }) };
}

export type FullOptions = Given<Omit<FullConfig, "method">>;

/**
 * Trains the model's own parameters: all, or those whose name contains one of `match`.
 * @throws GlmError "option-invalid" that names an unknown option
 */
export function full(options: FullOptions = {}): FullConfig {
  const { match } = options ?? {};
  refuseUnknown("full", options, ["match"], faultsOf({ match }));
  return { method: "full", ...(match === undefined ? {} : { match: [...match] }) };
}

export type FreezeOptions = Given<Omit<FreezeConfig, "method">>;

/**
 * Trains some of the model's own parameters, and freezes all others: those of the last `layers`, 4 by default, or those whose
 * name contains one of `match`.
 * @throws GlmError "option-invalid" that names an unknown option
 */
export function freeze(options: FreezeOptions = {}): FreezeConfig {
  const { match } = options ?? {};
  const { layers } = complete("freeze", defaults.freeze, options, ["match"], faultsOf({ match }));
  if (match === undefined) return { method: "freeze", layers };
  // Both are given: the method says what is wrong with that.
  return { method: "freeze", match: [...match], ...(options.layers === undefined ? {} : { layers }) };
}

/**
 * Trains the table that makes tokens vectors, and freezes everything else.
 * @throws GlmError "option-invalid" that names an unknown option
 */
export function embeddings(options: Readonly<Record<string, never>> = {}): EmbeddingsConfig {
  refuseUnknown("embeddings", options, []);
  return { method: "embeddings" };
}

export type PTuningOptions = Given<Omit<PTuningConfig, "method">>;

/**
 * P-tuning v2: keys and values of virtual tokens before every row, in each layer.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export const pTuning = (options: PTuningOptions = {}): PTuningConfig => ({
  method: "pTuning",
  ...complete("pTuning", defaults.pTuning, options),
});

/** A method with those of its options that are given. An adapter's whole configuration is one, too. */
export type MethodChoice =
  | (LoraOptions & { readonly method: "lora" })
  | (FullOptions & { readonly method: "full" })
  | (PTuningOptions & { readonly method: "pTuning" })
  | (FreezeOptions & { readonly method: "freeze" })
  | (AdaLoraOptions & { readonly method: "adaLora" })
  | EmbeddingsConfig;

/**
 * The choice with the defaults of what is left out.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function configOf(choice: MethodChoice): AdapterConfig {
  switch (choice.method) {
    case "full": {
      const { method: _, ...options } = choice;
      return full(options);
    }
    case "pTuning": {
      const { method: _, ...options } = choice;
      return pTuning(options);
    }
    case "freeze": {
      const { method: _, ...options } = choice;
      return freeze(options);
    }
    case "adaLora": {
      const { method: _, ...options } = choice;
      return adaLora(options);
    }
    case "embeddings":
      return embeddings();
    case "lora": {
      const { method: _, ...options } = choice;
      return lora(options);
    }
  }
}

/** An option in which an adapter is made otherwise than a choice says. */
export interface Difference {
  readonly option: string;
  readonly wanted: unknown;
  readonly actual: unknown;
}

/**
 * Where a choice differs from how an adapter is made; what the choice leaves out does not differ.
 * @param modules of the model, whose names an adapter's targets have
 */
export function differences(
  choice: MethodChoice,
  config: AdapterConfig,
  modules: readonly ModuleSpec[],
): readonly Difference[] {
  const made = configOf(choice);
  const targets = "targets" in made ? { targets: targetNames(made.targets, modules).names } : {};
  const wanted: Readonly<Record<string, unknown>> = { ...made, ...targets };
  const actual: Readonly<Record<string, unknown>> = { ...config };
  const given = Object.entries(choice).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  // Another method's options have nothing to be compared with.
  const names = choice.method === config.method ? given : ["method"];
  return names.flatMap((option) =>
    isDeepStrictEqual(normal(wanted[option]), normal(actual[option]))
      ? []
      : [{ option, wanted: wanted[option], actual: actual[option] }],
  );
}

/** Lists here are sets of names; a switch that is left out is off. */
function normal(value: unknown): unknown {
  return Array.isArray(value) ? [...new Set(value)].sort() : value === false ? undefined : value;
}
