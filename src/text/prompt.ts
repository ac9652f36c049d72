/** @file Conversations as the token ids that each family was trained on, and the ids at which an answer ends. */
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import type { Family } from "../models/family.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type Role = "system" | "user" | "assistant" | "observation";

export interface Message {
  role: Role;
  content: string;
  /** What follows the role: the name of the tool that an assistant's message calls. ChatGLM3 and GLM-4 only. */
  metadata?: string;
  /** Tools that a system message offers, described in JSON Schema. ChatGLM3 and GLM-4 only. */
  tools?: readonly unknown[];
}

/** A message with its own ids, of which the first is its role's. */
export interface WrittenMessage<M extends Message = Message> {
  readonly message: M;
  readonly ids: readonly number[];
}

/** A conversation message by message. */
export interface WrittenConversation<M extends Message = Message> {
  /** What stands before the first message. */
  readonly start: readonly number[];
  readonly messages: readonly WrittenMessage<M>[];
}

interface Template {
  /** Everything up to the place where the answer begins. */
  ids(tokenizer: Tokenizer, messages: readonly Message[]): number[];
  /** Of families whose messages have roles. */
  written?<M extends Message>(tokenizer: Tokenizer, messages: readonly M[]): WrittenConversation<M>;
  /** Names of the special tokens that end an answer. */
  readonly stop: readonly string[];
}

const rolesStop: readonly string[] = ["eos", "<|user|>", "<|observation|>"];

const templates: Record<Family, Template> = {
  "chatglm-6b": { ids: rounds6B, stop: ["eos"] },
  "chatglm2-6b": { ids: rounds2, stop: ["eos"] },
  "chatglm3-6b": { ids: asked(roles3), written: roles3, stop: rolesStop },
  "glm-4-9b": { ids: asked(roles4), written: roles4, stop: rolesStop },
};

/**
 * Token ids of a conversation, ready for the answer to follow.
 * @throws GlmError `option-invalid` when the family has no form for the messages
 */
export function prompt(family: Family, tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  return templates[family].ids(tokenizer, messages);
}

/**
 * The ids of a whole conversation, answers included, message by message. Tools may make a message of their own.
 * @throws GlmError `option-invalid` for a family whose messages have no roles
 */
export function writtenConversation<M extends Message>(
  family: Family,
  tokenizer: Tokenizer,
  messages: readonly M[],
): WrittenConversation<M> {
  const { written } = templates[family];
  if (written) return written(tokenizer, messages);
  throw new GlmError(
    "option-invalid",
    `Conversation: expected a family whose messages have roles, got ${family}. Tools, observations and conversations that are ` +
      "learnt as a whole need chatglm3-6b or glm-4-9b.",
  );
}

/** The token that opens an answer; undefined in families without roles. */
export const answerRole = (family: Family, tokenizer: Tokenizer): number | undefined =>
  templates[family].written ? special(tokenizer, "<|assistant|>") : undefined;

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

/** ChatGLM-6B: a first question as it is, later ones after the rounds so far, numbered from zero; then the mask to fill. */
function rounds6B(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  const { asked, question } = roundsOf("chatglm-6b", messages);
  const text = asked.map((round, i) => `[Round ${i}]\n问：${round.question}\n答：${round.answer}\n`).join("");
  return [
    ...tokenizer.encodePlain(text === "" ? question : `${text}[Round ${asked.length}]\n问：${question}\n答：`),
    special(tokenizer, "[gMASK]"),
    special(tokenizer, "<sop>"),
  ];
}

/** ChatGLM2: rounds numbered from one. */
function rounds2(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  const { asked, question } = roundsOf("chatglm2-6b", messages);
  const text = asked.map((round, i) => `[Round ${i + 1}]\n\n问：${round.question}\n\n答：${round.answer}\n\n`).join("");
  return [
    special(tokenizer, "[gMASK]"),
    special(tokenizer, "sop"),
    ...tokenizer.encodePlain(`${text}[Round ${asked.length + 1}]\n\n问：${question}\n\n答：`),
  ];
}

interface Rounds {
  readonly asked: readonly { readonly question: string; readonly answer: string }[];
  readonly question: string;
}

