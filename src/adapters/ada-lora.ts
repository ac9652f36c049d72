/**
 * @file AdaLoRA: LoRA in the form B·diag(E)·A, whose singular values E are given up where they matter least while it trains.
 * Source: Zhang et al. 2023; names, starting values and scale as PEFT's.
 */
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { add, gemm, matmul, mul, reduceSum, scale, sqrt, sub } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { ParameterBinder } from "../models/context.ts";
import { normals, randomStream } from "../random.ts";
import { type FloatTensor, filled, tensor } from "../tensor.ts";
import type { AdaLoraConfig, Adapter, BaseModel } from "./adapter.ts";
import { inputOf } from "./graph-inputs.ts";
import { maskedBy } from "./lora.ts";
import { plusProduct, rowsTimes, transposed } from "./low-rank.ts";
import { adaLoraNames, allocated, ranksLeft } from "./rank-allocator.ts";
import { targetableLinear, targetedModules } from "./targets.ts";

/** Deviation of the starting values of A and B. */
const START = 0.02;
/** PEFT divides by the rank that it starts with, and this, also when singular values are gone. */
const TINY = 1e-5;

/** @throws GlmError "adapter-invalid" when an option is out of range or a target names no module */
export function adaLora(given: AdaLoraConfig, base: BaseModel): Adapter {
  check(given);
  // PEFT's AdaLoRA has no form for embeddings.
  const { modules, targets, note } = targetedModules("AdaLoRA", given.targets, targetableLinear(base));
  const config: AdaLoraConfig = { ...given, targets };
  const { initR: rank, orthogonality } = config;
  const factor = config.alpha / (rank + TINY);
  const names = modules.map((module) => ({ module, ...adaLoraNames(module.name) }));
  return {
    config,
    ...(note === undefined ? {} : { note }),
    parameters: names.flatMap(({ module, a, b, e }) => [
      { name: a, shape: [rank, module.in] },
      { name: b, shape: [module.out, rank] },
      { name: e, shape: [rank, 1] },
    ]),
    masked: config.dropout === 0 ? 0 : maskedBy(modules),
    async initialize(seed) {
      // Only of new ones: files may say anything of a run that is over.
      if (config.totalStep !== undefined) mustLast(config, config.totalStep);
      return Object.fromEntries(
        names.flatMap(({ module, a, b, e }) => [
          [a, started(seed, a, [rank, module.in])],
          [b, started(seed, b, [module.out, rank])],
          [e, filled([rank, 1])],
        ]),
      );
    },
    applyToTraining(unadapted, inputs, drop) {
      const value = (name: string): Value => inputOf(inputs, name);
      const adapted = new Set(modules.map(({ name }) => name));
      const context: ParameterBinder = {
        ...unadapted,
        linear(x, module, options) {
          const y = unadapted.linear(x, module, options);
          if (!adapted.has(module)) return y;
          const { a, b, e } = adaLoraNames(module);
          const down = scale(mul(value(a), value(e)), factor);
          const low = gemm(drop(x, module, config.dropout), down, { transB: true });
          return gemm(low, value(b), { transB: true }, y);
        },
      };
      const distances = names.flatMap(({ a, b }) => [
        fromIdentity(matmul(value(a), value(a), { transB: true }), rank),
        fromIdentity(matmul(value(b), value(b), { transA: true }), rank),
      ]);
      return { context, penalty: scale(distances.reduce(add), orthogonality / distances.length) };
    },
    mustLast: (steps) => mustLast(config, steps),
    afterStep: (step) => allocated(config, modules, step),
    // Importance, and its uncertainty.
    remembered: 2,
    ranks: (tensors, memory) => ranksLeft(config, modules, tensors, memory),
    ...(config.totalStep === undefined ? {} : { totalSteps: config.totalStep }),
    forInference(tensors) {
      const lowRank = names.map(({ module, a, b, e }) => {
        const [values, up] = [tensors[e] as FloatTensor, transposed(tensors[b] as FloatTensor, factor)];
        return [module.name, { down: transposed(rowsTimes(tensors[a] as FloatTensor, values)), up }] as const;
      });
      return { lowRank: new Map(lowRank) };
    },
    // PEFT has the rank of each module as a parameter.
    counters: modules.length,
    mergeTargets: new Set(modules.map(({ name }) => `${name}.weight`)),
    merge(tensors, name, weight) {
      const { a, b, e } = adaLoraNames(name.slice(0, -".weight".length));
      const rows = rowsTimes(tensors[a] as FloatTensor, tensors[e] as FloatTensor);
      return plusProduct(weight, tensors[b] as FloatTensor, rows, factor);
    },
  };
}

/** The Frobenius norm of a square matrix less the identity: []. */
function fromIdentity(square: Value, size: number): Value {
  const identity = new Float32Array(size * size);
  for (let i = 0; i < size; i += 1) identity[i * (size + 1)] = 1;
  const rest = sub(square, square.graph.constant("float32", [size, size], identity));
  return sqrt(reduceSum(mul(rest, rest), [0, 1], false));
}

function started(seed: number, name: string, shape: readonly [number, number]): FloatTensor {
  return tensor("float32", shape, normals(randomStream(seed, name), shape[0] * shape[1], START));
}

/**
 * As PEFT: there must be steps in which singular values are given up.
 * @throws GlmError "option-invalid"
 */
export function mustLast({ tinit, tfinal }: AdaLoraConfig, steps: number): void {
  if (steps > tinit + tfinal) return;
  throw new GlmError(
    "option-invalid",
    `AdaLoRA: expected more steps than tinit + tfinal (${tinit} + ${tfinal}), between which singular values are given up, got ${steps}. ` +
      "Make the adapter with a smaller tinit or tfinal, or train for more steps.",
  );
}

function check(config: AdaLoraConfig): void {
  const faults: string[] = [];
  const whole = (key: "r" | "initR" | "tinit" | "tfinal" | "deltaT" | "totalStep", least: number): void => {
    const value = config[key];
    if (value === undefined || !Number.isInteger(value) || value < least) {
      faults.push(`${key}: expected a whole number of ${least} or more, got ${value}`);
    }
  };
  whole("r", 1);
  whole("initR", 1);
  whole("tinit", 0);
  whole("tfinal", 0);
  whole("deltaT", 1);
  if (config.totalStep !== undefined) whole("totalStep", 1);
  if (config.r > config.initR) faults.push(`r: expected at most initR (${config.initR}), got ${config.r}`);
  if (!(config.alpha > 0 && Number.isFinite(config.alpha))) {
    faults.push(`alpha: expected a number above 0, got ${config.alpha}`);
  }
  for (const key of ["dropout", "beta1", "beta2"] as const) {
    if (!(config[key] >= 0 && config[key] < 1)) {
      faults.push(`${key}: expected 0 or more and less than 1, got ${config[key]}`);
    }
  }
  if (!(config.orthogonality >= 0 && Number.isFinite(config.orthogonality))) {
    faults.push(`orthogonality: expected a number of 0 or more, got ${config.orthogonality}`);
  }
  if (config.targets.length === 0) {
    faults.push('targets: expected at least one module, for example "query_key_value", got none');
  }
  if (faults.length > 0) throw new GlmError("adapter-invalid", `AdaLoRA cannot be set up:${faultLines(faults)}`);
}
