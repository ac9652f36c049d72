/**
 * @file PEFT's files for AdaLoRA. What it has given up of a module is left out of the tensors; `rank_pattern` says which of the
 * singular values that it began with the others are.
 */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { FileToWrite } from "../files.ts";
import type { ModuleSpec } from "../models/context.ts";
import { type FloatTensor, filled, tensor } from "../tensor.ts";
import { shortened } from "../text-cut.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { adaLora } from "./ada-lora.ts";
import type { AdaLoraConfig, AdapterTensors, BaseModel } from "./adapter.ts";
import { adapterFiles, CONFIG_FILE } from "./adapter-files.ts";
import { fitting } from "./own-files.ts";
import { type PeftTargets, peftTargets } from "./peft-targets.ts";
import { describe } from "./peft-values.ts";
import { adaLoraNames } from "./rank-allocator.ts";
import { changedTables, tablesBeside } from "./tables-beside.ts";
import { targetableLinear } from "./targets.ts";

export interface StoredAdaLora {
  readonly config: AdaLoraConfig;
  readonly tensors: AdapterTensors;
}

/** For each E, by its name in PEFT's words, which singular values are there. */
type RankPattern = Readonly<Record<string, readonly boolean[]>>;

const WRAPPER = "base_model.model.";
const patternKey = (e: string): string => e.slice(WRAPPER.length);

/** PEFT's names for our numbers. */
const NUMBERS = {
  r: "target_r",
  initR: "init_r",
  alpha: "lora_alpha",
  dropout: "lora_dropout",
  tinit: "tinit",
  tfinal: "tfinal",
  deltaT: "deltaT",
  beta1: "beta1",
  beta2: "beta2",
  orthogonality: "orth_reg_weight",
} as const;
/** What PEFT takes for what a file leaves out. */
const DEFAULTS: Readonly<Record<keyof typeof NUMBERS, number>> = {
  ...{ r: 8, initR: 12, alpha: 8, dropout: 0, tinit: 0, tfinal: 0, deltaT: 1, beta1: 0.85, beta2: 0.85 },
  orthogonality: 0.5,
};

/** @param baseModel name or folder of the model it belongs to */
export function adaLoraFiles(
  { config, tensors, name }: StoredAdaLora & { readonly name?: string },
  baseModel: string,
): FileToWrite[] {
  const values = Object.entries(tensors).filter(([name]) => name.endsWith(".lora_E"));
  // New ones are 0, and all there.
  const isUntrained = values.every(([, { data }]) => data.every((value) => value === 0));
  const pattern = Object.fromEntries(
    values.map(([e, { data }]) => [patternKey(e), Array.from(data, (value) => value !== 0)]),
  );
  const saved = isUntrained ? tensors : shrunk(tensors, pattern);
  const numbers = Object.entries(NUMBERS).map(([ours, theirs]) => [theirs, config[ours as keyof typeof NUMBERS]]);
  const json = {
    ...Object.fromEntries(numbers),
    ...{ peft_type: "ADALORA", task_type: "CAUSAL_LM", base_model_name_or_path: baseModel, inference_mode: true },
    ...{ target_modules: config.targets, r: config.r, bias: "none", fan_in_fan_out: false, init_lora_weights: true },
    ...{ total_step: config.totalStep ?? null, rank_pattern: isUntrained ? null : pattern },
  };
  return adapterFiles(json, saved, name);
}

/** The tensors without the singular values that a pattern has not. */
function shrunk(tensors: AdapterTensors, pattern: RankPattern): AdapterTensors {
  const kept: AdapterTensors = {};
  for (const [key, there] of Object.entries(pattern)) {
    const { a, b, e } = adaLoraNames(key.slice(0, -".lora_E".length));
    kept[a] = rowsWhere(tensors[a] as FloatTensor, there);
    kept[b] = columnsWhere(tensors[b] as FloatTensor, there);
    kept[e] = rowsWhere(tensors[e] as FloatTensor, there);
  }
  return kept;
}

