/** @file AdamW as a pure pair { init, update }, and clipping by total norm. */

import { GlmError } from "../errors.ts";
import { choice, complete, type Given, number, type OptionRules } from "../options.ts";
import { copiedAll, type FloatTensor, filled, tensor } from "../tensor.ts";
import { isNormOrBias } from "./decay.ts";
import { stepVector, sumOfSquares, weightedSum } from "./optimizer-kernels.ts";

export interface OptimizerConfig {
  readonly kind: "adamW";
  /** Learning rate: the size of a step, before the schedule. */
  readonly lr: number;
  /** How slowly the running means of the gradient and of its square forget. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Each step first shrinks the parameters by lr x weightDecay. */
  readonly weightDecay: number;
  /** Whether it shrinks biases and the weights of norms, too: true, as in torch.optim.AdamW; the field's trainers, and `fit`, spare them. */
  readonly decayNormsAndBiases?: boolean;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
}

export type AdamWOptions = Partial<Omit<OptimizerConfig, "kind">>;

const isBeta = (value: unknown): boolean => typeof value === "number" && value >= 0 && value < 1;

/** PyTorch's defaults for AdamW, with clipping as it is usual in fine-tuning. */
const rules: OptionRules<Omit<Required<OptimizerConfig>, "kind">> = {
  lr: number(1e-3, { min: 0 }),
  betas: {
    default: [0.9, 0.999],
    expected: "two numbers from 0 to below 1",
    allows: (value) => Array.isArray(value) && value.length === 2 && value.every(isBeta),
  },
  eps: number(1e-8, { min: 0 }),
  weightDecay: number(0.01, { min: 0 }),
  decayNormsAndBiases: choice(true, [true, false]),
  clip: { ...number(1, { min: 0 }), remedy: () => "0 turns clipping off." },
};

/**
 * Completes and checks the options of AdamW.
 * @throws GlmError "option-invalid" that names every option that cannot be
 */
export function adamWConfig(options: Given<AdamWOptions> = {}): OptimizerConfig {
  return { kind: "adamW", ...complete<Omit<Required<OptimizerConfig>, "kind">>("adamW", rules, options) };
}

/** What AdamW remembers between steps. Owned, and changed in place, by whoever calls `update`. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  /** Running means of the gradients and of their squares, by parameter. */
  readonly mean: Readonly<Record<string, FloatTensor>>;
  readonly square: Readonly<Record<string, FloatTensor>>;
}

export const copiedState = ({ step, mean, square }: OptimizerState): OptimizerState => ({
  step,
  mean: copiedAll(mean),
  square: copiedAll(square),
});

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
    state.step++;
    const { lr, betas, eps, clip } = config;
    const [beta1, beta2] = betas;
    const root = Math.sqrt(1 - beta2 ** state.step);
    const numbers = {
      ...{ beta1, beta2, factor: clipFactor(clip, norm) },
      // lr·m/c1 / (√s/root + eps), with root multiplied through.
      ...{ rate: (lr / (1 - beta1 ** state.step)) * root, eps: eps * root },
    };
    for (const [name, parameter] of Object.entries(parameters)) {
      const [g, m, s] = [gradients[name], state.mean[name], state.square[name]] as [
        FloatTensor,
        FloatTensor,
        FloatTensor,
      ];
      stepVector({ ...numbers, decay: 1 - decayFactor(config, name) }, g.data, parameter.data, m.data, s.data);
    }
    return norm;
  },
};

/** What a step's weight decay leaves of a parameter, as a factor. */
export function decayFactor({ lr, weightDecay, decayNormsAndBiases = true }: OptimizerConfig, name: string): number {
  return decayNormsAndBiases || !isNormOrBias(name) ? 1 - lr * weightDecay : 1;
}

/** Gradients as a step of AdamW takes them: clipped to the total norm of `clip`; themselves, where they are no longer. */
export function clipped(gradients: Tensors, norm: number, { clip }: OptimizerConfig): Tensors {
  const factor = clipFactor(clip, norm);
  if (factor === 1) return gradients;
  const scaled = ({ shape, data }: FloatTensor): FloatTensor =>
    tensor("float32", shape, weightedSum([{ data, weight: factor }]));
  return Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [name, scaled(gradient)]));
}

/** As torch.nn.utils.clip_grad_norm_ does it. */
const clipFactor = (clip: number, norm: number): number => (clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1);

/** The Euclidean norm of all gradients together. */
export function totalNorm(gradients: Tensors): number {
  let sum = 0;
  for (const { data } of Object.values(gradients)) sum += sumOfSquares(data);
  return Math.sqrt(sum);
}

/**
 * The mean of several gradients, each with a weight: batches that made one step weigh as many as they had labelled
 * tokens. Of one alone it is that itself, not a copy.
 */
export function weightedMean(
  parts: readonly { readonly gradients: Tensors; readonly weight: number }[],
): Readonly<Record<string, FloatTensor>> {
  const total = parts.reduce((sum, part) => sum + part.weight, 0);
  if (!(total > 0)) throw new RangeError(`the mean of gradients needs a positive total weight, got ${total}`);
  const [first] = parts;
  if (first && parts.length === 1) return first.gradients;
  const mean: Record<string, FloatTensor> = {};
  for (const [name, { shape }] of Object.entries(first?.gradients ?? {})) {
    const vectors = parts.map(({ gradients, weight }) => ({
      data: (gradients[name] as FloatTensor).data,
      weight: weight / total,
    }));
    mean[name] = tensor("float32", shape, weightedSum(vectors));
  }
  return mean;
}

const notFinite = (gradients: Tensors): GlmError =>
  notFiniteGradients(Object.keys(gradients).filter((name) => gradients[name]?.data.some((g) => !Number.isFinite(g))));

/** @param names of parameters, some of whose gradients are NaN or infinite */
export function notFiniteGradients(names: readonly string[]): GlmError {
  return new GlmError(
    "loss-not-finite",
    `The gradients of ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}: expected numbers, ` +
      "got NaN or infinity; the step was not taken and the parameters are as before. Lower lr, or look at the rows.",
  );
}
