/** @file A checkpoint opened for use: checked, its weights mapped, ready to be bound into graphs. */
import { join } from "node:path";
import type { BaseModel } from "../adapters/adapter.ts";
import { modulesOf, parametersOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type BindWeights, floatWeights } from "../models/context.ts";
import { loadTokenizer } from "../text/load.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import { toFloat32 } from "../weights/float32.ts";
import { fingerprint, mapWeights } from "../weights/mapped.ts";
import { readConfigFile } from "./config-file.ts";
import { cacheFolder } from "./places.ts";
import { type ModelSource, type OnProgress, sourceFolder } from "./source-folder.ts";

export interface OpenedModel {
  readonly folder: string;
  /** The same content has the same identity, wherever it lies. */
  readonly identity: string;
  readonly config: ChatGLMConfig;
  readonly tokenizer: Tokenizer;
  readonly checkpoint: Checkpoint;
  readonly base: BaseModel;
  /** Brings the base weights into a graph, mapped from their files. */
  readonly weights: BindWeights;
  readonly mappedBytes: number;
}

/** @throws GlmError "model-not-found", "model-invalid" or "unsupported", each with every fault */
export async function openModel(
  source: ModelSource,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<OpenedModel> {
  const folder = await sourceFolder(source, onProgress, signal);
  const { config, text } = await readConfigFile(folder);
  const checkpoint = await openCheckpoint(folder);
  const parameters = parametersOf(config);
  const identity = await fingerprint(checkpoint, text);
  const cache = join(cacheFolder(), "weights", identity);
  const convert = (done: number, total: number) => onProgress("converting weights to float32", done, total);
  const { ranges, bytes } = await mapWeights(checkpoint, parameters, cache, convert, signal);
  const tokenizer = await loadTokenizer(folder, config.family);
  const shapes = new Map(parameters.map((parameter) => [parameter.name, parameter.shape]));
  return {
    folder,
    identity,
    config,
    tokenizer,
    checkpoint,
    base: {
      parameters,
      modules: modulesOf(config),
      read: async (parameter) => toFloat32(await checkpoint.read(parameter)),
    },
    weights: floatWeights((graph, parameter) => {
      const [range, shape] = [ranges.get(parameter), shapes.get(parameter)];
      if (!range || !shape) throw new Error(`the model has no parameter ${parameter}`);
      return graph.weight(parameter, "float32", shape, range);
    }),
    mappedBytes: bytes,
  };
}
