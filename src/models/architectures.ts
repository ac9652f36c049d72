/** @file Which definition runs which checkpoint. */

import { sizeOf } from "../tensor.ts";
import type { Architecture } from "./architecture.ts";
import { chatglm6b } from "./chatglm6b.ts";
import type { ChatGLMConfig, Layout } from "./config.ts";
import type { ModuleSpec, ParameterSpec } from "./context.ts";
import { glm, glmOfTransformers } from "./glm.ts";

const architectures: Readonly<Record<Layout, Architecture>> = { chatglm6b, glm, transformers: glmOfTransformers };

export const architectureOf = ({ layout }: ChatGLMConfig): Architecture => architectures[layout];

/** Every tensor of the checkpoint that the model uses. */
export const parametersOf = (config: ChatGLMConfig): ParameterSpec[] => architectureOf(config).parameters(config);

/** The model's numbers, however few bits they are held in. */
export const parameterCount = (config: ChatGLMConfig): number =>
  parametersOf(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** The linear modules of the layers. */
export const modulesOf = (config: ChatGLMConfig): ModuleSpec[] => architectureOf(config).modules(config);

/** All modules that have matrices. */
export const matrixModulesOf = (config: ChatGLMConfig): ModuleSpec[] => [...modulesOf(config), ...tablesOf(config)];

/** The modules outside the layers that have matrices: the embedding and the output layer, each by its own name. */
export function tablesOf(config: ChatGLMConfig): ModuleSpec[] {
  const { embedding, head, tiedHead } = architectureOf(config);
  const { hidden, vocabulary } = config;
  const output = { in: hidden, out: vocabulary };
  return [
    { name: embedding, in: vocabulary, out: hidden, embeds: true },
    tiedHead === undefined ? { name: head, ...output } : { name: tiedHead, ...output, sharesWith: head },
  ];
}
