/** @file What a model definition is to the rest of the library: its parameters, its graph, and where tokens stand in it. */
import type { Value } from "../graph/value.ts";
import type { Attention } from "./attention.ts";
import type { ChatGLMConfig } from "./config.ts";
import type { ModuleSpec, ParameterBinder, ParameterSpec } from "./context.ts";

export interface ModelInputs {
  /** int64 [batch, seq]. */
  readonly ids: Value;
  /** int64 [batch, seq] for each of the architecture's `positions`. */
  readonly positions: readonly Value[];
  /** float32 [positions, headSize / 4]: see `rotaryTables`. */
  readonly cos: Value;
  readonly sin: Value;
  /** int64 [chosen]: the tokens (of all rows, one after the other) whose logits are wanted; all when absent. */
  readonly select?: Value;
}

export interface ModelOutputs {
  /** [chosen, vocabulary]. */
  readonly logits: Value;
  /** [tokens, hidden]: the input of each layer, then that of the final norm. The last may hold chosen tokens only. */
  readonly hidden: readonly Value[];
}

/** Where the tokens of one row stand. */
export interface Placement {
  /** For each of the architecture's `positions`, that of every token. */
  readonly positions: readonly (readonly number[])[];
  /** Leading tokens that all tokens of the row see, also those before them; from there on a token sees what came before. */
  readonly prefixLength: number;
}

/** One definition serves prefill, decoding and training. Names are those of the published checkpoints. */
export interface Architecture {
  /** Names of the graph inputs that say where tokens stand. */
  readonly positions: readonly string[];
  /** Whether a row's context is seen as a whole: it must then be computed in one run. */
  readonly prefixLM: boolean;
  /** The modules whose tables make tokens vectors and vectors logits; they may be one and the same. */
  readonly embedding: string;
  readonly head: string;
  /** What the published code calls the output layer, where that is the embedding's table. */
  readonly tiedHead?: string;
  /** Every tensor of the checkpoint that the model uses; one that it uses twice stands here once. */
  parameters(config: ChatGLMConfig): ParameterSpec[];
  /** The linear modules that adapters may target, and that published quantisation packs. */
  modules(config: ChatGLMConfig): ModuleSpec[];
  /** @throws GlmError "data-invalid" when the row lacks a token that says where things are */
  placement(ids: readonly number[], config: ChatGLMConfig): Placement;
  forward(context: ParameterBinder, config: ChatGLMConfig, inputs: ModelInputs, attention: Attention): ModelOutputs;
}

/** The linear modules among a model's parameters: those whose weight is a matrix inside a layer. */
export function layerModules(parameters: readonly ParameterSpec[]): ModuleSpec[] {
  return parameters.flatMap(({ name, shape: [out, width] }) =>
    name.includes(".layers.") && out !== undefined && width !== undefined
      ? [{ name: name.slice(0, -".weight".length), in: width, out }]
      : [],
  );
}
