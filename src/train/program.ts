/** @file A compiled training graph: batches in, losses and gradients out. */
import type { Adapter } from "../adapters/adapter.ts";
import type { Compiler } from "../backend/device.ts";
import type { DeviceTensor, Fed, Program } from "../backend/program.ts";
import { ProgramTable } from "../backend/program-table.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights } from "../models/context.ts";
import type { FloatTensor } from "../tensor.ts";
import { batchTensors, maskTensors, type TokenBatch } from "./batch.ts";
import type { Checkpointing } from "./checkpointing.ts";
import { evaluationGraph, gradientName, trainingGraph } from "./graph.ts";
import { isLargeStep } from "./step-memory.ts";

export interface GradientStep {
  /** Mean cross-entropy over the labelled tokens, in nats. */
  readonly loss: number;
  /** Labelled tokens. */
  readonly tokens: number;
  readonly gradients: Record<string, FloatTensor>;
}

export interface RunOptions extends Checkpointing {
  /** Tensors of the device for the gradients, by `gradientName`; none come back then. */
  readonly into?: Readonly<Record<string, DeviceTensor>>;
}

export interface TrainingProgram {
  /** @param seed decides which elements dropout drops in this batch */
  gradients(batch: TokenBatch, parameters: Fed, seed: number, options?: RunOptions): Promise<GradientStep>;
  /** The loss alone, without dropout. */
  loss(batch: TokenBatch, parameters: Fed): Promise<Pick<GradientStep, "loss" | "tokens">>;
  dispose(): Promise<void>;
}

/**
 * What training runs on. Graphs are compiled when they are first needed: one to train on (another with gradient
 * checkpointing), one to measure with, and those for batches that take so much memory that it is better given back than kept.
 */
export async function trainingProgram(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  { can, compile }: Compiler,
): Promise<TrainingProgram> {
  const numbers = { ...adapter.numbers, ...(await adapter.measured?.read()) };
  const training = (options: Checkpointing) => once(() => trainingGraph(config, adapter, weights, can, options));
  const graphs = {
    training: training({}),
    "training with checkpointing": training({ gradientCheckpointing: true }),
    evaluation: once(() => ({ graph: evaluationGraph(config, adapter, weights, can) })),
  };
  const compiled = new ProgramTable();
  const program = (kind: keyof typeof graphs, batch: TokenBatch, options: Checkpointing = {}): Promise<Program> => {
    const frees = isLargeStep(config, batch, { ...options, masked: adapter.masked });
    const lean = options.gradientCheckpointing === true;
    return compiled.get(`${kind} ${frees}`, () =>
      compile(graphs[kind]().graph, { packs: true, ...(frees ? { frees } : {}), ...(lean ? { lean } : {}) }),
    );
  };
  return {
    async gradients(batch, parameters, seed, { into, gradientCheckpointing = false } = {}) {
      const kind = gradientCheckpointing ? "training with checkpointing" : "training";
      const { masks } = graphs[kind]();
      const fed = batchTensors(batch, config, adapter.prefixLength);
      const inputs = { ...fed.tensors, ...maskTensors(masks, fed, seed), ...parameters, ...numbers };
      const results = await (await program(kind, batch, { gradientCheckpointing })).run(inputs, into);
      const gradients = into
        ? []
        : adapter.parameters.map(({ name }) => [name, results[gradientName(name)] as FloatTensor] as const);
      return {
        loss: results.loss?.data[0] as number,
        tokens: fed.tokens,
        gradients: Object.fromEntries(gradients),
      };
    },
    async loss(batch, parameters) {
      const fed = batchTensors(batch, config, adapter.prefixLength);
      const inputs = { ...fed.tensors, ...parameters, ...numbers };
      const results = await (await program("evaluation", batch)).run(inputs);
      return { loss: results.loss?.data[0] as number, tokens: fed.tokens };
    },
    dispose: () => compiled.dispose(),
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
