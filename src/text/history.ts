/** @file Earlier rounds in the forms of ChatGLM's own code: pairs (ChatGLM, ChatGLM2) or messages with roles (ChatGLM3, GLM-4). */
import type { Message } from "./prompt.ts";

export type History = readonly (readonly [question: string, answer: string])[] | readonly Message[];

/** The messages that stand for a history, whichever form it has. */
export function historyMessages(history: History): Message[] {
  return history.flatMap((round): Message[] => {
    if (!isPair(round)) return [round];
    const [asked, answered] = round;
    return [
      { role: "user", content: asked },
      { role: "assistant", content: answered },
    ];
  });
}

const isPair = (round: Message | readonly [string, string]): round is readonly [string, string] => Array.isArray(round);
