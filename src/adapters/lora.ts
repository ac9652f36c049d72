/** @file LoRA: a module's output gains alpha/r · B·A·x. Source: Hu et al. 2021; names and starting values as PEFT's. */
import { add, gather, gemm, matmul, mul, reshape, sub, transpose } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import { type ModuleSpec, overridden, type ParameterBinder, type ParameterSpec } from "../models/context.ts";
import { normals, randomStream } from "../random.ts";
import { copied, type FloatTensor, filled, tensor } from "../tensor.ts";
import type {
  Adapter,
  AdapterEffect,
  AdapterTensors,
  BaseModel,
  Dropout,
  LoraConfig,
  LowRankUpdate,
} from "./adapter.ts";
import { gainOf, gainOfNumbers, lengths } from "./dora.ts";
import { inputOf } from "./graph-inputs.ts";
import { checkLora, idleNote, mustBeBounded, mustBeLowRank, type Size, updateSizes } from "./lora-options.ts";
import { columnsTimes, plusProduct, rowSquares, rowsTimes, transposed } from "./low-rank.ts";
import { targetable, targetedModules, weightOf } from "./targets.ts";
import { wholeModules } from "./whole-modules.ts";

/** PEFT's names of a module's two matrices: A [r, in] and B [out, r]. */
export function loraNames({ name, embeds }: ModuleSpec): { readonly a: string; readonly b: string } {
  const own = `base_model.model.${name}`;
  return embeds
    ? { a: `${own}.lora_embedding_A`, b: `${own}.lora_embedding_B` }
    : { a: `${own}.lora_A.weight`, b: `${own}.lora_B.weight` };
}

/** An adapted module, with the names of what belongs to it. */
interface Part extends Size {
  readonly module: ModuleSpec;
  /** PEFT's names of A [r, in], B [out, r] and DoRA's lengths [out]. */
  readonly a: string;
  readonly b: string;
  readonly magnitude: string;
  /** Graph inputs: what the update is multiplied by [1, 1], and squares of the base's lengths [1, out]. */
  readonly factorName: string;
  readonly squaresName: string;
}

function partOf(module: ModuleSpec, size: Size): Part {
  return {
    ...size,
    module,
    ...loraNames(module),
    magnitude: `base_model.model.${module.name}.lora_magnitude_vector`,
    factorName: `factor of ${module.name}`,
    squaresName: `squares of ${module.name}`,
  };
}

/** PEFT's name of a base bias that is trained: a targeted module lies one level deeper in its model. */
export const biasName = (bias: string, targeted: ReadonlySet<string>): string => {
  const module = bias.slice(0, -".bias".length);
  return targeted.has(module) ? `base_model.model.${module}.base_layer.bias` : `base_model.model.${bias}`;
};

/**
 * @throws GlmError "adapter-invalid" when an option is out of range, or targets or modules to save name no module; "unsupported" when
 * a pattern cannot be matched in linear time
 */
