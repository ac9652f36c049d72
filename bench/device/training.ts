/** @file A LoRA step on a random batch, as `fit` makes it: on the device where that has memory of its own. */
import type { Adapter, AdapterTensors, BaseModel } from "../../src/adapters/adapter.ts";
import { lora } from "../../src/adapters/lora.ts";
import type { Device } from "../../src/backend/device.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import type { BindWeights } from "../../src/models/context.ts";
import { randomStream } from "../../src/random.ts";
import type { TokenBatch } from "../../src/train/batch.ts";
import { deviceLearner } from "../../src/train/device-learner.ts";
import { hostLearner } from "../../src/train/host-learner.ts";
import type { Learner } from "../../src/train/learner.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { type TrainingProgram, trainingProgram } from "../../src/train/program.ts";
import { ResidentValues } from "../../src/train/resident-values.ts";
import { LEARNING_RATE, LORA } from "../lora-model.ts";

export const BATCH: BatchSize = { batch: 8, seq: 64, labelled: 64 };

export interface BatchSize {
  readonly batch: number;
  readonly seq: number;
  /** Tokens of a row that have a label: all. */
  readonly labelled: number;
}

export interface Training {
  /** Forward, backward, AdamW. */
  step(): Promise<void>;
  close(): Promise<void>;
}

export async function training(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  device: Device,
  size: BatchSize = BATCH,
): Promise<Training> {
  const program = await trainingProgram(config, adapter, weights, device);
  const tensors = await adapter.initialize(0);
  const resident = device.can.ownMemory ? await residentLearner(device, adapter, tensors, program) : undefined;
  const learner: Learner =
    resident?.learner ??
    hostLearner(tensors, {
      gradients: (batch, seed) => program.gradients(batch, tensors, seed),
      loss: (batch) => program.loss(batch, tensors),
    });
  const [batch, optimizer] = [batchOf(config, size), adamWConfig({ lr: LEARNING_RATE })];
  return {
    async step() {
      const { gradients, tokens } = await learner.gradients(batch, 0);
      await learner.step(optimizer, [{ gradients, weight: tokens }]);
    },
    async close() {
      await resident?.close();
      await program.dispose();
    },
  };
}

async function residentLearner(
  device: Device,
  { parameters }: Adapter,
  tensors: AdapterTensors,
  program: TrainingProgram,
): Promise<{ readonly learner: Learner; close(): Promise<void> }> {
  let values: ResidentValues | undefined;
  try {
    const opened = await ResidentValues.open(device, parameters, tensors, program);
    values = opened;
    const learner = await deviceLearner(opened);
    const close = async (): Promise<void> => {
      learner.close();
      await opened.close();
    };
    return { learner, close };
  } catch (error) {
    await values?.close();
    await program.dispose();
    throw error;
  }
}

/** LoRA over a model that nobody reads. */
export const loraOf = (config: ChatGLMConfig): Adapter => {
  const base: BaseModel = {
    parameters: parametersOf(config),
    modules: modulesOf(config),
    config,
    read: () => Promise.reject(new Error("LoRA does not read base weights")),
  };
  return lora(LORA, base);
};

/** Random tokens; where a model wants to be told where the answer begins, it is told at the end. */
export function randomIds({ vocabulary, prefixIds }: ChatGLMConfig, length: number): number[] {
  const stream = randomStream(0, "ids");
  const end = prefixIds ? [prefixIds.gmask, prefixIds.sop] : [];
  // The last ids may have a meaning.
  const random = Array.from({ length: Math.max(0, length - end.length) }, () => stream.integer(vocabulary >> 1));
  return [...random, ...end];
}

function batchOf(config: ChatGLMConfig, { batch, seq }: BatchSize): TokenBatch {
  const inputIds = Array.from({ length: batch }, () => randomIds(config, seq));
  return { inputIds, labels: inputIds };
}
