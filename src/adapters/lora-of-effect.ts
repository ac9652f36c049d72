/** @file Updates of modules as a LoRA that makes them: its alpha is its rank, so that the files' matrices are the update itself. */
import { copied } from "../tensor.ts";
import type { AdapterEffect, AdapterTensors, BaseModel, LoraConfig } from "./adapter.ts";
import { biasName, loraNames, transposed } from "./lora.ts";

export interface LoraOfEffect {
  readonly config: LoraConfig;
  readonly tensors: AdapterTensors;
}

/**
 * The LoRA of an effect that has updates of modules and, at most, changes of biases; undefined where it changes other parameters.
 * @param dropout for when it trains on
 */
export async function loraOfEffect(
  { lowRank = new Map(), overrides = new Map() }: AdapterEffect,
  dropout: number,
  base: BaseModel,
): Promise<LoraOfEffect | undefined> {
  const ranks = new Map([...lowRank].map(([module, { down }]) => [module, down.shape[1] as number]));
  const biases = base.parameters.filter(({ name }) => name.endsWith(".bias"));
  const ofTargets = biases.filter(({ name }) => ranks.has(name.slice(0, -".bias".length)));
  const isAmong = (some: typeof biases): boolean =>
    [...overrides.keys()].every((changed) => some.some(({ name }) => name === changed));
  if (!isAmong(biases)) return undefined;
  const trained = overrides.size === 0 ? [] : isAmong(ofTargets) ? ofTargets : biases;
  const tensors: AdapterTensors = {};
  for (const [module, { down, up }] of lowRank) {
    const { a, b } = loraNames(module);
    tensors[a] = transposed(down);
    tensors[b] = transposed(up);
  }
  for (const { name } of trained) {
    tensors[biasName(name, new Set(ranks.keys()))] = copied(overrides.get(name) ?? (await base.read(name)));
  }
  const bias = trained.length === 0 ? {} : { bias: trained === biases ? ("all" as const) : ("lora_only" as const) };
  return { config: { method: "lora", dropout, ...sizes(ranks, base), ...bias }, tensors };
}

/** Targets, and the rank that most of them have with the others' by pattern, in few words where modules of one kind are alike. */
function sizes(
  ranks: ReadonlyMap<string, number>,
  { modules }: BaseModel,
): Pick<LoraConfig, "r" | "alpha" | "targets" | "rankPattern" | "alphaPattern"> {
  const r = mostCommon([...ranks.values()]);
  const kinds = new Map<string, string[]>();
  for (const { name } of modules) {
    const kind = name.slice(name.lastIndexOf(".") + 1);
    kinds.set(kind, [...(kinds.get(kind) ?? []), name]);
  }
  const targets: string[] = [];
  const others: Record<string, number> = {};
  for (const [kind, names] of kinds) {
    const targeted = names.filter((name) => ranks.has(name));
    targets.push(...(targeted.length === names.length ? [kind] : targeted));
    const [rank, ...more] = new Set(names.map((name) => ranks.get(name)));
    const isAlike = rank !== undefined && more.length === 0;
    if (isAlike && rank !== r) others[kind] = rank;
    if (isAlike) continue;
    for (const name of targeted) if (ranks.get(name) !== r) others[name] = ranks.get(name) as number;
  }
  const patterns = Object.keys(others).length === 0 ? {} : { rankPattern: others, alphaPattern: others };
  return { r, alpha: r, targets, ...patterns };
}

function mostCommon(numbers: readonly number[]): number {
  const count = (number: number): number => numbers.filter((one) => one === number).length;
  return [...new Set(numbers)].sort((a, b) => count(b) - count(a))[0] as number;
}
