/**
 * @file BLEU-4 of one answer, on characters, as ChatGLM's `ptuning/main.py` scores Chinese: NLTK's `sentence_bleu([list(label)], list(pred))` with
 * `SmoothingFunction().method3` (the scripts of ChatGLM2 and those made after them; ChatGLM-6B's first one did not smooth).
 */
import { charactersOf } from "./python-characters.ts";

const ORDERS = [1, 2, 3, 4] as const;

/** From 0 to 1; 0 when no character is shared. */
export function bleu4(answer: string, reference: string): number {
  const [said, wanted] = [charactersOf(answer), charactersOf(reference)];
  const precisions = ORDERS.map((n) => precision(said, wanted, n));
  if (precisions[0]?.matches === 0) return 0;
  // NIST's smoothing: instead of no match, half a one for the first order that has none, a quarter for the second, ...
  let missing = 0;
  const logs = precisions.map(({ matches, count }) => Math.log((matches === 0 ? 2 ** -++missing : matches) / count));
  const brevity = said.length > wanted.length ? 1 : Math.exp(1 - wanted.length / said.length);
  return brevity * Math.exp(logs.reduce((sum, log) => sum + log, 0) / ORDERS.length);
}

/** How many n-grams of what was said are in the reference, each as often as there, of how many. */
function precision(said: readonly string[], wanted: readonly string[], n: number) {
  const [ours, theirs] = [counted(said, n), counted(wanted, n)];
  let matches = 0;
  for (const [gram, count] of ours) matches += Math.min(count, theirs.get(gram) ?? 0);
  return { matches, count: Math.max(1, said.length - n + 1) };
}

function counted(characters: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= characters.length; i += 1) {
    const gram = characters.slice(i, i + n).join("");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}
