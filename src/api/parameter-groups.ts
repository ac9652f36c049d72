/**
 * @file A model's parameters with an adapter's, by module: modules of several layers that are alike are one group. With the
 * memory that training takes: values, gradients, and AdamW's two moments.
 */
import type { ParameterInfo } from "../engine/engine.ts";
import { type DType, elementSize } from "../tensor.ts";

/** Bytes. */
export interface TrainingMemory {
  /** In the type that a checkpoint has, and of what trains, in float32. What trains of the base is there twice. */
  readonly values: number;
  /** In float32, of what trains. */
  readonly gradients: number;
  /** Two moments in float32, of what trains. */
  readonly optimizer: number;
}

export interface ParameterGroup extends TrainingMemory {
  /** The module: `transformer.encoder.layers.0–27.mlp.dense_4h_to_h`. */
  readonly module: string;
  /** The tensor's name in it: `weight`, `lora_A.weight`. */
  readonly tensor: string;
  /** Tensors that are alike, one for each layer. */
  readonly times: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly trains: boolean;
  /** Elements of all of them. */
  readonly count: number;
}

/** A float32 number of what trains: its gradient, and AdamW's two moments of it. */
const [GRADIENT, MOMENTS] = [elementSize.float32, 2 * elementSize.float32];
/** How PEFT's names begin. */
const WRAPPER = "base_model.model.";

/**
 * Groups in the order of the model's modules; an adapter's tensors stand with the module that they belong to.
 * @param base the model's own tensors
 * @param adapter those of an adapter; what has the name of one of the model's takes its place
 */
export function parameterGroups(
  base: readonly ParameterInfo[],
  adapter: readonly ParameterInfo[] = [],
): readonly ParameterGroup[] {
  const replaced = new Map(adapter.map((parameter) => [parameter.name, parameter]));
  const names = new Set(base.map(({ name }) => name));
  const modules = new Map<string, Entry[]>(base.map(({ name }) => [splitLast(name).module, []]));
  const add = (module: string, entry: Entry): void => {
    const entries = modules.get(module);
    if (entries) entries.push(entry);
    else modules.set(module, [entry]);
  };
  for (const one of base) {
    const { module, tensor } = splitLast(one.name);
    const own = replaced.get(one.name);
    add(module, own ? entryOf(tensor, own, bytesOf(one)) : entryOf(tensor, one));
  }
  for (const one of adapter) {
    if (names.has(one.name)) continue;
    const name = one.name.startsWith(WRAPPER) ? one.name.slice(WRAPPER.length) : one.name;
    const module = moduleAround(name, modules) ?? splitLast(name).module;
    add(module, entryOf(name.slice(module.length + 1), one));
  }
  return alike(modules).flatMap(({ module, entries, times }) =>
    entries.map((entry) => ({
      ...entry,
      module,
      times,
      count: times * entry.count,
      values: times * entry.values,
      gradients: times * entry.gradients,
      optimizer: times * entry.optimizer,
    })),
  );
}

/** Of all groups together. */
export function totalMemory(groups: readonly TrainingMemory[]): TrainingMemory {
  const sum = (part: keyof TrainingMemory): number => groups.reduce((all, group) => all + group[part], 0);
  return { values: sum("values"), gradients: sum("gradients"), optimizer: sum("optimizer") };
}

/** One tensor of a module. */
type Entry = Omit<ParameterGroup, "module" | "times">;

/** @param beside bytes of the base's own values, which stay */
function entryOf(tensor: string, info: ParameterInfo, beside = 0): Entry {
  const { shape, dtype, count, trainable: trains } = info;
  const trained = trains ? count : 0;
  return {
    ...{ tensor, shape, dtype, count, trains },
    values: beside + bytesOf(info),
    gradients: GRADIENT * trained,
    optimizer: MOMENTS * trained,
  };
}

const bytesOf = ({ count, dtype }: ParameterInfo): number => count * elementSize[dtype];

function splitLast(name: string): { readonly module: string; readonly tensor: string } {
  const at = name.lastIndexOf(".");
  return { module: name.slice(0, Math.max(0, at)), tensor: name.slice(at + 1) };
}

/** The innermost module of the model that a name lies in. */
function moduleAround(name: string, modules: ReadonlyMap<string, unknown>): string | undefined {
  for (let at = name.lastIndexOf("."); at > 0; at = name.lastIndexOf(".", at - 1)) {
    if (modules.has(name.slice(0, at))) return name.slice(0, at);
  }
  return undefined;
}

/** Modules that differ in nothing but the number of their layer are one. */
function alike(
  modules: ReadonlyMap<string, readonly Entry[]>,
): readonly { readonly module: string; readonly entries: readonly Entry[]; readonly times: number }[] {
  const groups = new Map<string, { before: string; after: string; entries: readonly Entry[]; layers: number[] }>();
  for (const [module, entries] of modules) {
    const [, before = module, layer, after = ""] = /^(.*\blayers\.)(\d+)(\b.*)$/.exec(module) ?? [];
    const key = JSON.stringify([before, after, layer === undefined, entries]);
    const group = groups.get(key) ?? { before, after, entries, layers: [] };
    if (layer !== undefined) group.layers.push(Number(layer));
    groups.set(key, group);
  }
  return [...groups.values()].map(({ before, after, entries, layers }) => ({
    module: before + ranges(layers) + after,
    entries,
    times: Math.max(1, layers.length),
  }));
}

/** [0, 1, 2, 5] -> "0–2,5". */
function ranges(layers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const layer of [...layers].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join();
}
