/**
 * @file P-tuning v2: keys and values of virtual tokens in every layer. Source: Liu et al. 2021, and the prefix encoder of the
 * published modelling code of ChatGLM-6B and ChatGLM2, whose names these are.
 */
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { gemm, reshape, split, tanh, transpose } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { ParameterSpec } from "../models/context.ts";
import { randomStream } from "../random.ts";
import { type FloatTensor, sizeOf, tensor } from "../tensor.ts";
import type { Adapter, AdapterTensors, BaseModel, Prefix, PTuningConfig } from "./adapter.ts";
import { inputOf } from "./graph-inputs.ts";

export const ENCODER = "transformer.prefix_encoder";
export const EMBEDDING: string = `${ENCODER}.embedding.weight`;
/** The layers of the network that makes keys and values of embeddings: linear, tanh, linear. */
const [INNER, OUTER] = [`${ENCODER}.trans.0`, `${ENCODER}.trans.2`];

/** Some operators of GPUs take few results. */
const SPLIT = 4;

/** @throws GlmError "adapter-invalid" when an option is out of range */
export function pTuning(config: PTuningConfig, base: BaseModel): Adapter {
  check(config, base.config);
  const { length, projection, dropout } = config;
  const specs = prefixParameters(config, base.config);
  return {
    config,
    parameters: specs.map(({ name, shape }) => ({ name, shape })),
    prefixLength: length,
    initialize: async (seed) => Object.fromEntries(specs.map((spec) => [spec.name, starting(seed, spec)])),
    applyToTraining(context, inputs, drop) {
      const value = (name: string): Value => inputOf(inputs, name);
      const linear = (x: Value, module: string): Value =>
        gemm(x, value(`${module}.weight`), { transB: true }, value(`${module}.bias`));
      const embeddings = value(EMBEDDING);
      const made = projection ? linear(tanh(linear(embeddings, INNER)), OUTER) : embeddings;
      const parts = byLayerPart(drop(made, "prefix", dropout), length, base.config);
      return {
        context,
        prefix: (layer) => ({ keys: parts[2 * layer] as Value, values: parts[2 * layer + 1] as Value }),
      };
    },
    forInference: (tensors) => ({ prefix: prefixOf(tensors, config, base.config) }),
    mergeTargets: new Set(),
    merge(_, name) {
      throw new Error(`P-tuning v2 changes no ${name}`);
    },
  };
}

function check({ length, dropout }: PTuningConfig, { contextLength }: ChatGLMConfig): void {
  const faults: string[] = [];
  if (!Number.isInteger(length) || length < 1 || length > contextLength) {
    faults.push(`length: expected a whole number from 1 to ${contextLength} (the model's context), got ${length}`);
  }
  if (!(dropout >= 0 && dropout < 1)) faults.push(`dropout: expected 0 or more and less than 1, got ${dropout}`);
  if (faults.length > 0) throw new GlmError("adapter-invalid", `P-tuning v2 cannot be set up:${faultLines(faults)}`);
}

/** Numbers of all keys and values of a virtual token. */
const widthOf = ({ layers, groups, headSize }: ChatGLMConfig): number => 2 * layers * groups * headSize;

interface PrefixParameter extends ParameterSpec {
  /** What a linear layer reads. */
  readonly width: number;
}

/** Tensors by their published names. The generations embed differently where there is a projection. */
function prefixParameters({ length, projection }: PTuningConfig, config: ChatGLMConfig): PrefixParameter[] {
  const [width, { hidden }] = [widthOf(config), config];
  if (!projection) return [{ name: EMBEDDING, shape: [length, width], width: 1 }];
  const embedded = config.layout === "chatglm6b" ? hidden : width;
  return [
    { name: EMBEDDING, shape: [length, embedded], width: 1 },
    { name: `${INNER}.weight`, shape: [hidden, embedded], width: embedded },
    { name: `${INNER}.bias`, shape: [hidden], width: embedded },
    { name: `${OUTER}.weight`, shape: [width, hidden], width: hidden },
    { name: `${OUTER}.bias`, shape: [width], width: hidden },
  ];
}