function roundsOf(family: Family, messages: readonly Message[]): Rounds {
  messages.forEach(({ role, metadata, tools }, index) => {
    const expected: Role = index % 2 === 0 ? "user" : "assistant";
    if (role === expected && !metadata && !tools) return;
    throw new GlmError(
      "option-invalid",
      `Message ${index + 1}: expected a plain ${expected} message, got ${role}${metadata || tools ? " with tools" : ""}. ` +
        `A ${family} conversation alternates user and assistant; system messages and tools need chatglm3-6b or glm-4-9b.`,
    );
  });
  if (messages.length % 2 === 0) throw endsWrong(messages.at(-1)?.role, ["user"]);
  const texts = messages.map(({ content }) => content);
  const asked = Array.from({ length: (texts.length - 1) / 2 }, (_, i) => ({
    question: texts[2 * i] as string,
    answer: texts[2 * i + 1] as string,
  }));
  return { asked, question: texts.at(-1) as string };
}

/** What ChatGLM3 was trained to read before its tools; a message with text of its own says that instead. */
const OFFER3 = "Answer the following questions as best as you can. You have access to the following tools:";

/** ChatGLM3: tools are part of the message that offers them. */
function roles3<M extends Message>(tokenizer: Tokenizer, messages: readonly M[]): WrittenConversation<M> {
  const said = ({ content, tools }: M): string =>
    tools ? `${content === "" ? OFFER3 : content}\n${indented(tools)}` : content;
  return {
    start: [special(tokenizer, "[gMASK]"), special(tokenizer, "sop")],
    messages: messages.map((message) => ({ message, ids: messageIds(tokenizer, message, said(message)) })),
  };
}

/** GLM-4: tools are a system message of their own, before the message that offers them. */
function roles4<M extends Message>(tokenizer: Tokenizer, messages: readonly M[]): WrittenConversation<M> {
  return {
    start: [special(tokenizer, "[gMASK]"), special(tokenizer, "<sop>")],
    messages: messages.flatMap((message) => {
      const own = { message, ids: messageIds(tokenizer, message, message.content) };
      if (!message.tools) return [own];
      const offer = { message, ids: messageIds(tokenizer, { role: "system" }, offerOf(message.tools)) };
      return message.content === "" ? [offer] : [offer, own];
    }),
  };
}

/** A message is its role's token, a line of metadata, and the content. */
function messageIds(
  tokenizer: Tokenizer,
  { role, metadata = "" }: Pick<Message, "role" | "metadata">,
  content: string,
): number[] {
  return [
    special(tokenizer, `<|${role}|>`),
    ...tokenizer.encodePlain(`${metadata}\n`),
    ...tokenizer.encodePlain(content),
  ];
}

/** The ids of a conversation that waits for an answer. */
function asked(write: NonNullable<Template["written"]>): Template["ids"] {
  return (tokenizer, messages) => {
    const last = messages.at(-1)?.role;
    if (last === undefined || last === "assistant") throw endsWrong(last, ["user", "observation"]);
    const { start, messages: written } = write(tokenizer, messages);
    return [...start, ...written.flatMap(({ ids }) => ids), special(tokenizer, "<|assistant|>")];
  };
}

/** What GLM-4 was trained to read before it calls functions. */
function offerOf(tools: readonly unknown[]): string {
  const introduction =
    "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，" +
    "你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具";
  return tools.reduce<string>((text, tool, i) => {
    const { name, definition } = functionOf(tool, i);
    return `${text}\n\n## ${name}\n\n${indented(definition)}\n在调用上述函数时，请使用 Json 格式表示调用的参数。`;
  }, introduction);
}

/** A function as it is, or as `{ type: "function", function: ... }`. */
function functionOf(tool: unknown, index: number): { name: string; definition: unknown } {
  const { type = "function", function: definition = tool } = (tool ?? {}) as { type?: unknown; function?: unknown };
  const name = (definition as { name?: unknown } | null | undefined)?.name;
  if (type === "function" && typeof name === "string") return { name, definition };
  throw new GlmError(
    "option-invalid",
    `Tool ${index + 1}: expected a function with a name, got ${shownJson(tool)}. ` +
      'Describe it as { name, description, parameters }; GLM-4\'s own tools ("python", "simple_browser", "cogview") are not supported.',
  );
}

/** JSON as Python writes it with an indent of four, which the models were trained on. */
function indented(value: unknown): string {
  return JSON.stringify(value, null, 4);
}

function endsWrong(got: Role | undefined, expected: readonly Role[]): GlmError {
  return new GlmError(
    "option-invalid",
    `Conversation: expected its last message from ${expected.join(" or ")}, got ${got ?? "no message"}. Add the question to answer.`,
  );
}
