/** @file `ChatGLM.evaluate`: rows answered by the base and by adapters in one batched pass, and scored. */
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { eachAnswer } from "../data/each-answer.ts";
import type { Row } from "../data/row.ts";
import { shownJson } from "../describe.ts";
import type { GenerateRow } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { replaceFile } from "../files.ts";
import { complete, invalid } from "../options.ts";
import { plural } from "../plural.ts";
import { type Answerer, type Asked, Evaluation, evaluated } from "../scores/evaluation.ts";
import type { ReferenceLoss } from "../scores/perplexity.ts";
import type { Rubric } from "../scores/rubric.ts";
import { scores as known, rubricScore, type Score, type ScoreName, scoreNames } from "../scores/score.ts";
import { suggestion } from "../suggestion.ts";
import { encodeForModel } from "../train/encode.ts";
import { referenceOf } from "../train/reference.ts";
import { rowWriter } from "../train/row-writer.ts";
import { answerRows, questionsMustFit } from "./ask-rows.ts";
import type { AdapterChoice } from "./chatglm-options.ts";
import { faultsOf } from "./checks.ts";
import type { HandleContext } from "./context.ts";
import * as defaults from "./defaults.ts";
import { asDataset, type Rows } from "./rows.ts";
import { type Abortable, cellSignal } from "./signal.ts";

/** A score of one's own: any number of an answer, and NaN for none. Its name is the function's. */
export type ScoreFunction = (answer: string, row: Row) => number | Promise<number>;

/** A score by name, by a rubric, or by a function. */
export type ScoreChoice = ScoreName | Rubric | ScoreFunction;

/** How far it is: answers, then references that are read for their perplexity. */
export interface EvaluateProgress {
  readonly stage: "answering" | "reading";
  readonly done: number;
  readonly total: number;
}

/** What evaluations have in common. */
export interface AnswersOptions extends Abortable {
  /** Longest answer in tokens. 256 by default. */
  readonly maxNewTokens?: number | undefined;
  readonly onProgress?: ((progress: EvaluateProgress) => void) | undefined;
  /** A file for all of it, as JSON. */
  readonly save?: string | undefined;
}

export interface EvaluateOptions extends AnswersOptions {
  /** Exact match and BLEU-4 by default. */
  readonly scores?: readonly ScoreChoice[] | undefined;
  /** Who answers: adapters by name or handle, null for the base model; the base alone by default. */
  readonly adapters?: readonly AdapterChoice[] | undefined;
}

/** Who answers, as the engine knows it, and as it is shown. */
export interface Chosen {
  readonly name: Answerer;
  readonly adapter: GenerateRow["adapter"];
}

/** @param choose what the engine knows an adapter by */
export async function evaluate(
  context: HandleContext,
  data: Rows,
  options: EvaluateOptions,
  choose: (choices: readonly AdapterChoice[]) => readonly Chosen[],
): Promise<Evaluation> {
  const started = performance.now();
  const { scores: wanted = defaults.scores, adapters = [null], signal, onProgress, save } = options ?? {};
  const found = [...faultsOf({ adapters, signal, onProgress, save }), ...scoreFaults(wanted)];
  const others = ["scores", "adapters", "signal", "onProgress", "save"];
  const { maxNewTokens } = complete("evaluate", defaults.evaluate, options, others, found);
  const cases = eachAnswer(asDataset(data).rows);
  const rows = cases.map(({ row }) => row);
  const all = wanted.map(asScore);
  const chosen = choose(adapters);
  await mustBeWritable("evaluate", save);
  const references = cases.map((one) => referenceOf(context.info.family, context.tokenizer, one));
  const questions = cases.map(({ question }) => question);
  const asked = await answersOf(context, questions, chosen, { maxNewTokens, onProgress, signal });
  const losses = all.some(({ score }) => score.of === "losses")
    ? await lossesOf(context, rows, chosen, { onProgress, signal })
    : undefined;
  const problems: string[] = [];
  const own: Record<string, readonly (readonly number[])[]> = {};
  for (const { score, own: use } of all) {
    if (use) own[score.name] = await ownValues(score.name, use, rows, asked, problems);
  }
  const measured = asked.map((answers, row): Asked => {
    const [{ prompt }, reference] = [rows[row] as Row, references[row] as string];
    return { prompt, reference, answers: answers.map((one, at) => ({ ...one, loss: losses?.[row]?.[at] })) };
  });
  const seconds = (performance.now() - started) / 1000;
  const names = chosen.map(({ name }) => name);
  const scores = all.map(({ score }) => score);
  return saved(new Evaluation(evaluated(measured, names, scores, { seconds, problems, own })), save);
}

interface Answer {
  readonly answer: string;
  readonly complete: boolean;
}

type Going = Pick<AnswersOptions, "onProgress" | "signal">;

/** Every row's answers, in the order of those who answer: all of them share their runs. */
export async function answersOf(
  context: HandleContext,
  rows: readonly Row[],
  chosen: readonly Chosen[],
  { maxNewTokens, onProgress, signal }: Going & { readonly maxNewTokens: number },
): Promise<readonly (readonly Answer[])[]> {
  const { info, tokenizer } = context;
  const writer = rowWriter(info.family, tokenizer);
  const prompts = rows.map((row) => writer.prompt(row));
  questionsMustFit(
    rows.map(({ prompt }) => prompt),
    prompts,
    info.config.contextLength,
  );
  const asked = prompts.flatMap((ids) => chosen.map(({ adapter }) => ({ ids, adapter })));
  const answers = await answerRows(context, asked, {
    maxNewTokens,
    onAnswer: (_place, _answer, done) => onProgress?.({ stage: "answering", done, total: asked.length }),
    ...cellSignal(signal),
  });
  return rows.map((_, row) =>
    chosen.map((_, at) => {
      const { text, complete } = answers[row * chosen.length + at] as (typeof answers)[number];
      return { answer: text, complete };
    }),
  );
}

