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
  Targets,
} from "../adapters/adapter.ts";
import { targetNames } from "../adapters/target-names.ts";
import type { ModuleSpec } from "../models/context.ts";
import { complete, type Given, refuseUnknown } from "../options.ts";
import { faultsOf } from "./checks.ts";
import * as defaults from "./defaults.ts";

export type LoraOptions = Given<Omit<LoraConfig, "method" | "bias" | "init">> & {
  /** How A starts: uniform by default (`true` in PEFT), or "gaussian". */
  readonly init?: "kaiming" | "gaussian" | undefined;
  /** Biases of the base that are trained as well, as in PEFT: "none" by default. */
  readonly bias?: "none" | "all" | "lora_only" | undefined;
};

/** Names of options that have no defaults, or other ones than their configuration. */
const OTHERS = [
  "targets",
  "rankStabilized",
  "rankPattern",
  "alphaPattern",
  "bias",
  "dora",
  "modulesToSave",
  "init",
] as const;

/**
 * LoRA: small low-rank updates of chosen linear modules.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function lora(options: LoraOptions = {}): LoraConfig {
  // What is not an object is refused as a whole.
  const { targets = defaults.loraTargets, rankStabilized, rankPattern, alphaPattern, bias } = options ?? {};
  const { dora, modulesToSave, init } = options ?? {};
  const found = faultsOf({ targets, rankStabilized, rankPattern, alphaPattern, bias, dora, modulesToSave, init });
  const config = complete("lora", defaults.lora, options, OTHERS, found);
  return {
    method: "lora",
    ...config,
    targets: copiedTargets(targets),
    ...(rankStabilized === undefined ? {} : { rankStabilized }),
    ...(rankPattern === undefined ? {} : { rankPattern }),
    ...(alphaPattern === undefined ? {} : { alphaPattern }),
    ...(bias === undefined || bias === "none" ? {} : { bias }),
    ...(dora === undefined ? {} : { dora }),
    ...(modulesToSave === undefined || modulesToSave.length === 0 ? {} : { modulesToSave: [...modulesToSave] }),
    ...(init === undefined || init === "kaiming" ? {} : { init }),
  };
}

const copiedTargets = (targets: Targets): Targets => (typeof targets === "string" ? targets : [...targets]);

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
  const others = { targets: copiedTargets(targets) };
  return { method: "adaLora", ...config, ...others, ...(totalStep === undefined ? {} : { totalStep }) };
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

/** The same, where LoRA need not be named. */
export type GivenMethod =
  | (LoraOptions & { readonly method?: "lora" | undefined })
  | (FullOptions & { readonly method: "full" })
  | Exclude<MethodChoice, { readonly method: "lora" | "full" }>;

/** A choice with its method named. */
export function namedMethod(given: GivenMethod): MethodChoice {
  switch (given.method) {
    case undefined:
    case "lora":
      return { ...given, method: "lora" };
    default:
      return given;
  }
}

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
 * Where a choice differs from how an adapter is made; what the choice leaves out does not differ, its method as well.
 * @param modules of the model, whose names an adapter's targets have
 */
export function differences(
  choice: GivenMethod,
  config: AdapterConfig,
  modules: readonly ModuleSpec[],
): readonly Difference[] {
  const made = configOf(namedMethod(choice));
  // A pattern stays as it is.
  const isList = "targets" in made && typeof made.targets !== "string";
  const targets = isList ? { targets: targetNames(made.targets, modules).names } : {};
  const wanted: Readonly<Record<string, unknown>> = { ...made, ...targets };
  const actual: Readonly<Record<string, unknown>> = { ...config };
  const given = Object.entries(choice).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  // Another method's options have nothing to be compared with.
  const names = choice.method === undefined || choice.method === config.method ? given : ["method"];
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
