/** @file What %chatglm and %%chatglm do. */

import { ambient } from "../../src/ambient.ts";
import { messagesOf } from "../../src/data/row.ts";
import type { AdapterChoice, ChatGLM, ChatOptions } from "../../src/index.ts";
import { AnswerDisplay } from "../answer-display.ts";
import type { Conversation, Round } from "../conversation.ts";
import { show, write } from "../live.ts";
import { renderComparison, renderMarkdown, visible } from "../render/answer.ts";
import { currentModel, sessionOf } from "../session.ts";

/** What may stand in `${}` of a question: an object would only be "[object Object]" to the model. */
export type Interpolated = string | number | bigint | boolean;

/** A question with its `${}` filled in. */
export function text(strings: TemplateStringsArray, ...values: readonly Interpolated[]): string {
  return String.raw({ raw: strings }, ...values);
}

type Sampling = Omit<ChatOptions, "history" | "adapter" | "system" | "signal" | "onProgress">;

export interface AskOptions extends Sampling {
  /** null is the base model; the one in use when it is left out. */
  readonly adapter?: AdapterChoice;
  /** Stays for the rest of the conversation. */
  readonly system?: string;
  /** Begins a new conversation. */
  readonly new?: boolean;
  readonly format?: "text" | "markdown";
  readonly model?: ChatGLM;
  /** What begins a new conversation, for messages. */
  readonly anew?: string;
}

/** Asks, shows the answer as it comes, and returns it. An interrupted answer is not part of the conversation. */
export async function chatglm(question: string, options: AskOptions = {}): Promise<string> {
  const { adapter, system, new: isNew, format = "text", model: given, anew = "--new", ...sampling } = options;
  const model = currentModel(given);
  const { conversation, adapter: inUse } = sessionOf(model);
  if (isNew) conversation.reset();
  if (system !== undefined) conversation.system = system;
  const history = fitting(model, conversation, question);
  tellLeftOut(model, conversation.history.length - history.length, anew);
  const display = new AnswerDisplay();
  const pieces = model.chat(question, {
    ...sampling,
    onProgress: (progress) => display.wait(progress),
    adapter: adapter === undefined ? inUse : adapter,
    history,
    ...(conversation.system === undefined ? {} : { system: conversation.system }),
  });
  const answer = await stream(pieces, format, display);
  conversation.add(question, answer);
  return answer;
}

/** The share of the model's context that is kept free for the answer. */
const ANSWER_SHARE = 0.25;

/** The latest of the remembered rounds that leave room for an answer. */
function fitting(model: ChatGLM, conversation: Conversation, question: string): readonly Round[] {
  const room = model.config.contextLength * (1 - ANSWER_SHARE);
  const system = conversation.system;
  let history = conversation.history;
  const tokens = (): number => {
    const messages = messagesOf({
      prompt: question,
      response: "",
      history,
      ...(system === undefined ? {} : { system }),
    });
    return model.prompt(messages).length;
  };
  while (history.length > 0 && tokens() > room) history = history.slice(1);
  return history;
}

/** The conversation still holds them, so that nothing else shows that the model is not told of them. */
function tellLeftOut(model: ChatGLM, rounds: number, anew: string): void {
  if (rounds === 0) return;
  const what = rounds === 1 ? "The oldest remembered round is" : `The oldest ${rounds} remembered rounds are`;
  write(
    `${what} left out: the model's context of ${model.config.contextLength} tokens has no room for more and an answer. ` +
      `Ask for less at once, or begin a new conversation with ${anew}.\n`,
    "stderr",
  );
}

export type CompareOptions = Omit<AskOptions, "adapter" | "format" | "anew">;

/**
 * Asks several adapters at once and shows their answers side by side as they come. It is a question of its own: the conversation
 * neither leads up to it nor goes on from it. Returns the answers by adapter ("none" for the base model).
 */
export async function compare(
  question: string,
  adapters: readonly (string | null)[],
  options: CompareOptions = {},
): Promise<Record<string, string>> {
  const { model: given, new: anew, ...asked } = options;
  const model = currentModel(given);
  if (anew) sessionOf(model).conversation.reset();
  const display = new AnswerDisplay();
  try {
    const answers = await model.askAll(question, {
      ...asked,
      adapters,
      onProgress: (progress) => display.wait(progress),
      // A terminal cannot rewrite columns: it gets them whole.
      ...(ambient().frontend
        ? { onAnswers: (soFar) => display.show(() => renderComparison(question, soFar, true)) }
        : {}),
    });
    const comparison = renderComparison(question, answers);
    if (ambient().frontend) display.show(() => comparison);
    else show(comparison);
    return Object.fromEntries(answers.map(({ adapter, answer }) => [adapter ?? "none", answer]));
  } finally {
    display.finish();
  }
}

/**
 * Shows the answer as it grows, in one display. Standard output would do while it is watched, but what executes
 * notebooks in batch (nbclient, nbconvert) keeps every piece of it as an output of its own.
 */
async function stream(
  pieces: AsyncIterable<string>,
  format: "text" | "markdown",
  display: AnswerDisplay,
): Promise<string> {
  if (!ambient().frontend) return streamToTerminal(pieces);
  let answer = "";
  try {
    for await (const piece of pieces) {
      answer += piece;
      display.show(() => (format === "markdown" ? renderMarkdown(answer) : { "text/plain": answer }));
    }
    if (answer === "") display.show(() => ({ "text/plain": visible(answer) }));
  } finally {
    display.finish();
  }
  return answer;
}

async function streamToTerminal(pieces: AsyncIterable<string>): Promise<string> {
  let answer = "";
  try {
    for await (const piece of pieces) {
      answer += piece;
      write(piece);
    }
    if (answer === "") write(visible(answer));
  } finally {
    write("\n");
  }
  return answer;
}