/** What reading each row's reference came to, likewise; labels are those of training. */
async function lossesOf(
  { engine, info, tokenizer }: HandleContext,
  rows: readonly Row[],
  chosen: readonly Chosen[],
  { onProgress, signal }: Going,
): Promise<readonly (readonly ReferenceLoss[])[]> {
  const { config, family, key: model } = info;
  const limits = { maxLength: config.contextLength };
  const { inputIds, labels } = encodeForModel(rows, rowWriter(family, tokenizer), limits, config);
  const asked = inputIds.flatMap((ids, row) =>
    chosen.map(({ adapter }) => ({ ids, labels: labels[row] as readonly number[], adapter })),
  );
  const found: ReferenceLoss[] = [];
  let done = 0;
  for await (const { row, loss, tokens } of engine.stream("losses", { model, rows: asked }, cellSignal(signal))) {
    found[row] = { loss, tokens };
    onProgress?.({ stage: "reading", done: ++done, total: asked.length });
  }
  return rows.map((_, row) => found.slice(row * chosen.length, (row + 1) * chosen.length));
}

/** A score, and the function that it is made of where it is one's own. */
interface ChosenScore {
  readonly score: Score;
  readonly own?: ScoreFunction;
}

function asScore(choice: ScoreChoice, place: number): ChosenScore {
  if (typeof choice === "string") return { score: known[choice] };
  if (typeof choice !== "function") return { score: rubricScore(choice) };
  const name = choice.name === "" ? `score ${place + 1}` : choice.name;
  const none = (): never => {
    throw new Error(`${name} is computed where it was given`);
  };
  return { score: { name, unit: "number", of: "answers", score: none }, own: choice };
}

/** By who answers, then by row. What a function throws costs its own number only: the answers took longer to come. */
async function ownValues(
  name: string,
  of: ScoreFunction,
  rows: readonly Row[],
  asked: readonly (readonly Answer[])[],
  problems: string[],
): Promise<number[][]> {
  const failed: string[] = [];
  const valueFor = async (row: number, at: number): Promise<number> => {
    try {
      const value: unknown = await of(asked[row]?.[at]?.answer ?? "", rows[row] as Row);
      if (typeof value === "number") return value;
      failed.push(`row ${row + 1}: expected a number, got ${shownJson(value)}`);
    } catch (error) {
      failed.push(`row ${row + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return Number.NaN;
  };
  const values: number[][] = [];
  for (const at of asked[0]?.keys() ?? []) {
    const column: number[] = [];
    for (const row of asked.keys()) column.push(await valueFor(row, at));
    values.push(column);
  }
  if (failed.length > 0) {
    problems.push(
      `${name}: no number for ${plural(failed.length, "answer")}, which its mean leaves out. ${failed[0]}.`,
    );
  }
  return values;
}

const isRubric = (value: unknown): value is Rubric =>
  typeof value === "object" &&
  value !== null &&
  (value as Partial<Rubric>).kind === "rubric" &&
  Array.isArray((value as Partial<Rubric>).checks);

function scoreFaults(given: unknown): string[] {
  const expected = 'a list such as ["exact", "bleu-4"]';
  if (!Array.isArray(given) || given.length === 0) return [`scores: expected ${expected}, got ${shownJson(given)}.`];
  const faults = given.flatMap((one: unknown, i) => {
    if (typeof one === "function" || isRubric(one) || scoreNames.some((name) => name === one)) return [];
    const names = `${scoreNames.join(", ")}, a rubric or a function (answer, row) => number`;
    const near = typeof one === "string" ? suggestion(one, scoreNames) : "";
    return [`scores[${i}]: expected ${names}, got ${shownJson(one)}.${near.startsWith(" Did") ? near : ""}`];
  });
  if (faults.length > 0) return faults;
  const names = (given as ScoreChoice[]).map((one, i) => asScore(one, i).score.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  return twice === undefined
    ? []
    : [`scores: expected different ones, got ${twice} twice. Name functions differently.`];
}

/**
 * Before anything is asked: the answers take long, and would be lost.
 * @throws GlmError "disk"
 */
export async function mustBeWritable(subject: string, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const path = resolve(file);
  try {
    await mkdir(dirname(path), { recursive: true });
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GlmError("disk", `${subject}: ${path} cannot be written (${why}). Save it elsewhere.`);
  }
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    throw invalid(subject, [`save: expected a file such as "scores.json", got the folder ${path}.`]);
  }
}

/** The evaluation, written to the file if there is one; that it could not be written is said in it. */
export async function saved(evaluation: Evaluation, file: string | undefined): Promise<Evaluation> {
  if (file === undefined) return evaluation;
  const bytes = new TextEncoder().encode(`${JSON.stringify(evaluation, null, 2)}\n`);
  try {
    await replaceFile(resolve(file), [bytes], bytes.length);
    return evaluation;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return new Evaluation({ ...evaluation.toJSON(), problems: [...evaluation.problems, `Not saved: ${why}`] });
  }
}
