/** @file Generation: prompts in, tokens out as they come. Rows share every decoding run, each with its own adapter (those that replace base parameters run by themselves). */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import { architectureOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { randomStream } from "../random.ts";
import type { KeyValueCache } from "./cache.ts";
import type { ForwardModel, Step } from "./model.ts";
import { allFinite, INVALID_TOKEN, type SamplingOptions, sample } from "./sampler.ts";

export interface PromptRow {
  readonly ids: readonly number[];
  /** What the row's adapter does; undefined = the base alone. */
  readonly effect: AdapterEffect | undefined;
}

/**
 * `prompt`: tokens that were read of all prompts together. `row` counts the prompts from 0. `stop`: the model ended its
 * answer; `length`: it was cut off.
 */
export type GenerateEvent =
  | { readonly type: "prompt"; readonly done: number; readonly total: number }
  | { readonly type: "token"; readonly row: number; readonly token: number }
  | { readonly type: "end"; readonly row: number; readonly reason: "stop" | "length" };

/** The error for a row whose logits are no numbers. */
export type NotNumbers = (row: number) => GlmError;

/** Room made for an answer at first; the cache grows when it is longer. */
const EXPECTED_TOKENS = 128;

/**
 * Tokens of a prompt that are read in one run, which nothing can interrupt, and whose attention scores are in memory at
 * once: enough for matrix products to be at their fastest. Contexts that are seen as a whole are longer runs.
 */
export const PROMPT_RUN = 256;

/**
 * Generates an answer for each row. The consumer sets the pace: nothing is computed until the next event is asked for.
 * @param notNumbers the error for logits that are no numbers, which ends all rows; without it the answer goes on as in the published code
 * @throws GlmError "data-invalid" when a prompt is empty, too long, or has an id that is not in the vocabulary
 */
export async function* generate(
  model: ForwardModel,
  rows: readonly PromptRow[],
  options: SamplingOptions,
  notNumbers?: NotNumbers,
): AsyncGenerator<GenerateEvent, void, void> {
  rows.forEach((row, i) => {
    check(row.ids, i, model.config);
  });
  const reading = { done: 0, total: rows.reduce((sum, { ids }) => sum + ids.length, 0) };
  yield { type: "prompt", ...reading };
  const next = chooser(model, options, notNumbers);
  for (const members of byOverrides(rows)) yield* generateTogether(model, rows, members, options, next, reading);
}

interface Sequence {
  readonly row: number;
  readonly ids: number[];
  generated: number;
  done: boolean;
}

/** Where reading stands, of all prompts together. */
interface Reading {
  done: number;
  readonly total: number;
}

async function* generateTogether(
  model: ForwardModel,
  rows: readonly PromptRow[],
  members: readonly number[],
  options: SamplingOptions,
  next: Next,
  reading: Reading,
): AsyncGenerator<GenerateEvent, void, void> {
  if (options.maxNewTokens === 0) {
    for (const row of members) yield { type: "end", row, reason: "length" };
    return;
  }
  const { contextLength } = model.config;
  const longest = Math.max(...members.map((row) => (rows[row] as PromptRow).ids.length));
  const capacity = Math.min(contextLength, longest + Math.min(options.maxNewTokens, EXPECTED_TOKENS));
  const cache = model.newCache(members.length, capacity);
  try {
    yield* generateInto(cache, model, rows, members, options, next, reading);
  } finally {
    cache.dispose();
  }
}

async function* generateInto(
  cache: KeyValueCache,
  model: ForwardModel,
  rows: readonly PromptRow[],
  members: readonly number[],
  options: SamplingOptions,
  next: Next,
  reading: Reading,
): AsyncGenerator<GenerateEvent, void, void> {
  const { contextLength } = model.config;
  const effects = members.map((row) => rows[row]?.effect);
  const sequences: Sequence[] = members.map((row) => ({
    row,
    ids: [...(rows[row] as PromptRow).ids],
    generated: 0,
    done: false,
  }));
  const events: GenerateEvent[] = [];
  const take = (sequence: Sequence, token: number): void => {
    const { row } = sequence;
    if (options.stop.includes(token)) {
      sequence.done = true;
      events.push({ type: "end", row, reason: "stop" });
      return;
    }
    sequence.ids.push(token);
    sequence.generated += 1;
    events.push({ type: "token", row, token });
    if (sequence.generated < options.maxNewTokens && sequence.ids.length < contextLength) return;
    sequence.done = true;
    events.push({ type: "end", row, reason: "length" });
  };

  // Prompts differ in length, so each fills its own row of the cache; from then on all rows go one token a run.
  for (const [i, sequence] of sequences.entries()) {
    const adapters = await model.lease([effects[i]]);
    try {
      let from = 0;
      for (const end of promptRuns(model.config, sequence.ids)) {
        const part = [{ ids: sequence.ids.slice(0, end), from }];
        const last = [end - from - 1];
        const choose = await next({ rows: part, positions: last, adapters, cache, cacheRow: i });
        reading.done += end - from;
        yield { type: "prompt", ...reading };
        from = end;
        if (end === sequence.ids.length) take(sequence, choose(0, sequence));
      }
    } finally {
      adapters.release();
    }
  }
  yield* events.splice(0);
  if (sequences.every(({ done }) => done)) return;
  const adapters = await model.lease(effects);
  try {
    while (sequences.some(({ done }) => !done)) {
      const choose = await next({
        // Rows that are done go through the motions on their last token, for the batch to keep its shape.
        rows: sequences.map(({ ids }) => ({ ids, from: ids.length - 1 })),
        positions: [0],
        adapters,
        cache,
      });
      for (const [i, sequence] of sequences.entries()) if (!sequence.done) take(sequence, choose(i, sequence));
      yield* events.splice(0);
    }
  } finally {
    adapters.release();
  }
}

/** Says which token follows in a row of a run. */
type Choose = (row: number, sequence: Sequence) => number;

type Next = (step: Step) => Promise<Choose>;

/** Runs a step, and chooses what follows as the options say. */
function chooser(model: ForwardModel, options: SamplingOptions, notNumbers: NotNumbers | undefined): Next {
  const invalid = (row: number): number => {
    if (notNumbers) throw notNumbers(row);
    return INVALID_TOKEN;
  };
  if (options.greedy && options.repetitionPenalty === 1 && model.findsLikeliest) {
    return async (step) => {
      const tokens = await model.likeliest(step);
      return (row, sequence) => tokens[row] ?? invalid(sequence.row);
    };
  }
  const { vocabulary } = model.config;
  return async (step) => {
    const { data } = await model.run(step);
    return (row, { row: prompt, ids, generated }) => {
      const logits = data.subarray(row * vocabulary, (row + 1) * vocabulary);
      const token = sample(logits, ids, options, randomStream(options.seed, "sample", prompt, generated));
      // Looked at again only where it can be the one that stands for no answer.
      return token === INVALID_TOKEN && !allFinite(logits) ? invalid(prompt) : token;
    };
  };
}

/**
 * Where the runs end in which a prompt is read. A context that is seen as a whole is read as a whole, with the token after
 * it, which says where it ends.
 */
export function promptRuns(config: ChatGLMConfig, ids: readonly number[]): number[] {
  const { prefixLM, placement } = architectureOf(config);
  const first = Math.min(ids.length, Math.max(PROMPT_RUN, prefixLM ? placement(ids, config).prefixLength + 1 : 0));
  const more = Math.ceil((ids.length - first) / PROMPT_RUN);
  return Array.from({ length: 1 + more }, (_, i) => Math.min(ids.length, first + i * PROMPT_RUN));
}

/** Rows that replace base parameters by the same tensors can share a run; the others need another program. */
function byOverrides(rows: readonly PromptRow[]): number[][] {
  const groups = new Map<unknown, number[]>();
  rows.forEach(({ effect }, row) => {
    const key = effect?.overrides;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  });
  return [...groups.values()];
}

function check(ids: readonly number[], row: number, config: ForwardModel["config"]): void {
  const { vocabulary, contextLength } = config;
  const fault = (message: string) => new GlmError("data-invalid", `prompt ${row + 1}: ${message}`);
  if (ids.length === 0) throw fault("expected at least one token, got none.");
  if (ids.length >= contextLength) {
    throw fault(
      `expected fewer than ${contextLength} tokens (the model's context), got ${ids.length}. Shorten it or start a new conversation.`,
    );
  }
  const strange = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  if (strange !== undefined) throw fault(`expected ids from 0 to ${vocabulary - 1}, got ${strange}.`);
}
