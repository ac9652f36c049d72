/** @file One row of training data. */
import type { Message } from "../text/prompt.ts";

/** A turn of a conversation that is read as a whole. */
export interface RowTurn extends Message {
  /** False where an assistant's turn is read, and not learnt. */
  readonly loss?: boolean;
}

/** One example. `history` holds earlier rounds as [question, answer]. */
export interface Row {
  readonly prompt: string;
  readonly response: string;
  readonly system?: string;
  readonly history?: readonly (readonly [string, string])[];
  /**
   * The whole conversation, where pairs cannot say it: with tools, calls and what they gave, or to learn all answers at once. It
   * then stands for `system` and `history`, which are left out; `prompt` and `response` are its last question and the last
   * answer that is learnt.
   */
  readonly turns?: readonly RowTurn[];
}

/** Where the last turn that is learnt stands; -1 when none is. */
export const lastLearnt = (turns: readonly RowTurn[]): number =>
  turns.findLastIndex(({ role, loss }) => role === "assistant" && loss !== false);

/** The conversation that a row's answer follows. */
export function messagesOf({ system, history = [], prompt: question, response, turns }: Row): Message[] {
  if (turns) {
    const before = response === "" ? turns : turns.slice(0, lastLearnt(turns));
    return before.map(({ loss: _, ...message }) => message);
  }
  return [
    ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
    ...history.flatMap(([asked, answered]): Message[] => [
      { role: "user", content: asked },
      { role: "assistant", content: answered },
    ]),
    { role: "user", content: question },
  ];
}
