/**
 * @file What several adapters do to a model at once: the sum of what each does alone, each counted by a weight. Source: Ilharco et al.
 * 2022, "Editing models with task arithmetic".
 */
import { GlmError } from "../errors.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import { shortened } from "../text-cut.ts";
import { finiteFault } from "../weights/finite.ts";
import type { AdapterEffect, BaseModel, LowRankUpdate, Prefix } from "./adapter.ts";
import { targetable, weightOf } from "./targets.ts";

/** One of several effects. */
export interface EffectPart {
  /** Of its adapter, for messages. */
  readonly name: string;
  readonly effect: AdapterEffect;
  /** How much it counts: finite, 0 for not at all. */
  readonly weight: number;
}

interface WeightedPair {
  readonly pair: LowRankUpdate;
  readonly weight: number;
}

/**
 * The sum of effects: a module's output gains each part's update times its weight, a base parameter becomes its value and the
 * weighted changes of it, and a row begins with all prefixes, one after the other.
 * @param base read where a change of a parameter has to be known
 * @throws GlmError "unsupported" for a prefix that is to count by another weight than 1, and where a gain of DoRA would multiply a
 * weight that another part replaces; "option-invalid" for weights that make numbers too large to be any
 */
export async function combinedEffect(given: readonly EffectPart[], base: BaseModel): Promise<AdapterEffect> {
  const parts = given.filter(({ weight }) => weight !== 0);
  const lowRank = combinedUpdates(parts);
  const overrides = await combinedOverrides(parts, base);
  const prefix = combinedPrefix(parts);
  if (lowRank && overrides) mustNotMeet(parts, base);
  mustBeFiniteSum(parts, [
    ...[...(lowRank ?? [])].flatMap(([module, update]) =>
      Object.values(update).map((numbers) => [module, numbers] as const),
    ),
    ...(overrides ?? []),
  ]);
  return {
    ...(lowRank ? { lowRank } : {}),
    ...(overrides ? { overrides } : {}),
    ...(prefix ? { prefix } : {}),
  };
}

/** @throws GlmError "option-invalid" for weights that make numbers too large to be any */
export function mustBeFiniteSum(
  parts: readonly { readonly name: string; readonly weight: number }[],
  numbers: Iterable<readonly [name: string, values: FloatTensor]>,
): void {
  for (const [name, values] of numbers) {
    const fault = finiteFault(values);
    if (fault === undefined) continue;
    const sum = parts.map((part) => `${part.weight}*${part.name}`).join(" + ");
    throw new GlmError("option-invalid", `${shortened(sum, 200)}: ${name}: ${fault}. Give smaller weights.`);
  }
}

/** A gain multiplies what the weights there do, and not what they would have done without the other part. */
function mustNotMeet(parts: readonly EffectPart[], base: BaseModel): void {
  const isScaled = ({ effect }: EffectPart, module: string): boolean => effect.lowRank?.get(module)?.gain !== undefined;
  if (!parts.some(({ effect }) => [...(effect.lowRank?.values() ?? [])].some(({ gain }) => gain))) return;
  for (const module of targetable(base)) {
    const scaling = parts.find((part) => isScaled(part, module.name));
    const replacing = parts.find(({ effect }) => effect.overrides?.has(weightOf(module)));
    if (!scaling || !replacing) continue;
    throw new GlmError(
      "unsupported",
      `${scaling.name} and ${replacing.name} cannot answer together: ${scaling.name} changes the lengths of ${module.name}'s weights (DoRA), which ` +
        `${replacing.name} replaces. Write a checkpoint with both merged into it (%adapter merge SUM FOLDER), and load that.`,
    );
  }
}

function combinedUpdates(parts: readonly EffectPart[]): AdapterEffect["lowRank"] {
  const byModule = new Map<string, WeightedPair[]>();
  for (const { effect, weight } of parts) {
    for (const [module, pair] of effect.lowRank ?? []) {
      byModule.set(module, [...(byModule.get(module) ?? []), { pair, weight }]);
    }
  }
  if (byModule.size === 0) return undefined;
  return new Map([...byModule].map(([module, pairs]) => [module, sumOfUpdates(pairs)]));
}

/** Σ weight · x·down·up as one pair: the ranks stand side by side. This is where all that a pair can hold is summed. */
function sumOfUpdates(pairs: readonly WeightedPair[]): LowRankUpdate {
  const [first] = pairs as [WeightedPair];
  if (pairs.length === 1 && first.weight === 1) return first.pair;
  const gain = sumOfGains(pairs);
  return {
    ...(gain ? { gain } : {}),
    down: sideBySide(pairs.map(({ pair }) => pair.down)),
    up: stacked(pairs.map(({ pair, weight }) => scaled(pair.up, weight))),
  };
}

