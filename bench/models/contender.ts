/** @file What is asked of an engine that is measured, and how its process answers: one call after another. */

/** Seconds of one prompt and its answer. */
export interface Turn {
  /** From the call to the first token of the answer. */
  readonly prefill: number;
  /** Of each later token. */
  readonly decode: readonly number[];
}

/** Seconds since loading began. */
export interface Loaded {
  /** Until the model can be asked. */
  readonly ready: number;
  /** Until it has answered one token with one: every weight has been read. */
  readonly answered: number;
}

/** An engine in the process that it has to itself. Times are in seconds, as the engine's own process takes them. */
export interface Contender {
  load(): Promise<Loaded>;
  /** Computes the prompt from its first token and answers with `tokens` tokens, greedily, whatever they are. */
  turn(prompt: readonly number[], tokens: number): Promise<Turn>;
  /** [vocabulary]: what may follow the last of the ids. */
  logits(ids: readonly number[]): Promise<Float32Array>;
}

/** What else this library's engine can do. */
export interface Trainer {
  /** Seconds of each of several LoRA steps on one row: forward, backward, AdamW. */
  steps(ids: readonly number[], count: number): Promise<number[]>;
}

export type Request = { readonly method: string; readonly args: readonly unknown[] };
export type Reply = { readonly value: unknown } | { readonly error: string };

/** Lets the parent process call the methods of `contender`; the process ends with its parent. */
export function serve(contender: object): void {
  const methods = contender as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
  process.on("message", async ({ method, args }: Request) => {
    process.send?.(await replyOf(methods[method], args));
  });
  process.on("disconnect", () => process.exit());
}

async function replyOf(
  method: ((...args: readonly unknown[]) => Promise<unknown>) | undefined,
  args: readonly unknown[],
): Promise<Reply> {
  if (!method) return { error: "this contender cannot do that" };
  try {
    return { value: await method(...args) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
