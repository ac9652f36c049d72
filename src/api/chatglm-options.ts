/** @file What the methods of a loaded model take and give. */
import type { MergedForm } from "../engine/engine.ts";
import type { SamplingOptions } from "../generate/sampler.ts";
import type { Given } from "../options.ts";
import type { History } from "../text/history.ts";
import type { AdapterHandle } from "./adapter.ts";
import type { BookMethod } from "./knowledge-method.ts";
import type { Abortable } from "./signal.ts";

/** An adapter by name or handle, or several with weights, which act together: "a + 0.5*b - c". null is the base model. */
export type AdapterChoice = string | AdapterHandle | null;

export interface GenerateOptions extends Given<Omit<SamplingOptions, "stop">>, Abortable {
  /** Token ids that end the answer; those of `ChatGLM.generation` by default. */
  readonly stop?: readonly number[] | undefined;
  readonly adapter?: AdapterChoice | undefined;
  readonly onProgress?: ((progress: AnswerProgress) => void) | undefined;
}

/**
 * How far an answer is, in tokens: of the prompts, then of the answers, which may end before `total`. Adapters that replace
 * base parameters read and answer one after the other.
 */
export interface AnswerProgress {
  readonly stage: "reading" | "answering";
  readonly done: number;
  readonly total: number;
}

export interface ChatOptions extends GenerateOptions {
  /** Earlier rounds as [question, answer], or as messages with roles: the forms of ChatGLM's own code. */
  readonly history?: History | undefined;
  readonly system?: string | undefined;
}

export interface AskAllOptions extends Omit<ChatOptions, "adapter"> {
  /** Who answers: adapters by name or handle, null for the base model. */
  readonly adapters: readonly AdapterChoice[];
  /** Told all answers as far as they are, whenever one of them has more text. */
  readonly onAnswers?: ((soFar: readonly AdapterAnswer[]) => void) | undefined;
}

export interface AdapterAnswer {
  /** The adapter's name; null is the base model. */
  readonly adapter: string | null;
  readonly answer: string;
}

export interface LogitsOptions extends Abortable {
  readonly adapter?: AdapterChoice | undefined;
  /** Positions of each row whose logits are wanted, negative ones from the longest row's end; all of them by default. */
  readonly positions?: readonly number[] | undefined;
}

export interface CreateAdapterOptions extends Abortable {
  /** Decides the starting values. */
  readonly seed?: number | undefined;
  /** Makes it visible to every notebook. */
  readonly share?: boolean | undefined;
  /** Gives up an adapter of the same name; without it, one that was trained is kept as NAME.1, NAME.2, ... */
  readonly replace?: boolean | undefined;
}

export type LoadAdapterOptions = Pick<CreateAdapterOptions, "replace" | "signal">;

export interface SaveOptions extends Abortable {
  /** The largest file, as in transformers ("500MB", "2GB"), or in bytes. */
  readonly maxShardSize?: string | number | undefined;
  /** The adapter to merge into what is written, or several. */
  readonly adapter?: AdapterChoice | undefined;
  /**
   * Of a model in int8 or int4, what becomes of matrices that the adapter changes: "dequantize" (the default) writes all such matrices in
   * float16, "requantize" those that change in the same form again, "refuse" none.
   */
  readonly quantized?: MergedForm | undefined;
}

export interface AskEachOptions extends Abortable {
  readonly adapter?: AdapterChoice | undefined;
  /** Longest answer in tokens. */
  readonly maxNewTokens?: number | undefined;
  /** Told how many are answered. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** How a book is fine-tuned, as its method takes it: `{ r: 16 }`, `{ method: "full", match: ["layernorm"] }`. */
export type KnowledgeOptions = BookMethod &
  Abortable & {
    /** Makes a new book visible to every notebook. */
    readonly share?: boolean | undefined;
    /** `false`: a book that is not there is an error, and is not made. */
    readonly create?: boolean | undefined;
  };
