/** @file The base's own answers to questions that are asked again and again: asked once, kept on disk by model. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { replaceFile } from "../files.ts";
import { cacheFolder } from "../folders.ts";
import { readText } from "../regular-file.ts";

/** An answer of the base; `complete` when it ended by itself. */
export interface BaseAnswer {
  readonly text: string;
  readonly complete: boolean;
}

type Answers = Record<string, BaseAnswer>;

/** Asks the base questions, telling each answer with its question's place as soon as it is whole. */
export type AskBase = (
  questions: readonly string[],
  onAnswer: (place: number, answer: BaseAnswer) => void,
) => Promise<unknown>;

/**
 * Answers to the questions, those that were ever asked from the cache.
 * @param key of the model and of how it is asked: answers of different keys are never mixed. Nothing is kept without one.
 */
export async function baseAnswers(
  key: string | undefined,
  questions: readonly string[],
  ask: AskBase,
  onProgress: (done: number, total: number) => void,
): Promise<ReadonlyMap<string, BaseAnswer>> {
  const path = key === undefined ? undefined : answersFile(key);
  const known = path === undefined ? {} : await readAnswers(path);
  const wanted = [...new Set(questions)];
  const missing = wanted.filter((question) => !Object.hasOwn(known, question));
  const fresh: Answers = {};
  let done = 0;
  try {
    if (missing.length > 0) {
      await ask(missing, (place, answer) => {
        fresh[missing[place] as string] = answer;
        onProgress(++done, missing.length);
      });
    }
  } finally {
    // Also of what was interrupted: the next one goes on from there.
    if (path !== undefined && done > 0) await keep(path, key, fresh);
  }
  const answers: Answers = { ...known, ...fresh };
  return new Map(wanted.map((question) => [question, answers[question] as BaseAnswer]));
}

/** Adds to what is there now: another notebook may have asked meanwhile. */
async function keep(path: string, key: string | undefined, fresh: Answers): Promise<void> {
  const answers = { ...(await readAnswers(path)), ...fresh };
  const bytes = new TextEncoder().encode(JSON.stringify({ key, answers }));
  // A cache that cannot be written is asked again.
  await replaceFile(path, [bytes], bytes.length).catch(() => undefined);
}

const answersFile = (key: string): string =>
  join(cacheFolder(), "answers", `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);

/** What was kept; nothing when it cannot be read. */
async function readAnswers(path: string): Promise<Answers> {
  try {
    const { answers } = JSON.parse(await readText(path)) as { answers: Answers };
    const entries = Object.entries(answers).filter(
      ([, answer]) => typeof answer?.text === "string" && typeof answer.complete === "boolean",
    );
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}
