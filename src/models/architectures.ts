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

/** The linear modules that adapters may target. */
export const modulesOf = (config: ChatGLMConfig): ModuleSpec[] => architectureOf(config).modules(config);