export function lora(given: LoraConfig, base: BaseModel): Adapter {
  checkLora(given);
  const sizeOf = updateSizes(given);
  const whole = wholeModules(given.modulesToSave ?? [], base);
  const { modules, targets, note } = targetedModules("LoRA", given.targets, targetable(base), whole.has);
  const config: LoraConfig = { ...given, targets };
  const parts = modules.map((module) => partOf(module, sizeOf(module.name)));
  for (const { r, module } of parts) mustBeBounded(r, module);
  const biases = trainedBiases(config, modules, base).filter((bias) => !whole.has(moduleOf(bias.base)));
  const replaced = [...whole.parameters, ...biases];
  const squares = config.dora ? keptSquares(parts, base) : undefined;
  const notes = [note, whole.note, ...idleNote(given, modules)].filter((one) => one !== undefined);
  const tied = modules.find(({ sharesWith, name }) => sharesWith ?? sharers(base).includes(name));
  return {
    config,
    ...(notes.length > 0 ? { note: notes.join("\n") } : {}),
    parameters: [
      ...parts.flatMap((part) => parametersOf(part, config)),
      ...replaced.map(({ name, shape }) => ({ name, shape })),
    ],
    masked: config.dropout === 0 ? 0 : maskedBy(modules),
    inPlace: new Set(biases.map(({ name }) => name)),
    numbers: Object.fromEntries(parts.map(({ factorName, factor }) => [factorName, filled([1, 1], factor)])),
    ...(squares && {
      measured: {
        shapes: parts.map(({ squaresName, module }) => ({ name: squaresName, shape: [1, module.out] })),
        async read() {
          const found = await squares();
          return Object.fromEntries(
            parts.map(({ squaresName, module }, i) => [
              squaresName,
              tensor("float32", [1, module.out], found[i] as Float32Array),
            ]),
          );
        },
      },
    }),
    async initialize(seed) {
      // Only of new ones: PEFT loads files of any rank.
      for (const { r, module } of parts) mustBeLowRank(r, module);
      const updates = parts.flatMap((part) => Object.entries(starting(seed, part, config)));
      const found = await squares?.();
      const magnitudes = parts.flatMap(({ magnitude }, i) =>
        found ? [[magnitude, lengths(found[i] as Float32Array)] as const] : [],
      );
      const starts: (readonly [string, FloatTensor])[] = [];
      for (const { base: name, name: own } of replaced) starts.push([own, copied(await base.read(name))]);
      return Object.fromEntries([...updates, ...magnitudes, ...starts]);
    },
    applyToTraining(unadapted, inputs, drop) {
      const values = new Map(replaced.map(({ base: name, name: own }) => [name, inputOf(inputs, own)]));
      return { context: adapted(config, parts, overridden(unadapted, values), inputs, drop) };
    },
    forInference(tensors) {
      const overrides = new Map(
        replaced.map(({ base: name, name: own }) => [name, copied(tensors[own] as FloatTensor)]),
      );
      const others = replaced.length === 0 ? {} : { overrides };
      if (config.dora) return doraEffect(parts, tensors, base, others);
      const update = ({ a, b, factor }: Part): LowRankUpdate => ({
        down: transposed(tensors[a] as FloatTensor),
        up: transposed(tensors[b] as FloatTensor, factor),
      });
      return { lowRank: new Map(parts.map((part) => [part.module.name, update(part)])), ...others };
    },
    ...(tied && {
      unmergeable: `changes ${tied.name} alone, and in this model the embedding and the output layer are one table`,
    }),
    mergeTargets: new Set(
      tied ? [] : [...parts.map(({ module }) => weightOf(module)), ...replaced.map(({ base: name }) => name)],
    ),
    merge(tensors, name, weight) {
      const own = replaced.find((parameter) => parameter.base === name);
      if (own) return copied(tensors[own.name] as FloatTensor);
      const part = parts.find(({ module }) => weightOf(module) === name);
      if (!part) throw new Error(`LoRA changes no ${name}`);
      return mergedWeight(part, tensors, weight, config);
    },
  };
}

/** Inputs of the updates of linear modules, which dropout has a mask for. */
export const maskedBy = (modules: readonly ModuleSpec[]): number =>
  modules.reduce((sum, { embeds, in: width }) => sum + (embeds ? 0 : width), 0);

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."));

/** The modules of which another is the same table. */
const sharers = (base: BaseModel): string[] =>
  targetable(base).flatMap(({ sharesWith }) => (sharesWith === undefined ? [] : [sharesWith]));

/** Biases of the base that train: by base name, with PEFT's. */
function trainedBiases({ bias }: LoraConfig, modules: readonly ModuleSpec[], { parameters }: BaseModel) {
  const targeted = new Set(modules.map(({ name }) => name));
  return parameters
    .filter(
      ({ name }) => bias !== undefined && name.endsWith(".bias") && (bias === "all" || targeted.has(moduleOf(name))),
    )
    .map(({ name, shape }) => ({ base: name, name: biasName(name, targeted), shape }));
}

const parametersOf = ({ a, b, magnitude, r, module }: Part, { dora }: LoraConfig): ParameterSpec[] => [
  { name: a, shape: [r, module.in] },
  { name: b, shape: [module.out, r] },
  ...(dora ? [{ name: magnitude, shape: [module.out] }] : []),
];

/** As PEFT starts them: one of both is 0. */
function starting(seed: number, { a, b, r, module }: Part, { init }: LoraConfig): AdapterTensors {
  const normal = (name: string, shape: readonly [number, number], deviation: number): FloatTensor =>
    tensor("float32", shape, normals(randomStream(seed, name), shape[0] * shape[1], deviation));
  if (module.embeds) return { [a]: filled([r, module.in]), [b]: normal(b, [module.out, r], 1) };
  const start = init === "gaussian" ? normal(a, [r, module.in], 1 / r) : kaiming(seed, a, [r, module.in]);
  return { [a]: start, [b]: filled([module.out, r]) };
}

/** torch.nn.init.kaiming_uniform_(a=sqrt(5)), PEFT's start for A: uniform in ±1/sqrt(in). */
function kaiming(seed: number, name: string, shape: readonly [number, number]): FloatTensor {
  const bound = 1 / Math.sqrt(shape[1]);
  const stream = randomStream(seed, name);
  const data = new Float32Array(shape[0] * shape[1]);
  for (let i = 0; i < data.length; i += 1) data[i] = (2 * stream.uniform() - 1) * bound;
  return tensor("float32", shape, data);
}

