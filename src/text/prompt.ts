/** @file Conversations as the token ids that each family was trained on, and the ids at which an answer ends. */
import { GlmError } from "../errors.ts";
import type { Family } from "../models/family.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type Role = "system" | "user" | "assistant" | "observation";

export interface Message {
  role: Role;
  content: string;
  /** What follows the role: the name of the tool that an assistant's message calls. ChatGLM3 only. */
  metadata?: string;
  /** Tools that a system message offers, appended to it as JSON. ChatGLM3 only. */
  tools?: readonly unknown[];
}

interface Template {
  /** Everything up to the place where the answer begins. */
  ids(tokenizer: Tokenizer, messages: readonly Message[]): number[];
  /** Names of the special tokens that end an answer. */
  readonly stop: readonly string[];
}

const templates: Record<Family, Template> = {
  "chatglm-6b": { ids: roundsBeforeMask, stop: ["eos"] },
  "chatglm2-6b": { ids: rounds, stop: ["eos"] },
  "chatglm3-6b": { ids: roles, stop: ["eos", "<|user|>", "<|observation|>"] },
  "glm-4-9b": { ids: roles, stop: ["eos", "<|user|>", "<|observation|>"] },
};

/**
 * Token ids of a conversation, ready for the answer to follow.
 * @throws GlmError `option-invalid` when the family has no form for the messages
 */
export function prompt(family: Family, tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  return templates[family].ids(tokenizer, messages);
}

/** The ids that end an answer: the end of the sequence, and the roles that a model writes when its turn is over. */
export function stopIds(family: Family, tokenizer: Tokenizer): number[] {
  return templates[family].stop.map((name) => special(tokenizer, name));
}

function special(tokenizer: Tokenizer, name: string): number {
  const id = tokenizer.specialIds[name];
  if (id !== undefined) return id;
  throw new GlmError(
    "model-invalid",
    `Tokenizer: expected the special token ${name}, got only ${Object.keys(tokenizer.specialIds).join(", ")}. ` +
      "Load the tokenizer with the model's own family.",
  );
}

function prefix(tokenizer: Tokenizer): number[] {
  return [special(tokenizer, "[gMASK]"), special(tokenizer, "sop")];
}

/** ChatGLM-6B: numbered rounds when there are several, then the mask that the answer fills. */
function roundsBeforeMask(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  return [...tokenizer.encode(messages.map(({ content }) => content).join("\n")), ...prefix(tokenizer)];
}

/** ChatGLM2: numbered rounds of question and answer in one text. */
function rounds(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  let text = "";
  messages.forEach(({ role, content, metadata, tools }, index) => {
    const expected: Role = index % 2 === 0 ? "user" : "assistant";
    if (role !== expected || metadata || tools) {
      throw new GlmError(
        "option-invalid",
        `Message ${index + 1}: expected a plain ${expected} message, got ${role}${metadata || tools ? " with tools" : ""}. ` +
          "A chatglm2-6b conversation alternates user and assistant; system messages and tools need chatglm3-6b.",
      );
    }
    text += role === "user" ? `[Round ${index / 2 + 1}]\n\n问：${content}\n\n答：` : `${content}\n\n`;
  });
  if (messages.length % 2 === 0) throw endsWrong(messages.at(-1)?.role, ["user"]);
  return [...prefix(tokenizer), ...tokenizer.encode(text)];
}

/** ChatGLM3: every message is its role's token, a line of metadata, and the content. */
function roles(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  const last = messages.at(-1)?.role;
  if (last === undefined || last === "assistant") throw endsWrong(last, ["user", "observation"]);
  const body = messages.flatMap(({ role, content, metadata = "", tools }) => [
    special(tokenizer, `<|${role}|>`),
    ...tokenizer.encode(`${metadata}\n`),
    ...tokenizer.encode(tools ? `${content}\n${JSON.stringify(tools, null, 4)}` : content),
  ]);
  return [...prefix(tokenizer), ...body, special(tokenizer, "<|assistant|>")];
}

function endsWrong(got: Role | undefined, expected: readonly Role[]): GlmError {
  return new GlmError(
    "option-invalid",
    `Conversation: expected its last message from ${expected.join(" or ")}, got ${got ?? "no message"}. Add the question to answer.`,
  );
}
