/**
 * @file Rubrics: an answer is scored by a list of checks, of which it gets the share that holds. One is made here for generated questions, which
 * ChatGLM-Finetuning found BLEU and ROUGE unfit for: it took 0.25 of a sample's 5 points for each fault of its questions.
 */
import { bleu4 } from "./bleu.ts";
import { charactersOf } from "./python-characters.ts";

/** What a check looks at. */
export interface Checked {
  /** One line of the answer that has any text: of several questions, each has its own. */
  readonly text: string;
  /** The lines before it. */
  readonly earlier: readonly string[];
  readonly prompt: string;
  readonly reference: string;
}

export interface Check {
  /** In words: "is a question". */
  readonly name: string;
  holds(what: Checked): boolean;
}

export interface Rubric {
  readonly kind: "rubric";
  readonly name: string;
  readonly checks: readonly Check[];
}

/** A rubric of one's own: `rubric("polite", [{ name: "says please", holds: ({ text }) => text.includes("请") }])`. */
export function rubric(name: string, checks: readonly Check[]): Rubric {
  return { kind: "rubric", name, checks };
}

/** The share of checks that hold, of all lines of an answer together: from 0 to 1; 0 for an answer without text. */
export function fulfilled({ checks }: Rubric, answer: string, row: Pick<Checked, "prompt" | "reference">): number {
  const lines = answer
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const held = lines.map((text, i) => {
    const what = { ...row, text, earlier: lines.slice(0, i) };
    return checks.filter((check) => check.holds(what)).length;
  });
  const all = lines.length * checks.length;
  return all === 0 ? 0 : held.reduce((sum, count) => sum + count, 0) / all;
}

/** Questions that are more alike than this, in BLEU-4, are one. */
const ALIKE = 0.75;
/** Of a question's pairs of characters, the share that its document must have. */
const ABOUT = 0.3;
/** Characters that are looked at for repetitions, which takes time that grows faster than a text. */
const MOST = 300;
const INTERROGATIVE =
  /[?？]\s*$|什么|怎么|怎样|如何|哪|谁|多少|几|为何|是否|吗|呢|^(what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|should)\b/i;

/**
 * Generated questions, one a line, by what a program can decide of ChatGLM-Finetuning's five rules: a question that is none, is repeated, is not about
 * its document (too few of its characters are there), or is broken (stammers, or has characters that are none). Whether two questions have one
 * answer, and whether one does harm, people must judge: the answers are in the evaluation.
 */
export const questionRubric: Rubric = rubric("questions", [
  { name: "is a question", holds: ({ text }) => INTERROGATIVE.test(text) },
  { name: "is not repeated", holds: ({ text, earlier }) => earlier.every((other) => bleu4(text, other) < ALIKE) },
  { name: "is about the document", holds: ({ text, prompt }) => sharedPairs(text, prompt) >= ABOUT },
  { name: "is whole", holds: ({ text }) => !text.includes("\ufffd") && !/(.{2,})\1{2}/su.test(text.slice(0, MOST)) },
]);

/** The share of a text's neighbouring pairs of letters or digits that are in another one. */
function sharedPairs(text: string, other: string): number {
  const [ours, theirs] = [pairs(text), pairs(other)];
  return ours.size === 0 ? 0 : [...ours].filter((pair) => theirs.has(pair)).length / ours.size;
}

function pairs(text: string): Set<string> {
  const letters = charactersOf(text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""));
  return new Set(letters.slice(1).map((letter, i) => `${letters[i]}${letter}`));
}
