import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ModuleSpec } from "../models/context.ts";
import type { LoraConfig } from "./adapter.ts";
import { patternValues } from "./module-patterns.ts";
import { type PeftTargets, peftTargets } from "./peft-targets.ts";
import { describe, isOn, isRecord } from "./peft-values.ts";

/** Where PEFT keeps options that change what an adapter computes and that are not supported: they must be off. */
const mustBeOff = [
  "use_qalora",
  "use_bdlora",
  "lora_bias",
  "layer_replication",
  "trainable_token_indices",
  "target_parameters",
  "alora_invocation_tokens",
  "megatron_config",
] as const;

/**
 * Starting values that leave the base as it is: those of the file replace them. Others (PiSSA, OLoRA, CorDA, LoftQ, ...)
 * change the base's weights as well.
 */
const harmlessStarts: readonly unknown[] = [undefined, null, true, false, "gaussian", "orthogonal", "eva"];

/** What to do with an adapter whose start changed the base, which its own files do not tell. */
function remedyOf(start: unknown): string {
  if (typeof start === "string" && /^(pissa|olora|corda)/.test(start)) {
    return "save it in PEFT with path_initial_model_for_weight_conversion, which makes a plain LoRA of it";
  }
  return "merge it in PEFT (merge_and_unload), and load the merged model";
}

/** Options that are objects and decide starting values, or how PEFT itself works. */
const harmlessConfigs: readonly string[] = ["loftq_config", "eva_config", "corda_config", "runtime_config"];

/** What PEFT takes for what a file leaves out. */
const defaults = { r: 8, lora_alpha: 8, lora_dropout: 0, target_modules: ["query_key_value"] } as const;

export interface ReadConfig {
  readonly config: LoraConfig;
  /** What its user should know: targets that this model has not. */
  readonly note?: string;
}

/**
 * Translates PEFT's configuration; what it leaves out is as in PEFT.
 * @param subject what to call it in messages
 * @param modules of the model, for targets that are patterns: they become the names that they match
 * @param tensors names of what the adapter's file holds, for targets that are called otherwise in this model
 * @throws GlmError "adapter-invalid" or "unsupported" with every fault
 */
export function parsePeftConfig(
  json: unknown,
  subject: string,
  modules: readonly ModuleSpec[],
  tensors: Iterable<string> = [],
): ReadConfig {
  if (!isRecord(json))
    throw new GlmError("adapter-invalid", `${subject}: expected a JSON object, got ${describe(json)}.`);
  const unsupported = unsupportedOptions(json);
  const faults: string[] = [];
  const number = (key: "r" | "lora_alpha" | "lora_dropout"): number => {
    const value = json[key] === undefined ? defaults[key] : json[key];
    if (typeof value === "number" && Number.isFinite(value)) return value;
    faults.push(`${key}: expected a number, got ${describe(value)}`);
    return 1;
  };
  const matched = <T>(work: () => T, otherwise: T): T => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      (error.code === "unsupported" ? unsupported : faults).push(error.message);
      return otherwise;
    }
  };
  const pattern = (key: string): Readonly<Record<string, number>> => {
    const value = json[key] ?? {};
    if (!isRecord(value) || !Object.values(value).every((entry) => typeof entry === "number")) {
      faults.push(`${key}: expected numbers by module name, got ${describe(value)}`);
      return {};
    }
    matched(() => void patternValues(key, value as Record<string, number>), undefined);
    return value as Record<string, number>;
  };
  const rankPattern = pattern("rank_pattern");
  const alphaPattern = pattern("alpha_pattern");
  const given = { ...json, target_modules: json.target_modules ?? defaults.target_modules };
  const [r, alpha, dropout] = [number("r"), number("lora_alpha"), number("lora_dropout")];
  const { names, note } = matched<PeftTargets>(() => peftTargets(given, modules, tensors), { names: [] });
  const saved = json.modules_to_save ?? [];
  const areNames = Array.isArray(saved) && saved.every((name) => typeof name === "string" && name !== "");
  if (!areNames) faults.push(`modules_to_save: expected names of modules, got ${describe(saved)}`);
  const config: LoraConfig = {
    method: "lora",
    r,
    alpha,
    dropout,
    targets: names,
    ...(json.use_rslora === true && { rankStabilized: true }),
    ...(Object.keys(rankPattern).length > 0 && { rankPattern }),
    ...(Object.keys(alphaPattern).length > 0 && { alphaPattern }),
    ...((json.bias === "all" || json.bias === "lora_only") && { bias: json.bias }),
    ...(json.use_dora === true && { dora: true }),
    ...(areNames && saved.length > 0 && { modulesToSave: saved }),
    ...(json.init_lora_weights === "gaussian" && { init: "gaussian" as const }),
  };
  if (unsupported.length > 0) {
    throw new GlmError("unsupported", `${subject}: it has what cannot be loaded:${faultLines(unsupported)}`);
  }
  if (faults.length > 0) throw new GlmError("adapter-invalid", `${subject} cannot be used:${faultLines(faults)}`);
  return { config, ...(note === undefined ? {} : { note }) };
}

/** Our configuration in PEFT's words, with the fields that its releases since 0.4 write. */
export function peftConfig(config: LoraConfig, baseModel: string): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern ?? {},
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: config.bias ?? "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: config.init ?? true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: config.modulesToSave ?? null,
    peft_type: "LORA",
    r: config.r,
    rank_pattern: config.rankPattern ?? {},
    revision: null,
    target_modules: config.targets,
    task_type: "CAUSAL_LM",
    use_dora: config.dora ?? false,
    use_rslora: config.rankStabilized ?? false,
  };
}

/** What PEFT's other methods are called elsewhere. */
const otherMethods: ReadonlyMap<unknown, string> = new Map([
  ["P_TUNING", "a trained prompt encoder"],
  ["PROMPT_TUNING", "a trained prompt"],
]);

/** What the configuration switches on that would change the answers and is not supported, in words. */
function unsupportedOptions(json: Readonly<Record<string, unknown>>): string[] {
  if (json.peft_type !== "LORA") {
    const known = otherMethods.get(json.peft_type);
    return [
      `peft_type ${describe(json.peft_type)}${known ? ` (${known})` : ""}, expected "LORA", "ADALORA" or "PREFIX_TUNING"`,
    ];
  }
  const found: string[] = mustBeOff.filter((key) => isOn(json[key])).map((key) => `${key}: ${describe(json[key])}`);
  if (![undefined, null, "none", "all", "lora_only"].includes(json.bias as string))
    found.push(`bias: ${describe(json.bias)}, expected "none", "all" or "lora_only"`);
  if (!harmlessStarts.includes(json.init_lora_weights))
    found.push(
      `init_lora_weights: ${describe(json.init_lora_weights)}, which changed the base: ${remedyOf(json.init_lora_weights)}`,
    );
  // What later releases of PEFT add is called use_... or ..._config, and is off unless someone asked for it.
  for (const [key, value] of Object.entries(json)) {
    const known = key === "use_rslora" || key === "use_dora" || [...harmlessConfigs, ...mustBeOff].includes(key);
    if (!known && /^use_|_config$/.test(key) && isOn(value)) found.push(`${key}: ${describe(value)}`);
  }
  return found;
}
