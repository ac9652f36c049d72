/** @file PEFT's LoRA configuration (adapter_config.json) and ours, translated both ways. */
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import type { ModuleSpec } from "../models/context.ts";
import type { LoraConfig } from "./adapter.ts";

/** Where PEFT keeps options that change what an adapter computes and that are not supported: they must be off. */
const mustBeOff = [
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "lora_bias",
  "modules_to_save",
  "layer_replication",
  "trainable_token_indices",
  "target_parameters",
  "alora_invocation_tokens",
  "megatron_config",
] as const;

/** Starting values that leave the base as it is. Others (PiSSA, OLoRA, LoftQ, ...) change the base's weights as well. */
const harmlessStarts: readonly unknown[] = [undefined, null, true, false, "gaussian", "orthogonal"];

/**
 * Translates PEFT's configuration.
 * @param subject what to call it in messages
 * @param modules of the model, for targets that are patterns: they become the names that they match
 * @throws GlmError "adapter-invalid" or "unsupported" with every fault
 */
export function parsePeftConfig(json: unknown, subject: string, modules: readonly ModuleSpec[]): LoraConfig {
  if (!isRecord(json))
    throw new GlmError("adapter-invalid", `${subject}: expected a JSON object, got ${describe(json)}.`);
  const unsupported = unsupportedOptions(json);
  if (unsupported.length > 0) {
    throw new GlmError(
      "unsupported",
      `${subject}: only plain LoRA adapters can be loaded; this one has:\n- ${unsupported.join("\n- ")}`,
    );
  }
  const faults: string[] = [];
  const number = (key: string, fallback?: number): number => {
    const value = json[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    faults.push(`${key}: expected a number, got ${describe(value)}`);
    return 1;
  };
  const pattern = (key: string): Readonly<Record<string, number>> => {
    const value = json[key] ?? {};
    if (isRecord(value) && Object.values(value).every((entry) => typeof entry === "number"))
      return value as Record<string, number>;
    faults.push(`${key}: expected numbers by module name, got ${describe(value)}`);
    return {};
  };
  const rankPattern = pattern("rank_pattern");
  const alphaPattern = pattern("alpha_pattern");
  const config: LoraConfig = {
    method: "lora",
    r: number("r"),
    alpha: number("lora_alpha"),
    dropout: number("lora_dropout", 0),
    targets: targetsOf(json, modules, faults),
    ...(json.use_rslora === true && { rankStabilized: true }),
    ...(Object.keys(rankPattern).length > 0 && { rankPattern }),
    ...(Object.keys(alphaPattern).length > 0 && { alphaPattern }),
    ...((json.bias === "all" || json.bias === "lora_only") && { bias: json.bias }),
  };
  if (faults.length > 0) throw new GlmError("adapter-invalid", `${subject} cannot be used:\n- ${faults.join("\n- ")}`);
  return config;
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
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.r,
    rank_pattern: config.rankPattern ?? {},
    revision: null,
    target_modules: config.targets,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: config.rankStabilized ?? false,
  };
}

/** What the configuration switches on that would change the answers and is not supported, in words. */
function unsupportedOptions(json: Readonly<Record<string, unknown>>): string[] {
  if (json.peft_type !== "LORA") return [`peft_type ${describe(json.peft_type)}, expected "LORA"`];
  const found: string[] = mustBeOff.filter((key) => isOn(json[key])).map((key) => `${key}: ${describe(json[key])}`);
  if (![undefined, null, "none", "all", "lora_only"].includes(json.bias as string))
    found.push(`bias: ${describe(json.bias)}, expected "none", "all" or "lora_only"`);
  if (!harmlessStarts.includes(json.init_lora_weights))
    found.push(`init_lora_weights: ${describe(json.init_lora_weights)}, which changes the base`);
  // What later releases of PEFT add is called use_... or ..._config, and is off unless someone asked for it.
  for (const [key, value] of Object.entries(json)) {
    const known = key === "use_rslora" || key === "loftq_config" || (mustBeOff as readonly string[]).includes(key);
    if (!known && /^use_|_config$/.test(key) && isOn(value)) found.push(`${key}: ${describe(value)}`);
  }
  return found;
}

/** Names or endings of the adapted modules; patterns and layer choices are resolved to full names, as PEFT would. */
function targetsOf(
  json: Readonly<Record<string, unknown>>,
  modules: readonly ModuleSpec[],
  faults: string[],
): readonly string[] {
  const { target_modules: targets, exclude_modules: excluded, layers_to_transform: layers } = json;
  const isList = (value: unknown): value is string[] =>
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
  const chosen: readonly unknown[] = isOn(layers) ? [layers].flat() : [];
  const noChoice = chosen.length === 0 && !isOn(excluded);
  if (isList(targets) && noChoice) return targets;
  if (!isList(targets) && typeof targets !== "string") {
    faults.push(`target_modules: expected names or a pattern, got ${describe(targets)}`);
    return [];
  }
  try {
    const names = modules
      .map(({ name }) => name)
      .filter((name) => (targets === "all-linear" ? !name.endsWith("output_layer") : matches(targets, name)))
      .filter((name) => !isOn(excluded) || !matches(excluded, name))
      .filter((name) => chosen.length === 0 || chosen.includes(layerOf(name, json.layers_pattern)));
    if (names.length === 0)
      faults.push(`target_modules: expected names of this model's modules, got ${describe(targets)}, which fits none`);
    return names;
  } catch (cause) {
    faults.push(`target_modules: the pattern cannot be read (${cause instanceof Error ? cause.message : cause})`);
    return [];
  }
}

/** PEFT takes text as a regular expression for the whole name, and lists as names or their endings. */
function matches(targets: unknown, name: string): boolean {
  if (typeof targets === "string") return new RegExp(`^(?:${targets})$`).test(name);
  return Array.isArray(targets) && targets.some((target) => name === target || name.endsWith(`.${target}`));
}

/** The number of the layer that a module is in; `pattern` names the list of layers when it is not the first number. */
function layerOf(name: string, pattern: unknown): number | undefined {
  const lists = [pattern].flat().filter((item) => typeof item === "string" && item !== "");
  const found = new RegExp(lists.length > 0 ? `\\.(?:${lists.join("|")})\\.(\\d+)\\.` : "\\.(\\d+)\\.").exec(name);
  return found ? Number(found[1]) : undefined;
}

/** PEFT leaves unused options out, or writes null, false or something empty. */
function isOn(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const describe = (value: unknown): string => (value === undefined ? "nothing" : shownJson(value));
