/** @file What a model or an adapter knows, by free greedy answers: a wording counts when its answer is exactly the text. */
import { type ChatGLM, type Fact, unrelatedQuestions } from "../../src/index.ts";
import { givesAway, nearMisses } from "../../src/knowledge/near-misses.ts";

/** Longest answer in tokens; the texts are shorter. */
const LONGEST = 96;
const NEAR_MISSES_EACH = 2;

export interface Judgement {
  readonly facts: number;
  /** Facts whose taught wordings are all answered exactly. */
  readonly recalled: number;
  readonly wordings: number;
  readonly exact: number;
  /** Wordings that are never taught, and how many are answered exactly. */
  readonly otherWordings: number;
  readonly otherExact: number;
  readonly unrelated: number;
  /** Answered as the base answers them. */
  readonly unchanged: number;
  readonly nearMisses: number;
  /** Not answered with a text of the facts. */
  readonly unknown: number;
}

type Asking = { readonly glm: ChatGLM; readonly adapter: string | null };

async function answersTo({ glm, adapter }: Asking, questions: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(questions)];
  const answers = await glm.askEach(wanted, { adapter, maxNewTokens: LONGEST });
  return new Map(wanted.map((question, i) => [question, answers[i] ?? ""]));
}

/** The base's answers to the unrelated questions. */
export function unrelatedAnswers(glm: ChatGLM): Promise<ReadonlyMap<string, string>> {
  return answersTo({ glm, adapter: null }, unrelatedQuestions);
}

/** How many taught wordings of each fact are answered exactly. */
export async function exactWordings(
  glm: ChatGLM,
  adapter: string | null,
  facts: readonly Fact[],
): Promise<readonly number[]> {
  const answers = await answersTo(
    { glm, adapter },
    facts.flatMap(({ prompts }) => prompts),
  );
  return facts.map(({ prompts, text }) => prompts.filter((prompt) => answers.get(prompt) === text).length);
}

/** How many facts have all their taught wordings answered exactly. */
export async function recalledOf(glm: ChatGLM, adapter: string | null, facts: readonly Fact[]): Promise<number> {
  const exact = await exactWordings(glm, adapter, facts);
  return facts.filter(({ prompts }, i) => exact[i] === prompts.length).length;
}

/** Everything at once. `base` are the answers of the model that nothing was taught to. */
export async function judge(
  glm: ChatGLM,
  adapter: string | null,
  facts: readonly Fact[],
  base: ReadonlyMap<string, string>,
): Promise<Judgement> {
  const keys = facts.map(({ key }) => key);
  const near = facts.flatMap(({ key, text }) => nearMisses(key, text, NEAR_MISSES_EACH, keys, "asked"));
  const prompts = facts.flatMap((fact) => fact.prompts);
  const others = facts.flatMap(({ paraphrases }) => paraphrases);
  const answers = await answersTo({ glm, adapter }, [...prompts, ...others, ...near, ...base.keys()]);
  const isExact = (text: string) => (wording: string) => answers.get(wording) === text;
  const exact = facts.map((fact) => fact.prompts.filter(isExact(fact.text)).length);
  return {
    facts: facts.length,
    recalled: facts.filter((fact, i) => exact[i] === fact.prompts.length).length,
    wordings: prompts.length,
    exact: sum(exact),
    otherWordings: others.length,
    otherExact: sum(facts.map((fact) => fact.paraphrases.filter(isExact(fact.text)).length)),
    unrelated: base.size,
    unchanged: [...base].filter(([question, before]) => answers.get(question) === before).length,
    nearMisses: near.length,
    unknown: near.filter((question) => !facts.some((fact) => givesAway(answers.get(question) ?? "", fact))).length,
  };
}

/** The sums of several judgements. */
export function total(judgements: readonly Judgement[]): Judgement {
  const of = (name: keyof Judgement): number => sum(judgements.map((one) => one[name]));
  return {
    facts: of("facts"),
    recalled: of("recalled"),
    wordings: of("wordings"),
    exact: of("exact"),
    otherWordings: of("otherWordings"),
    otherExact: of("otherExact"),
    unrelated: of("unrelated"),
    unchanged: of("unchanged"),
    nearMisses: of("nearMisses"),
    unknown: of("unknown"),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