/** A training graph's model with the updates at their modules. */
function adapted(
  { dropout, dora }: LoraConfig,
  parts: readonly Part[],
  context: ParameterBinder,
  inputs: ReadonlyMap<string, Value>,
  drop: Dropout,
): ParameterBinder {
  const value = (name: string): Value => inputOf(inputs, name);
  const called = (embeds: boolean) =>
    new Map(
      parts
        .filter(({ module }) => (module.embeds === true) === embeds)
        .map((part) => [part.module.sharesWith ?? part.module.name, part]),
    );
  const [linear, embedded] = [called(false), called(true)];
  /** The smaller factor of the product is scaled, which costs next to nothing. */
  const plusUpdate = ({ b, factorName }: Part, y: Value, low: Value): Value =>
    gemm(low, mul(value(b), value(factorName)), { transB: true }, y);
  const gain = ({ a, b, magnitude, factorName, squaresName }: Part, product: (rows: Value) => Value): Value =>
    gainOf({
      ...{ a: value(a), b: value(b), factor: value(factorName) },
      ...{ squares: value(squaresName), magnitude: value(magnitude), product },
    });
  return {
    ...context,
    linear(x, module, options = {}) {
      const part = linear.get(module);
      if (!part) return context.linear(x, module, options);
      const low = (dropped: Value): Value => gemm(dropped, value(part.a), { transB: true });
      if (!dora) {
        const y = context.linear(x, module, options);
        return plusUpdate(part, y, low(drop(x, part.module.name, dropout)));
      }
      // As in PEFT, what is dropped is dropped before the base's product, too, but for that which the gain leaves as it is.
      const dropped = drop(x, part.module.name, dropout);
      const own = context.linear(dropped, module);
      const changed = mul(
        plusUpdate(part, own, low(dropped)),
        gain(part, (rows) => context.linear(rows, module)),
      );
      const y = dropped === x ? changed : add(sub(context.linear(x, module), own), changed);
      return options.bias ? add(y, context.parameter(`${module}.bias`)) : y;
    },
    embed(ids, module) {
      const y = context.embed(ids, module);
      const part = embedded.get(module);
      if (!part) return y;
      const { r, out } = { r: part.r, out: part.module.out };
      const low = reshape(gather(transpose(value(part.a), [1, 0]), ids), ["tokens", r]);
      const sum = plusUpdate(part, reshape(y, ["tokens", out]), low);
      const table = (rows: Value): Value => matmul(rows, context.parameter(`${module}.weight`));
      return reshape(dora ? mul(sum, gain(part, table)) : sum, [...ids.shape, out]);
    },
  };
}

/** Squares of the lengths of each part's weights, read when they are first asked for. */
function keptSquares(parts: readonly Part[], base: BaseModel): () => Promise<readonly Float32Array[]> {
  let kept: Promise<readonly Float32Array[]> | undefined;
  const read = async (): Promise<readonly Float32Array[]> => {
    const found: Float32Array[] = [];
    // One after the other: each is as large as a weight.
    for (const { module } of parts) found.push(squaresOf(module, await base.read(weightOf(module))));
    return found;
  };
  return () => {
    kept ??= read().catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    return kept;
  };
}

/** Of each output's weights: [out]. */
const squaresOf = ({ embeds }: ModuleSpec, weight: FloatTensor): Float32Array =>
  rowSquares(embeds ? transposed(weight) : weight);

/** A module's weight with the update added, before any gain. */
function changedWeight({ module, a, b, factor }: Part, tensors: AdapterTensors, weight: FloatTensor): FloatTensor {
  const [rows, columns] = [tensors[a] as FloatTensor, tensors[b] as FloatTensor];
  return module.embeds
    ? plusProduct(weight, transposed(rows), transposed(columns), factor)
    : plusProduct(weight, columns, rows, factor);
}

function mergedWeight(part: Part, tensors: AdapterTensors, weight: FloatTensor, { dora }: LoraConfig): FloatTensor {
  const changed = changedWeight(part, tensors, weight);
  if (!dora) return changed;
  const gain = gainOfNumbers(tensors[part.magnitude] as FloatTensor, squaresOf(part.module, changed));
  return (part.module.embeds ? columnsTimes : rowsTimes)(changed, gain);
}

/** What DoRA does: its gains need the base's weights, which are read one after the other. */
async function doraEffect(
  parts: readonly Part[],
  tensors: AdapterTensors,
  base: BaseModel,
  others: AdapterEffect,
): Promise<AdapterEffect> {
  const names = parts.flatMap(({ a, b, magnitude }) => [a, b, magnitude]);
  // Of one moment: they may train on while weights are read.
  const own = Object.fromEntries(names.map((name) => [name, copied(tensors[name] as FloatTensor)]));
  const lowRank = new Map<string, LowRankUpdate>();
  for (const part of parts) {
    const changed = changedWeight(part, own, await base.read(weightOf(part.module)));
    const gain = gainOfNumbers(own[part.magnitude] as FloatTensor, squaresOf(part.module, changed));
    const up = columnsTimes(transposed(own[part.b] as FloatTensor, part.factor), gain);
    lowRank.set(part.module.name, { down: transposed(own[part.a] as FloatTensor), up, gain });
  }
  return { lowRank, ...others };
}
