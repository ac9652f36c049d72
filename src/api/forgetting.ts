/** @file `ChatGLM.forgetting`: what adapters did to answers that nobody trained, beside those of the base. */
import { complete } from "../options.ts";
import { Evaluation, evaluated } from "../scores/evaluation.ts";
import { type ForgettingQuestions, forgettingQuestions } from "../scores/forgetting-questions.ts";
import { scores, similarity } from "../scores/score.ts";
import type { AdapterChoice } from "./chatglm-options.ts";
import { faultsOf } from "./checks.ts";
import type { HandleContext } from "./context.ts";
import * as defaults from "./defaults.ts";
import { type AnswersOptions, answersOf, type Chosen, mustBeWritable, saved } from "./evaluate.ts";

export interface ForgettingOptions extends AnswersOptions {
  /** What is asked, by kind; by default translation, code and questions of everyday knowledge, in Chinese and English. */
  readonly questions?: ForgettingQuestions | undefined;
}

/**
 * Scores an adapter's answers by the base's own: how many are exactly the same, and how alike they are, in BLEU-4 where they are not the same.
 * @param choose what the engine knows an adapter by
 */
export async function forgetting(
  context: HandleContext,
  adapters: readonly AdapterChoice[],
  options: ForgettingOptions,
  choose: (choices: readonly AdapterChoice[]) => readonly Chosen[],
): Promise<Evaluation> {
  const started = performance.now();
  const { questions = forgettingQuestions, signal, onProgress, save } = options ?? {};
  const found = [...faultsOf({ adapters, signal, onProgress, save }), ...questionFaults(questions)];
  const others = ["questions", "signal", "onProgress", "save"];
  const { maxNewTokens } = complete("forgetting", defaults.evaluate, options, others, found);
  const asked = Object.entries(questions).flatMap(([group, some]) => some.map((prompt) => ({ group, prompt })));
  const tried = adapters.filter((adapter) => adapter !== null);
  const chosen = choose([null, ...tried]);
  await mustBeWritable("forgetting", save);
  const rows = asked.map(({ prompt }) => ({ prompt, response: "" }));
  const answers = await answersOf(context, rows, chosen, { maxNewTokens, onProgress, signal });
  const compared = asked.map(({ group, prompt }, row) => {
    const own = answers[row] ?? [];
    return { group, prompt, reference: own[0]?.answer ?? "", answers: own };
  });
  const seconds = (performance.now() - started) / 1000;
  const names = chosen.map(({ name }) => name);
  const data = evaluated(compared, names, [scores.exact, similarity], { seconds, problems: [] });
  return saved(new Evaluation(data), save);
}

function questionFaults(questions: unknown): string[] {
  const lists = typeof questions === "object" && questions !== null ? Object.entries(questions) : [];
  if (lists.length === 0) return ['questions: expected lists by kind such as { translation: ["..."] }.'];
  return lists.flatMap(([kind, list]) => {
    const isFine =
      Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === "string" && one.trim() !== "");
    return isFine ? [] : [`questions.${kind}: expected a list of questions.`];
  });
}
