/** @file The turns of a conversation as published data write them: messages, ShareGPT's, and the tools of ChatGLM3 and GLM-4. */
import { shownJson } from "../describe.ts";
import { plural } from "../plural.ts";
import type { Role } from "../text/prompt.ts";
import { type Fault, type Fields, usesEveryKey } from "./keys.ts";
import { pythonCall, pythonJson } from "./python-text.ts";
import type { RowTurn } from "./row.ts";

const ROLES: ReadonlyMap<unknown, Role> = new Map([
  ["system", "system"],
  ["user", "user"],
  ["human", "user"],
  ["assistant", "assistant"],
  ["gpt", "assistant"],
  ["observation", "observation"],
]);

/** Keys of a turn by the role that it has: only an assistant's is learnt and calls tools, only a system's offers them. */
const OWN_KEYS: Readonly<Record<Role, readonly string[]>> = {
  system: ["tools"],
  user: [],
  assistant: ["metadata"],
  observation: [],
};

/** Turns as the data have them; undefined when one has a fault. A call of ChatGLM3's comes to two: what is called, and what it gave. */
export function readTurns(items: readonly unknown[], fault: Fault): RowTurn[] | undefined {
  const turns: RowTurn[] = [];
  for (const [i, item] of items.entries()) {
    const record = (typeof item === "object" && item !== null ? item : {}) as Fields;
    const tell = (text: string): void => fault(`turn ${i + 1}: ${text}`);
    const role = record.role ?? record.from;
    const read = role === "tool" ? readCall(record, tell) : readTurn(record, ROLES.get(role), item, tell);
    if (!read) return undefined;
    turns.push(...read);
  }
  return turns;
}

function readTurn(record: Fields, role: Role | undefined, item: unknown, tell: Fault): RowTurn[] | undefined {
  const tools = role === "system" ? readTools(record.tools, tell) : [];
  if (!tools) return undefined;
  const content = record.content ?? record.value;
  const mayBeEmpty = role === "observation" || tools.length > 0;
  if (record.tool_calls !== undefined && record.tool_calls !== null) {
    tell(
      "tool_calls: calls in OpenAI's form are not read. Write a call as {role: \"assistant\", metadata: the tool's name, content: its " +
        'arguments}, and what it gave as {role: "observation", content}.',
    );
    return undefined;
  }
  if (role && Array.isArray(content)) {
    tell(`content: expected text, got a list of ${plural(content.length, "part")}. Write their text as one.`);
    return undefined;
  }
  if (!role || typeof content !== "string" || (content.trim() === "" && !mayBeEmpty)) {
    tell(
      `expected {role: system, user, assistant, observation or tool, content: text that is not empty}, got ${shownJson(item)}`,
    );
    return undefined;
  }
  const keys = ["role", "from", "content", "value", "loss", ...OWN_KEYS[role]];
  if (!usesEveryKey(record, keys, tell)) return undefined;
  const metadata = role === "assistant" ? (record.metadata ?? "") : "";
  if (typeof metadata !== "string" || metadata.includes("\n")) {
    tell(`metadata: expected one line of text, such as the name of a tool, got ${shownJson(metadata)}`);
    return undefined;
  }
  const loss = readLoss(record, role === "assistant", tell);
  if (loss === undefined) return undefined;
  return [
    {
      ...{ role, content },
      ...(metadata !== "" && { metadata }),
      ...(tools.length > 0 && { tools }),
      ...(role === "assistant" && !loss && { loss }),
    },
  ];
}

/** Whether a turn is learnt; undefined where that cannot be said. */
function readLoss(record: Fields, isLearnt: boolean, tell: Fault): boolean | undefined {
  const loss = record.loss ?? isLearnt;
  if (typeof loss === "boolean" && (!loss || isLearnt)) return loss;
  const expected = isLearnt ? "true or false" : "false, since only an assistant's turns are learnt";
  tell(`loss: expected ${expected}, got ${shownJson(record.loss)}`);
  return undefined;
}

/** A turn of ChatGLM3's own data: `{role: "tool", name, parameters, observation}`. */
function readCall(record: Fields, tell: Fault): RowTurn[] | undefined {
  const { name, parameters, observation } = record;
  const isSound =
    typeof name === "string" &&
    /^\S[^\n]*$/.test(name) &&
    typeof parameters === "object" &&
    parameters !== null &&
    !Array.isArray(parameters) &&
    observation !== undefined;
  if (!isSound) {
    tell(`expected {role: tool, name, parameters: {name: value, ...}, observation}, got ${shownJson(record)}`);
    return undefined;
  }
  if (!usesEveryKey(record, ["role", "from", "name", "parameters", "observation", "loss"], tell)) return undefined;
  const loss = readLoss(record, true, tell);
  if (loss === undefined) return undefined;
  const call = `\`\`\`python\n${pythonCall("tool_call", parameters as Fields)}\n\`\`\``;
  const given = typeof observation === "string" ? observation : pythonJson(observation);
  return [
    { role: "assistant", metadata: name, content: call, ...(!loss && { loss }) },
    { role: "observation", content: given },
  ];
}

/** Tools as a list, or as the JSON of one; none where nothing is said. */
export function readTools(value: unknown, fault: Fault): readonly unknown[] | undefined {
  if (value === undefined || value === null || value === "") return [];
  const tools = typeof value === "string" ? parsed(value) : value;
  if (Array.isArray(tools)) return tools;
  fault(`tools: expected a list of tools such as [{name, description, parameters}], got ${shownJson(value)}`);
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether pairs of questions and answers say all of it. */
export const isPlain = (turns: readonly RowTurn[]): boolean =>
  turns.every(({ role, metadata, tools }) => role !== "observation" && metadata === undefined && tools === undefined);

/** The place of the first turn that is not the user's or the assistant's in turn; -1 when all are. */
export const outOfTurn = (turns: readonly RowTurn[]): number =>
  turns.findIndex(({ role }, i) => role !== (i % 2 === 0 ? "user" : "assistant"));

/** After what each role may speak; undefined is the start. The published format has it so. */
const AFTER: Readonly<Record<Role, readonly (Role | undefined)[]>> = {
  system: [undefined, "system"],
  user: [undefined, "system", "assistant", "observation"],
  assistant: ["user", "assistant", "observation"],
  observation: ["assistant"],
};

/** What is wrong with the order of a conversation with tools; undefined when nothing is. */
export function orderFault(turns: readonly RowTurn[]): string | undefined {
  for (const [i, { role }] of turns.entries()) {
    const before = turns[i - 1]?.role;
    if (AFTER[role].includes(before)) continue;
    const may = AFTER[role].filter((one) => one !== undefined).join(", ");
    return `expected ${role} only after ${may}, got it ${before === undefined ? "first" : `after ${before}`}`;
  }
  return undefined;
}
