/** @file AdamW as a pure pair { init, update }, and clipping by total norm. */

import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { type FloatTensor, filled } from "../tensor.ts";

export interface OptimizerConfig {
  readonly kind: "adamW";
  /** Learning rate: the size of a step, before the schedule. */
  readonly lr: number;
  /** How slowly the running means of the gradient and of its square forget. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Each step first shrinks the parameters by lr x weightDecay. */
  readonly weightDecay: number;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
}

export type AdamWOptions = Partial<Omit<OptimizerConfig, "kind">>;

/** PyTorch's defaults for AdamW, with clipping as it is usual in fine-tuning. */
const defaults: OptimizerConfig = {
  kind: "adamW",
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.01,
  clip: 1,
};

/**
 * Completes and checks the options of AdamW.
 * @throws GlmError "option-invalid" that names every option that cannot be
 */
export function adamWConfig(options: AdamWOptions = {}): OptimizerConfig {
  if (typeof options !== "object" || options === null)
    throw new GlmError("option-invalid", `adamW: expected options such as { lr: 0.001 }, got ${shownJson(options)}.`);
  const config = { ...defaults, ...options };
  const faults: string[] = [];
  const check = (name: string, value: unknown, expected: string, ok: (n: number) => boolean): void => {
    if (typeof value !== "number" || !Number.isFinite(value) || !ok(value))
      faults.push(`${name}: expected ${expected}, got ${value}`);
  };
  const fraction = (n: number): boolean => n >= 0 && n < 1;
  check("lr", config.lr, "a number of at least 0, such as 0.001", (n) => n >= 0);
  check("betas[0]", config.betas?.[0], "a number from 0 to below 1", fraction);
  check("betas[1]", config.betas?.[1], "a number from 0 to below 1", fraction);
  check("eps", config.eps, "a number of at least 0", (n) => n >= 0);
  check("weightDecay", config.weightDecay, "a number of at least 0", (n) => n >= 0);
  check("clip", config.clip, "a number of at least 0 (0 turns clipping off)", (n) => n >= 0);
  for (const name of Object.keys(config)) {
    if (!Object.hasOwn(defaults, name))
      faults.push(`${name}: unknown; expected ${Object.keys(defaults).slice(1).join(", ")}`);
  }
  if (faults.length > 0) throw new GlmError("option-invalid", `adamW cannot use its options:${faultLines(faults)}`);
  return config;
}

/** What AdamW remembers between steps. Owned, and changed in place, by whoever calls `update`. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  /** Running means of the gradients and of their squares, by parameter. */
  readonly mean: Readonly<Record<string, FloatTensor>>;
  readonly square: Readonly<Record<string, FloatTensor>>;
}

type Tensors = Readonly<Record<string, FloatTensor>>;

/** AdamW with decoupled weight decay and bias correction: the numbers of torch.optim.AdamW. */
export const adamW: {
  init(parameters: Tensors): OptimizerState;
  /**
   * One step, in place on `state` and `parameters`; the gradients stay as they are.
   * @returns the gradients' total norm before clipping
   * @throws GlmError "loss-not-finite" before anything is changed, when a gradient is NaN or infinite
   */
  update(config: OptimizerConfig, state: OptimizerState, parameters: Tensors, gradients: Tensors): number;
} = {
  init(parameters) {
    const zeros = (): Record<string, FloatTensor> =>
      Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, filled(shape)]));
    return { step: 0, mean: zeros(), square: zeros() };
  },

  update(config, state, parameters, gradients) {
    for (const name of Object.keys(parameters)) {
      const size = parameters[name]?.data.length;
      for (const [what, tensor] of [
        ["gradient", gradients[name]],
        ["optimizer state", state.square[name]],
      ] as const) {
        if (tensor?.data.length !== size) {
          throw new RangeError(`${name}: expected a ${what} of ${size} elements, got ${tensor?.data.length ?? "none"}`);
        }
      }
    }
    const norm = totalNorm(gradients);
    if (!Number.isFinite(norm)) throw notFinite(gradients);
    // As torch.nn.utils.clip_grad_norm_ does it.
    const factor = config.clip > 0 ? Math.min(1, config.clip / (norm + 1e-6)) : 1;
    state.step++;
    for (const [name, parameter] of Object.entries(parameters)) {
      const [g, m, s] = [gradients[name], state.mean[name], state.square[name]] as [
        FloatTensor,
        FloatTensor,
        FloatTensor,
      ];
      step(config, state.step, factor, parameter.data, g.data, m.data, s.data);
    }
    return norm;
  },
};

/** The update of one flat parameter. */
function step(
  { lr, betas: [beta1, beta2], eps, weightDecay }: OptimizerConfig,
  count: number,
  factor: number,
  parameter: Float32Array,
  gradient: Float32Array,
  mean: Float32Array,
  square: Float32Array,
): void {
  const decay = 1 - lr * weightDecay;
  const rate = lr / (1 - beta1 ** count);
  const root = Math.sqrt(1 - beta2 ** count);
  for (let i = 0; i < parameter.length; i++) {
    const g = (gradient[i] as number) * factor;
    const m = (mean[i] as number) + (g - (mean[i] as number)) * (1 - beta1);
    const s = (square[i] as number) * beta2 + g * g * (1 - beta2);
    mean[i] = m;
    square[i] = s;
    parameter[i] = (parameter[i] as number) * decay - (rate * m) / (Math.sqrt(s) / root + eps);
  }
}

/** The Euclidean norm of all gradients together. */
export function totalNorm(gradients: Tensors): number {
  let sum = 0;
  for (const { data } of Object.values(gradients)) for (const g of data) sum += g * g;
  return Math.sqrt(sum);
}

/**
 * The mean of several gradients, each with a weight: batches that made one step weigh as many as they had labelled
 * tokens.
 */
export function weightedMean(
  parts: readonly { readonly gradients: Tensors; readonly weight: number }[],
): Record<string, FloatTensor> {
  const total = parts.reduce((sum, part) => sum + part.weight, 0);
  if (!(total > 0)) throw new RangeError(`the mean of gradients needs a positive total weight, got ${total}`);
  const mean: Record<string, FloatTensor> = {};
  for (const { gradients, weight } of parts) {
    for (const [name, { shape, data }] of Object.entries(gradients)) {
      mean[name] ??= filled(shape);
      const into = mean[name].data;
      const share = weight / total;
      for (let i = 0; i < data.length; i++) into[i] = (into[i] as number) + (data[i] as number) * share;
    }
  }
  return mean;
}

function notFinite(gradients: Tensors): GlmError {
  const names = Object.keys(gradients).filter((name) => gradients[name]?.data.some((g) => !Number.isFinite(g)));
  return new GlmError(
    "loss-not-finite",
    `The gradients of ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}: expected numbers, ` +
      "got NaN or infinity; the step was not taken and the parameters are as before. Lower lr, or clip the gradients (clip: 1).",
  );
}
