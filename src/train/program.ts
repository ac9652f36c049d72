/** @file A compiled training graph: batches in, losses and gradients out. */
import type { Adapter, AdapterTensors } from "../adapters/adapter.ts";
import type { Compile, Program } from "../graph/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights } from "../models/context.ts";
import type { FloatTensor } from "../tensor.ts";
import { batchTensors, maskTensors, type TokenBatch } from "./batch.ts";
import { evaluationGraph, gradientName, trainingGraph } from "./graph.ts";

export interface GradientStep {
  /** Mean cross-entropy over the labelled tokens, in nats. */
  readonly loss: number;
  /** Labelled tokens. */
  readonly tokens: number;
  readonly gradients: Record<string, FloatTensor>;
}

export interface TrainingProgram {
  /** @param seed decides which elements dropout drops in this batch */
  gradients(batch: TokenBatch, parameters: AdapterTensors, seed: number): Promise<GradientStep>;
  /** The loss alone, without dropout. */
  loss(batch: TokenBatch, parameters: AdapterTensors): Promise<Pick<GradientStep, "loss" | "tokens">>;
  dispose(): Promise<void>;
}

export async function trainingProgram(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  compile: Compile,
): Promise<TrainingProgram> {
  const { graph, masks } = trainingGraph(config, adapter, weights);
  const program = await compile(graph);
  // Compiled only for those who evaluate.
  let evaluation: Promise<Program> | undefined;
  return {
    async gradients(batch, parameters, seed) {
      const fed = batchTensors(batch, config);
      const results = await program.run({ ...fed.tensors, ...maskTensors(masks, fed, seed), ...parameters });
      const gradients = adapter.parameters.map(
        ({ name }) => [name, results[gradientName(name)] as FloatTensor] as const,
      );
      return {
        loss: results.loss?.data[0] as number,
        tokens: fed.tokens,
        gradients: Object.fromEntries(gradients),
      };
    },
    async loss(batch, parameters) {
      evaluation ??= compile(evaluationGraph(config, adapter, weights));
      const fed = batchTensors(batch, config);
      const results = await (await evaluation).run({ ...fed.tensors, ...parameters });
      return { loss: results.loss?.data[0] as number, tokens: fed.tokens };
    },
    async dispose() {
      await program.dispose();
      await (await evaluation)?.dispose();
    },
  };
}
