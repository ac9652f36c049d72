/** @file A random ChatGLM2-shaped model in a file, and this library's training step on it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Adapter, AdapterConfig, AdapterTensors, BaseModel, LoraConfig } from "../src/adapters/adapter.ts";
import { createAdapter } from "../src/adapters/methods.ts";
import { cpu } from "../src/backend/cpu.ts";
import { modulesOf, parametersOf } from "../src/models/architectures.ts";
import type { ChatGLMConfig } from "../src/models/config.ts";
import { floatWeights } from "../src/models/context.ts";
import { normals, randomStream } from "../src/random.ts";
import { type FloatTensor, filled, sizeOf, tensor } from "../src/tensor.ts";
import type { TokenBatch } from "../src/train/batch.ts";
import type { Checkpointing } from "../src/train/checkpointing.ts";
import { adamW, adamWConfig, clipped } from "../src/train/optimizer.ts";
import { trainingProgram } from "../src/train/program.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import { sourcesOf, writeSafetensors } from "../src/weights/safetensors.ts";

export interface Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  readonly groups: number;
  readonly headSize: number;
  readonly vocabulary: number;
  /** Rows of a batch, and tokens of a row. */
  readonly batch: number;
  readonly seq: number;
  /** Tokens at the end of each row that have a label. */
  readonly labelled: number;
}

export const LORA: LoraConfig = { method: "lora", r: 8, alpha: 32, dropout: 0, targets: ["query_key_value"] };
export const LEARNING_RATE = 1e-4;

export interface RandomModel {
  readonly folder: string;
  readonly config: ChatGLMConfig;
  readonly batch: TokenBatch;
  /** Writes the values that an adapter of this method starts with, `start.safetensors`. */
  start(method: AdapterConfig): Promise<void>;
  dispose(): Promise<void>;
}

/** Weights in a new folder, `model.safetensors`. */
export async function randomModel(shape: Shape): Promise<RandomModel> {
  const config: ChatGLMConfig = {
    ...shape,
    family: "chatglm2-6b",
    epsilon: 1e-5,
    layout: "glm",
    ropeBase: 10000,
    contextLength: shape.seq,
  };
  const folder = await mkdtemp(join(tmpdir(), "glmlab-bench-"));
  const weights = Object.fromEntries(
    parametersOf(config).map(({ name, shape }) => {
      const random = () => tensor("float32", shape, normals(randomStream(0, name), sizeOf(shape), 0.02));
      return [name, name.includes("layernorm") ? filled(shape, 1) : random()] as const;
    }),
  );
  await writeSafetensors(join(folder, "model.safetensors"), sourcesOf(weights));
  const stream = randomStream(0, "ids");
  const inputIds = Array.from({ length: shape.batch }, () =>
    Array.from({ length: shape.seq }, () => stream.integer(shape.vocabulary)),
  );
  const labels = inputIds.map((row) => row.map((id, i) => (i < shape.seq - shape.labelled ? -100 : id)));
  return {
    ...{ folder, config, batch: { inputIds, labels } },
    async start(method) {
      const { values } = await adapterOn(folder, config, method);
      await writeSafetensors(join(folder, "start.safetensors"), sourcesOf(values));
    },
    dispose: () => rm(folder, { recursive: true }),
  };
}

/** A method laid over the model in a folder, with its starting values. */
async function adapterOn(
  folder: string,
  config: ChatGLMConfig,
  method: AdapterConfig,
): Promise<{ readonly adapter: Adapter; readonly values: AdapterTensors }> {
  const checkpoint = await openCheckpoint(folder);
  const base: BaseModel = {
    parameters: parametersOf(config),
    modules: modulesOf(config),
    config,
    read: async (name) => (await checkpoint.read(name)) as FloatTensor,
  };
  const adapter = createAdapter(method, base);
  return { adapter, values: await adapter.initialize(0) };
}

export interface Step {
  /** One batch: forward, backward, AdamW. Its loss, before the step. */
  run(): Promise<number>;
  dispose(): Promise<void>;
}

/** The step that `fit` makes, weights mapped from their file. */
export async function ourStep(
  { folder, config, batch }: Pick<RandomModel, "folder" | "config" | "batch">,
  method: AdapterConfig = LORA,
  { gradientCheckpointing = false }: Checkpointing = {},
): Promise<Step> {
  const { tensors } = await openCheckpoint(folder);
  const { adapter, values } = await adapterOn(folder, config, method);
  const program = await trainingProgram(
    config,
    adapter,
    floatWeights((graph, name) => {
      const stored = tensors.get(name);
      if (!stored) throw new Error(`${folder}: no weight ${name}`);
      return graph.weight(name, stored.dtype, stored.shape, stored);
    }),
    cpu,
  );
  const optimizer = adamWConfig({ lr: LEARNING_RATE });
  const state = adamW.init(values);
  let memory: AdapterTensors | undefined;
  return {
    async run() {
      const { loss, gradients } = await program.gradients(batch, values, state.step, { gradientCheckpointing });
      const norm = adamW.update(optimizer, state, values, gradients);
      if (adapter.afterStep) {
        const progress = { step: state.step - 1, steps: adapter.totalSteps as number };
        memory = adapter.afterStep({
          ...{ tensors: values, gradients: clipped(gradients, norm, optimizer), memory },
          ...progress,
        });
      }
      return loss;
    },
    dispose: () => program.dispose(),
  };
}

/** Floating-point operations of a step: 4 x parameters x tokens, the head only where there are labels. */
export function stepOperations({ layers, hidden, ffn, heads, groups, headSize, vocabulary, ...rows }: Shape): number {
  const attention = (heads + 2 * groups) * headSize + heads * headSize;
  const layer = hidden * (attention + 3 * ffn);
  // The first token of a row has no token before it that could predict it.
  const predicted = Math.min(rows.labelled, rows.seq - 1);
  return 4 * rows.batch * (layers * layer * rows.seq + hidden * vocabulary * predicted);
}