/** 1 + Σ weight · (gain - 1), of those parts that multiply what the base does; undefined when none does. */
function sumOfGains(pairs: readonly WeightedPair[]): FloatTensor | undefined {
  const gains = pairs.flatMap(({ pair: { gain }, weight }) => (gain ? [{ gain, weight }] : []));
  const [first] = gains;
  if (!first) return undefined;
  const sum = first.gain.data.map((_, i) =>
    gains.reduce((all, { gain, weight }) => all + weight * ((gain.data[i] as number) - 1), 1),
  );
  return tensor("float32", first.gain.shape, sum);
}

/** Matrices of the same height, as one. */
function sideBySide(matrices: readonly FloatTensor[]): FloatTensor {
  const height = matrices[0]?.shape[0] as number;
  const width = matrices.reduce((sum, { shape }) => sum + (shape[1] as number), 0);
  const data = new Float32Array(height * width);
  let left = 0;
  for (const { shape, data: values } of matrices) {
    const columns = shape[1] as number;
    for (let row = 0; row < height; row += 1) {
      data.set(values.subarray(row * columns, (row + 1) * columns), row * width + left);
    }
    left += columns;
  }
  return tensor("float32", [height, width], data);
}

/** Matrices of the same width, one below the other. */
function stacked(matrices: readonly FloatTensor[]): FloatTensor {
  const width = matrices[0]?.shape[1] as number;
  const data = new Float32Array(matrices.reduce((sum, { data: values }) => sum + values.length, 0));
  let at = 0;
  for (const { data: values } of matrices) {
    data.set(values, at);
    at += values.length;
  }
  return tensor("float32", [data.length / width, width], data);
}

const scaled = ({ shape, data }: FloatTensor, factor: number): FloatTensor =>
  tensor(
    "float32",
    shape,
    data.map((value) => value * factor),
  );

interface Replacement {
  readonly value: FloatTensor;
  readonly weight: number;
}

async function combinedOverrides(
  parts: readonly EffectPart[],
  base: Pick<BaseModel, "read">,
): Promise<AdapterEffect["overrides"]> {
  const replacing = parts.filter(({ effect }) => effect.overrides !== undefined);
  const [first] = replacing;
  if (!first) return undefined;
  // The same map: rows with this adapter alone can share a run with these.
  if (replacing.length === 1 && first.weight === 1) return first.effect.overrides;
  const byName = new Map<string, Replacement[]>();
  for (const { effect, weight } of replacing) {
    for (const [name, value] of effect.overrides ?? []) {
      byName.set(name, [...(byName.get(name) ?? []), { value, weight }]);
    }
  }
  const overrides = new Map<string, FloatTensor>();
  for (const [name, replacements] of byName) {
    const [only] = replacements as [Replacement];
    const isWhole = replacements.length === 1 && only.weight === 1;
    overrides.set(name, isWhole ? only.value : sumOfChanges(await base.read(name), replacements));
  }
  return overrides;
}

/** base + Σ weight · (value - base), of tensors of one shape. */
export function sumOfChanges(base: FloatTensor, replacements: readonly Replacement[]): FloatTensor {
  const sum = Float64Array.from(base.data);
  for (const { value, weight } of replacements) {
    for (let i = 0; i < sum.length; i += 1) {
      sum[i] = (sum[i] as number) + weight * ((value.data[i] as number) - (base.data[i] as number));
    }
  }
  return tensor("float32", base.shape, Float32Array.from(sum));
}

function combinedPrefix(parts: readonly EffectPart[]): Prefix | undefined {
  const led = parts.flatMap(({ name, weight, effect: { prefix } }) => (prefix ? [{ name, weight, prefix }] : []));
  const [first] = led;
  if (!first) return undefined;
  const partial = led.find(({ weight }) => weight !== 1);
  if (partial) {
    throw new GlmError(
      "unsupported",
      `${partial.name}: expected weight 1, got ${partial.weight}. It adds keys and values to attention, which are there or not, ` +
        `and cannot count by parts. Write ${partial.name} without a weight, or leave it out.`,
    );
  }
  if (led.length === 1) return first.prefix;
  const prefixes = led.map(({ prefix }) => prefix);
  return {
    length: prefixes.reduce((sum, { length }) => sum + length, 0),
    layers: first.prefix.layers.map((_, layer) => ({
      keys: oneAfterTheOther(prefixes.map(({ layers }) => layers[layer]?.keys as FloatTensor)),
      values: oneAfterTheOther(prefixes.map(({ layers }) => layers[layer]?.values as FloatTensor)),
    })),
  };
}

/** [1, groups, length, headSize] of any lengths, as one. */
function oneAfterTheOther(blocks: readonly FloatTensor[]): FloatTensor {
  const [first] = blocks as [FloatTensor];
  const [, groups, , headSize] = first.shape as [number, number, number, number];
  const length = blocks.reduce((sum, { shape }) => sum + (shape[2] as number), 0);
  const data = new Float32Array(groups * length * headSize);
  let at = 0;
  for (let group = 0; group < groups; group += 1) {
    for (const { shape, data: values } of blocks) {
      const size = (shape[2] as number) * headSize;
      data.set(values.subarray(group * size, (group + 1) * size), at);
      at += size;
    }
  }
  return tensor("float32", [1, groups, length, headSize], data);
}
