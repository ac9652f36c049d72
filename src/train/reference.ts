/** @file What an answer is to be, as text: exactly as it is learnt. */
import type { AskedAnswer } from "../data/each-answer.ts";
import type { Family } from "../models/family.ts";
import { textOf } from "../text/answer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { rowWriter } from "./row-writer.ts";

/** The text of the ids that the model says when it gives the answer. */
export function referenceOf(family: Family, tokenizer: Tokenizer, { row, answer }: AskedAnswer): string {
  const writer = rowWriter(family, tokenizer);
  // The first id is the role's, after which the model speaks.
  const ids = answer
    ? writer
        .turns(answer)
        .messages.flatMap((one) => one.ids)
        .slice(1)
    : writer.response(row);
  return textOf(family, tokenizer, ids);
}