/** As PyTorch starts them: embeddings from a normal distribution, linear layers uniformly within ±1/sqrt(in). */
function starting(seed: number, { name, shape, width }: PrefixParameter): FloatTensor {
  const stream = randomStream(seed, name);
  const data = new Float32Array(sizeOf(shape));
  const bound = 1 / Math.sqrt(width);
  const next = name === EMBEDDING ? () => stream.normal() : () => (2 * stream.uniform() - 1) * bound;
  return tensor("float32", shape, data.map(next));
}

/** [length, width] as [1, groups, length, headSize] for each layer's keys and each layer's values. */
function byLayerPart(made: Value, length: number, { layers, groups, headSize }: ChatGLMConfig): readonly Value[] {
  const parts = reshape(made, [length, 2 * layers, groups, headSize]);
  return pieces(transpose(parts, [1, 2, 0, 3]), 2 * layers);
}

/** The rows of a value, each by itself. */
function pieces(x: Value, count: number): readonly Value[] {
  if (count === 1) return [x];
  const step = Math.ceil(count / Math.min(SPLIT, count));
  const sizes: number[] = [];
  for (let left = count; left > 0; left -= step) sizes.push(Math.min(step, left));
  return split(x, sizes, 0).flatMap((part, i) => pieces(part, sizes[i] as number));
}

/** A prefix as an adapter without a projection. */
export function prefixAdapter(
  { length, layers }: Prefix,
  dropout: number,
  { groups, headSize }: ChatGLMConfig,
): { readonly config: PTuningConfig; readonly tensors: AdapterTensors } {
  const parts = layers.flatMap(({ keys, values }) => [keys, values]);
  const width = parts.length * groups * headSize;
  const data = new Float32Array(length * width);
  parts.forEach((block, part) => {
    for (let group = 0; group < groups; group += 1) {
      for (let place = 0; place < length; place += 1) {
        const from = (group * length + place) * headSize;
        const to = place * width + (part * groups + group) * headSize;
        data.set(block.data.subarray(from, from + headSize), to);
      }
    }
  });
  return {
    config: { method: "pTuning", length, projection: false, dropout },
    tensors: { [EMBEDDING]: tensor("float32", [length, width], data) },
  };
}

/** All keys and values [length, 2 * layers * groups * headSize], layer by layer its keys and then its values. */
export function keysAndValues(tensors: AdapterTensors, { length, projection }: PTuningConfig): FloatTensor {
  const embeddings = tensors[EMBEDDING] as FloatTensor;
  const made = projection ? projected(embeddings, tensors) : embeddings.data;
  return tensor("float32", [length, made.length / length], made);
}

function prefixOf(tensors: AdapterTensors, config: PTuningConfig, { layers, groups, headSize }: ChatGLMConfig): Prefix {
  const { data: made, shape } = keysAndValues(tensors, config);
  const [length, width] = shape as [number, number];
  const block = (part: number): FloatTensor => {
    const data = new Float32Array(groups * length * headSize);
    for (let group = 0; group < groups; group += 1) {
      for (let place = 0; place < length; place += 1) {
        const from = place * width + (part * groups + group) * headSize;
        data.set(made.subarray(from, from + headSize), (group * length + place) * headSize);
      }
    }
    return tensor("float32", [1, groups, length, headSize], data);
  };
  return {
    length,
    layers: Array.from({ length: layers }, (_, layer) => ({ keys: block(2 * layer), values: block(2 * layer + 1) })),
  };
}

function projected(embeddings: FloatTensor, tensors: AdapterTensors): Float32Array {
  const inner = linear(embeddings.data, tensors, INNER);
  return linear(inner.map(Math.tanh), tensors, OUTER);
}

function linear(x: Float32Array, tensors: AdapterTensors, module: string): Float32Array {
  const [weight, bias] = [tensors[`${module}.weight`] as FloatTensor, tensors[`${module}.bias`] as FloatTensor];
  const [out, width] = weight.shape as [number, number];
  const rows = x.length / width;
  const y = new Float32Array(rows * out);
  for (let row = 0; row < rows; row += 1) {
    for (let o = 0; o < out; o += 1) {
      let sum = bias.data[o] as number;
      for (let i = 0; i < width; i += 1) sum += (x[row * width + i] as number) * (weight.data[o * width + i] as number);
      y[row * out + o] = sum;
    }
  }
  return y;
}