/** @throws GlmError "adapter-invalid" with everything that cannot be used, or does not fit the base */
export async function readAdaLora(
  folder: string,
  json: Readonly<Record<string, unknown>>,
  stored: ReadonlyMap<string, StoredTensor>,
  base: BaseModel,
): Promise<StoredAdaLora & { readonly note?: string }> {
  const subject = join(folder, CONFIG_FILE);
  const faults: string[] = [];
  const numbers = Object.entries(NUMBERS).map(([ours, theirs]) => {
    const value = json[theirs] ?? DEFAULTS[ours as keyof typeof NUMBERS];
    if (!isNumber(value)) faults.push(`${theirs}: expected a number, got ${describe(value)}`);
    return [ours, value];
  });
  const total = json.total_step ?? undefined;
  if (total !== undefined && !isNumber(total)) {
    faults.push(`total_step: expected a number or null, got ${describe(total)}`);
  }
  for (const [key, off] of [
    ["bias", "none"],
    ["modules_to_save", null],
  ] as const) {
    const value = json[key] ?? off;
    const isOff = value === off || (Array.isArray(value) && value.length === 0);
    if (!isOff) faults.push(`${key}: ${describe(value)} is not supported of AdaLoRA, expected ${describe(off)}`);
  }
  const given = { ...json, target_modules: json.target_modules ?? ["query_key_value"] };
  const { names: targets, note } = found(() => peftTargets(given, targetableLinear(base), stored.keys()), faults);
  if (faults.length > 0) throw invalid(subject, faults);
  const config = {
    ...{ method: "adaLora", ...Object.fromEntries(numbers), targets },
    ...(total === undefined ? {} : { totalStep: total }),
  } as AdaLoraConfig;
  const adapter = adaLora(config, base);
  const modules = targetableLinear(base).filter(({ name }) => adapter.mergeTargets.has(`${name}.weight`));
  const pattern = rankPattern(json.rank_pattern, modules, config.initR, faults);
  if (faults.length > 0) throw invalid(subject, faults);
  const thereOf = (module: string): readonly boolean[] | undefined => pattern[patternName(module)];
  const left = modules.flatMap((module) => shrunkParameters(module, thereOf(module.name), config.initR));
  const beside = tablesBeside([...stored.values()], base);
  const names = new Set(left.map(({ name }) => name));
  const strangers = [...stored.keys()].filter((name) => !names.has(name) && !beside.has(name));
  faults.push(
    ...strangers.map((name) => `${name} belongs to nothing in this adapter`),
    ...(await changedTables(beside, base)),
  );
  if (faults.length > 0) throw invalid(subject, faults);
  const read = await fitting(folder, left, stored);
  const tensors = Object.assign(
    {},
    ...modules.map((module) => grown(module, thereOf(module.name), config.initR, read)),
  );
  return { config, tensors, ...(note === undefined ? {} : { note }) };
}

/** Which singular values are there, of modules that have a list of them; what is wrong with it is added to the faults. */
function rankPattern(given: unknown, modules: readonly ModuleSpec[], rank: number, faults: string[]): RankPattern {
  if (given === undefined || given === null) return {};
  if (typeof given !== "object" || Array.isArray(given)) {
    faults.push(`rank_pattern: expected lists of true and false by module, got ${describe(given)}`);
    return {};
  }
  const known = new Set(modules.map(({ name }) => patternName(name)));
  for (const [name, there] of Object.entries(given)) {
    const subject = `rank_pattern: ${shortened(name, 200)}`;
    if (!known.has(name)) faults.push(`${subject}: this adapter has no such module`);
    else if (!(Array.isArray(there) && there.every((one) => typeof one === "boolean"))) {
      faults.push(`${subject}: expected a list of true and false, got ${describe(there)}`);
    } else if (there.length !== rank) {
      faults.push(`${subject}: expected ${rank} of true and false, as many as init_r, got ${there.length}`);
    }
  }
  return given as RankPattern;
}

const patternName = (module: string): string => `${module}.lora_E`;

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function found(targets: () => PeftTargets, faults: string[]): PeftTargets {
  try {
    return targets();
  } catch (error) {
    if (!(error instanceof GlmError) || error.code !== "adapter-invalid") throw error;
    faults.push(error.message);
    return { names: [] };
  }
}

const invalid = (subject: string, faults: readonly string[]): GlmError =>
  new GlmError("adapter-invalid", `${subject} cannot be used:${faultLines(faults)}`);

const ranksLeft = (there: readonly boolean[] | undefined, rank: number): number =>
  there ? there.filter(Boolean).length : rank;

function shrunkParameters({ name, in: width, out }: ModuleSpec, there: readonly boolean[] | undefined, rank: number) {
  const [{ a, b, e }, left] = [adaLoraNames(name), ranksLeft(there, rank)];
  return [
    { name: a, shape: [left, width] },
    { name: b, shape: [out, left] },
    { name: e, shape: [left, 1] },
  ];
}

/** What was left out is 0. */
function grown(
  { name, in: width, out }: ModuleSpec,
  there: readonly boolean[] | undefined,
  rank: number,
  read: AdapterTensors,
): AdapterTensors {
  const { a, b, e } = adaLoraNames(name);
  const [rows, columns, values] = [read[a], read[b], read[e]] as [FloatTensor, FloatTensor, FloatTensor];
  if (!there) return { [a]: rows, [b]: columns, [e]: values };
  const all = { [a]: filled([rank, width]), [b]: filled([out, rank]), [e]: filled([rank, 1]) };
  const left = ranksLeft(there, rank);
  let at = 0;
  for (const [k, isThere] of there.entries()) {
    if (!isThere) continue;
    all[a]?.data.set(rows.data.subarray(at * width, (at + 1) * width), k * width);
    for (let o = 0; o < out; o += 1) (all[b] as FloatTensor).data[o * rank + k] = columns.data[o * left + at] as number;
    (all[e] as FloatTensor).data[k] = values.data[at] as number;
    at += 1;
  }
  return all;
}

function rowsWhere({ shape, data }: FloatTensor, there: readonly boolean[]): FloatTensor {
  const width = shape[1] as number;
  const kept = there.flatMap((isThere, k) => (isThere ? [...data.subarray(k * width, (k + 1) * width)] : []));
  return tensor("float32", [kept.length / width, width], Float32Array.from(kept));
}

function columnsWhere({ shape, data }: FloatTensor, there: readonly boolean[]): FloatTensor {
  const width = shape[1] as number;
  const kept = data.filter((_, i) => there[i % width]);
  return tensor("float32", [shape[0] as number, there.filter(Boolean).length], kept);
}
