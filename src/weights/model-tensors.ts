/**
 * @file Whether a checkpoint's weights are those of the model that its config.json describes: judged by names, shapes and
 * types before any number is used, with everything that is wrong in one report.
 *
 * Tensors that the model does not use are refused, too, unless they cannot change what it computes (`harmless`): a model
 * with weights that nothing is multiplied by is some other model, and its answers would be wrong without a word.
 */

import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { toFloat32 } from "../float32.ts";
import type { ParameterSpec } from "../models/context.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { isPrefix, isPrefixOnly, prefixAlone } from "./prefix.ts";
import { readTensor } from "./safetensors.ts";
import { sameNumbers } from "./same-numbers.ts";
import type { StoredTensor } from "./stored.ts";

/** Bits of a published quantisation. */
export type PublishedBits = 4 | 8;

/** What config.json says that the files hold. */
export interface ExpectedWeights {
  /** Every tensor that the model uses, as it is unquantised. */
  readonly parameters: readonly ParameterSpec[];
  /** The linear modules whose weights published quantisation packs. */
  readonly modules: readonly { readonly name: string }[];
  /** The published quantisation that config.json names. */
  readonly bits?: PublishedBits | undefined;
  /** The frequencies of positions, where the published code takes those of the files: ChatGLM-6B's does. */
  readonly frequencies?: Float32Array | undefined;
}

type Tensors = Checkpoint["tensors"];

/** A tensor that must be there. */
interface Expected extends ParameterSpec {
  readonly dtypes: readonly string[];
}

/** Types in which a checkpoint may have its numbers. */
export const floatTypes: readonly string[] = ["float32", "float16", "bfloat16"];

/** Other names for parameters: ChatGLM-6B's head is its embedding, and files have either or both. */
const aliases: ReadonlyMap<string, string> = new Map([["transformer.word_embeddings.weight", "lm_head.weight"]]);

/**
 * Tensors that files have besides parameters, and that the code computes itself: causal masks, and frequencies of positions,
 * which are compared where the published code takes those of the files.
 */
const harmless = [/\.inv_freq$/, /\.(self_)?att(entio)?n\.(bias|masked_bias)$/];

/** The name of the scales of a quantised weight. */
export const scaleName = (weight: string): string => `${weight}_scale`;

/**
 * Checks the weights against what the model expects. With quantisation the modules' `.weight` are int8 [out, in] or, for
 * 4 bits, [out, in / 2], each with its `.weight_scale`, a float for each of the [out] rows.
 * @returns the parameters, and after each packed one its scale, by name; one that the files have under another name has
 * its own name here
 * @throws GlmError "model-invalid" with everything that does not fit, or for a prefix of P-tuning v2 and nothing else
 */
export async function modelTensors(
  { folder, tensors }: Pick<Checkpoint, "folder" | "tensors">,
  { parameters, modules, bits, frequencies }: ExpectedWeights,
): Promise<ReadonlyMap<string, StoredTensor>> {
  if (isPrefixOnly(tensors.keys())) throw prefixAlone(folder);
  const packed = new Set(modules.map(({ name }) => `${name}.weight`));
  const { faults, reported } = contradictions(
    tensors,
    parameters.filter(({ name }) => packed.has(name)),
    bits,
  );
  const layers = { expected: layerCount(parameters.map(({ name }) => name)), found: layerCount([...tensors.keys()]) };
  if (layers.found !== layers.expected) {
    faults.push(`config.json gives ${layers.expected} layers, but the weights have ${layers.found}`);
  }
  const isBeyond = (name: string): boolean => (layerOf(name) ?? -1) >= Math.min(layers.expected, layers.found);
  const fitted = new Map<string, StoredTensor>();
  const used = new Set(reported);
  for (const expected of parameters.flatMap((spec) =>
    packed.has(spec.name) ? packedForm(spec, bits) : plainForm(spec),
  )) {
    const { name } = expected;
    if (reported.has(name) || isBeyond(name)) continue;
    const tensor = tensors.get(name) ?? tensors.get(aliases.get(name) ?? "");
    const fault = faultOf(tensor, expected);
    if (fault) faults.push(`${name}: ${fault}`);
    else if (tensor) fitted.set(name, { ...tensor, name });
    used.add(tensor?.name ?? name);
  }
  // A tied tensor that the files have twice must be the same both times.
  const twins = parameters.flatMap(({ name }) => twinOf(name, fitted, tensors) ?? []);
  for (const { twin } of twins) used.add(twin.name);
  for (const name of tensors.keys()) {
    // A prefix is an adapter, which lies here, too.
    if (used.has(name) || isPrefix(name) || isBeyond(name) || harmless.some((pattern) => pattern.test(name))) continue;
    faults.push(`${describe(name)}: the model of config.json has no such tensor`);
  }
  if (frequencies) faults.push(...(await otherFrequencies(tensors, frequencies)));
  if (faults.length === 0) {
    for (const { tensor, twin } of twins) {
      if (await sameNumbers(tensor, twin)) continue;
      faults.push(`${twin.name}: expected the numbers of ${tensor.name}, with which this model shares it, got others`);
    }
  }
  if (faults.length === 0) return fitted;
  throw new GlmError(
    "model-invalid",
    `${folder}: the weights do not fit config.json; take both from one model:${faultLines(faults)}`,
  );
}

