/** @file A compiled training graph: batches in, losses and gradients out. */
import type { Adapter, AdapterTensors } from "../adapters/adapter.ts";
import type { Compile } from "../graph/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { Bind } from "../models/context.ts";
import type { FloatTensor } from "../tensor.ts";
import { batchTensors, maskTensors, type TokenBatch } from "./batch.ts";
import { gradientName, trainingGraph } from "./graph.ts";

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
  dispose(): Promise<void>;
}

export async function trainingProgram(
  config: ChatGLMConfig,
  adapter: Adapter,
  bind: Bind,
  compile: Compile,
): Promise<TrainingProgram> {
  const { graph, masks } = trainingGraph(config, adapter, bind);
  const program = await compile(graph);
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
    dispose: () => program.dispose(),
  };
}