/** Frequencies of positions that are not the model's: they were scaled, for longer texts. */
async function otherFrequencies(tensors: Tensors, expected: Float32Array): Promise<string[]> {
  const faults: string[] = [];
  for (const tensor of tensors.values()) {
    if (!tensor.name.endsWith(".inv_freq")) continue;
    const found = tensor.bytes <= maxFrequencyBytes ? toFloat32(await readTensor(tensor)).data : [];
    // In files they may be rounded to float16 or not.
    const same = (value: number, i: number): boolean => Math.abs((found[i] as number) - value) <= 1e-3 * value;
    if (found.length === expected.length && expected.every(same)) continue;
    faults.push(
      `${tensor.name}: expected the frequencies of positions of config.json, got others: scaled ones are not supported`,
    );
  }
  return faults;
}

/** There are as many as a quarter of a head has elements. */
const maxFrequencyBytes = 2 ** 16;

const plainForm = ({ name, shape }: ParameterSpec): Expected[] => [{ name, shape, dtypes: floatTypes }];

function packedForm({ name, shape }: ParameterSpec, bits: PublishedBits | undefined): Expected[] {
  if (!bits) return plainForm({ name, shape });
  const [out, width] = shape as [number, number];
  return [
    { name, shape: [out, (width * bits) / 8], dtypes: ["int8"] },
    { name: scaleName(name), shape: [out], dtypes: floatTypes },
  ];
}

function faultOf(tensor: StoredTensor | undefined, { shape, dtypes }: Expected): string | undefined {
  if (!tensor) return `missing, expected ${describe(shape)}`;
  if (String(tensor.shape) !== String(shape)) return `expected ${describe(shape)}, got ${describe(tensor.shape)}`;
  if (!dtypes.includes(tensor.dtype)) return `expected ${dtypes.join(" or ")}, got ${tensor.dtype}`;
  return undefined;
}

/** How a linear weight may lie in a file, by what config.json says about it. */
const forms: ReadonlyMap<PublishedBits | undefined, { readonly said: string; readonly is: string }> = new Map([
  [undefined, { said: "no quantization_bit", is: "floats" }],
  [8, { said: "quantization_bit 8", is: "8-bit integers" }],
  [4, { said: "quantization_bit 4", is: "4-bit integers, two to a byte" }],
]);

/**
 * Weights quantised otherwise than config.json says: one fault for each way in which they are, and their names, so that
 * they are not reported one by one.
 */
function contradictions(
  tensors: Tensors,
  weights: readonly ParameterSpec[],
  bits: PublishedBits | undefined,
): { faults: string[]; reported: ReadonlySet<string> } {
  const reported = new Set<string>();
  const faults: string[] = [];
  for (const [found, { said, is }] of forms) {
    const names = weights.flatMap((spec) => {
      const tensor = tensors.get(spec.name);
      const [weight] = packedForm(spec, found);
      return found !== bits && tensor && weight && !faultOf(tensor, weight) ? [spec.name] : [];
    });
    const [first] = names;
    if (first === undefined) continue;
    for (const name of names) reported.add(name).add(scaleName(name));
    faults.push(
      `config.json gives ${forms.get(bits)?.said}, but ${names.length} of ${weights.length} linear weights are ${is} ` +
        `(${first}): it should give ${said}, or belongs to another model`,
    );
  }
  return { faults, reported };
}

/** The tensor under a parameter's other name, if the files have both. */
function twinOf(
  name: string,
  fitted: ReadonlyMap<string, StoredTensor>,
  tensors: Tensors,
): { tensor: StoredTensor; twin: StoredTensor } | undefined {
  const tensor = fitted.get(name);
  const twin = tensors.get(aliases.get(name) ?? "");
  return tensor && twin && tensors.has(name) ? { tensor, twin } : undefined;
}

/** The number in `transformer.layers.7.mlp...`. */
function layerOf(name: string): number | undefined {
  const number = /\.layers\.(\d+)\./.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

const layerCount = (names: readonly string[]): number =>
  names.reduce((count, name) => Math.max(count, (layerOf(name) ?? -1) + 1), 0);
