/** @file The shapes of a row in published data: flat ones and conversations. Every key is used, says nothing, or is refused. */
import { shownJson } from "../describe.ts";
import { type Fault, type Fields, listed, usesEveryKey } from "./keys.ts";
import { lastLearnt, type Row, type RowTurn } from "./row.ts";
import { isPlain, orderFault, outOfTurn, readTools, readTurns } from "./turns.ts";

/** The flat shapes, by the keys of question and answer. */
const FLAT = [
  ["prompt", "response"],
  ["instruction", "output"],
  ["content", "summary"],
  ["context", "target"],
] as const;

/** What other data call a question and its answer. */
const QUESTIONS: ReadonlySet<string> = new Set([
  ...["query", "question", "input", "problem", "human", "user", "prompt", "instruction"],
]);
const ANSWERS: ReadonlySet<string> = new Set([
  ...[
    "answer",
    "output",
    "completion",
    "reply",
    "target",
    "label",
    "solution",
    "assistant",
    "bot",
    "response",
    "chosen",
  ],
]);

/** Keys of a row that is a whole conversation. */
const ROW: ReadonlySet<string> = new Set(["prompt", "response", "turns"]);

export interface ShapeRules {
  /** Takes prompts without an answer, and bare text as a prompt. */
  readonly unanswered: boolean;
  /** Makes one row of a conversation, in place of one for each of its answers. */
  readonly whole: boolean;
}

/** The rows that one value stands for; none when it has a fault. */
export function readRow(value: unknown, rules: ShapeRules, fault: Fault): Row[] {
  const { unanswered } = rules;
  if (unanswered && typeof value === "string") return readRow({ prompt: value }, rules, fault);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fault(`expected an object such as {"prompt": "...", "response": "..."}, got ${shownJson(value)}`);
    return [];
  }
  const record = value as Fields;
  const key = ["messages", "conversations"].find((name) => record[name] !== undefined && record[name] !== null);
  if (key !== undefined) return readConversation(record, key, rules, fault);
  // A row that was read before: its turns say all that prompt and response do.
  if (Array.isArray(record.turns) && Object.keys(record).every((name) => ROW.has(name)))
    return readConversation({ messages: record.turns }, "messages", { ...rules, whole: true }, fault);
  const shape =
    FLAT.find(([question, answer]) => question in record && answer in record) ??
    FLAT.find(([question]) => unanswered && question in record && !hasAnswer(record)) ??
    // A key that is missing is named by what it is missed for.
    FLAT.find(([question, answer]) => answer in record && !keyAmong(record, QUESTIONS, [question, answer]));
  if (shape) return readFlat(record, shape, unanswered, fault);
  const known = FLAT.map(([question, answer]) => `{${question}, ${answer}}`).join(", ");
  const lists = Object.keys(record).filter((name) => isListOfObjects(record[name]));
  const within =
    lists.length === 1 ? ` If the rows are those under ${lists[0]}, write that list into a file of its own.` : "";
  fault(
    `expected ${known} or {messages}, got the keys ${listed(Object.keys(record)) || "of nothing"}.${renaming(record)}${within}`,
  );
  return [];
}

const isListOfObjects = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "object" && one !== null);

const hasAnswer = (record: Fields): boolean => Object.keys(record).some((key) => ANSWERS.has(key));

const keyAmong = (record: Fields, names: ReadonlySet<string>, but: readonly string[] = []): string | undefined =>
  Object.keys(record).find((key) => names.has(key.toLowerCase()) && !but.includes(key));

/** How keys of other names become known ones. */
function renaming(record: Fields): string {
  const question = keyAmong(record, QUESTIONS);
  const answer = keyAmong(record, ANSWERS, question === undefined ? [] : [question]);
  const pairs = [[question, "prompt"] as const, [answer, "response"] as const].filter(
    ([key, name]) => key !== undefined && key !== name,
  );
  if (pairs.length === 0) return "";
  const renamed = pairs.map(([key, name]) => `${key} to ${name}`).join(" and ");
  // Whoever maps columns names all that are read.
  const [from, to] = [question ?? "prompt", answer ?? "response"];
  return ` Rename ${renamed}, or choose the columns: --columns prompt=${from},response=${to} (columns: { prompt: "${from}", response: "${to}" }).`;
}

function readFlat(record: Fields, [question, answer]: (typeof FLAT)[number], unanswered: boolean, fault: Fault): Row[] {
  let faulty = false;
  const text = (key: string, optional: boolean): string => {
    const value = optional ? (record[key] ?? "") : record[key];
    if (typeof value === "string" && (optional || value.trim() !== "")) return value;
    faulty = true;
    const got = value === undefined ? "no such key" : shownJson(value);
    fault(`${key}: expected ${optional ? "text" : "text that is not empty"}, got ${got}`);
    return "";
  };
  const keys = [question, answer, ...(question === "instruction" ? ["input"] : []), "system", "history"];
  if (!usesEveryKey(record, keys, fault)) return [];
  const prompt = text(question, false);
  const input = question === "instruction" ? text("input", true) : "";
  const system = text("system", true);
  const response = text(answer, unanswered);
  const history = readHistory(record.history ?? [], fault);
  if (faulty || !history) return [];
  return [row(input === "" ? prompt : `${prompt}\n${input}`, response, system, history)];
}

/**
 * Earlier rounds, as ChatGLM and ChatGLM2 write them, [[question, answer], ...], or as ChatGLM3 and GLM-4 do,
 * [{role, content}, ...] with user and assistant in turn.
 */
function readHistory(value: unknown, fault: Fault): [string, string][] | undefined {
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string");
  if (Array.isArray(value) && value.every(isPair)) return value.map(([question, answer]) => [question, answer]);
  const isTurn = (turn: unknown): boolean => typeof turn === "object" && turn !== null && !Array.isArray(turn);
  if (Array.isArray(value) && value.every(isTurn) && value.length % 2 === 0) {
    const turns = readTurns(value, (text) => fault(`history: ${text}`));
    if (!turns) return undefined;
    if (isPlain(turns) && outOfTurn(turns) < 0) return rounds(turns);
  }
  fault(
    `history: expected [[question, answer], ...] or {role, content} of user and assistant in turn, got ${shownJson(value)}`,
  );
  return undefined;
}

function readConversation(record: Fields, key: string, { unanswered, whole }: ShapeRules, fault: Fault): Row[] {
  const fail = (text: string): Row[] => {
    fault(text);
    return [];
  };
  const value = record[key];
  if (!Array.isArray(value) || value.length === 0)
    return fail(`${key}: expected a list of {role, content}, got ${shownJson(value)}`);
  if (!usesEveryKey(record, [key, "system", "history", "tools"], fault)) return [];
  const turns = readTurns(value, fault);
  const history = readHistory(record.history ?? [], fault);
  const tools = readTools(record.tools, fault);
  if (!turns || !history || !tools) return [];
  const beside = record.system ?? "";
  if (typeof beside !== "string") return fail(`system: expected text, got ${shownJson(beside)}`);
  const own = turns[0]?.role === "system" ? turns[0].content : undefined;
  if (own !== undefined && beside !== "" && own !== beside)
    return fail(`system: expected it beside the turns or as the first of them, got both. Leave one of them out`);
  if (whole || tools.length > 0 || !isPlain(turns)) {
    const start = turns.findIndex(({ role }) => role !== "system");
    const [systems, said] = start < 0 ? [turns, []] : [turns.slice(0, start), turns.slice(start)];
    const all: RowTurn[] = [
      // ChatGLM3's own scripts put the tools before everything.
      ...(tools.length > 0 ? [{ role: "system" as const, content: "", tools }] : []),
      ...(own === undefined && beside !== "" ? [{ role: "system" as const, content: beside }] : []),
      ...systems,
      ...history.flatMap(([question, answer]): RowTurn[] => [
        { role: "user", content: question },
        { role: "assistant", content: answer, loss: false },
      ]),
      ...said,
    ];
    return wholeConversation(all, unanswered, fail);
  }
  return roundByRound(own === undefined ? turns : turns.slice(1), {
    ...{ system: own ?? beside, history, unanswered, fail, length: value.length },
  });
}

/** One row for each answer, with what came before it as its history. */
function roundByRound(
  turns: readonly RowTurn[],
  given: {
    readonly system: string;
    readonly history: readonly [string, string][];
    readonly unanswered: boolean;
    readonly length: number;
    fail(text: string): Row[];
  },
): Row[] {
  const { system, history, unanswered, fail } = given;
  const wrong = outOfTurn(turns);
  if (wrong >= 0) {
    const place = given.length - turns.length + wrong + 1;
    return fail(`turn ${place}: expected user and assistant in turn, starting with user, got ${turns[wrong]?.role}`);
  }
  if (turns.length % 2 === 1) {
    if (!unanswered) return fail("expected an assistant's turn at the end, got user's");
    return [row(turns.at(-1)?.content ?? "", "", system, [...history, ...rounds(turns.slice(0, -1))])];
  }
  if (turns.length === 0) return fail("expected a user's and an assistant's turn, got only system's");
  const before = [...history];
  const rows = rounds(turns).flatMap(([question, answer], i) => {
    const learnt = turns[2 * i + 1]?.loss === false ? [] : [row(question, answer, system, [...before])];
    before.push([question, answer]);
    return learnt;
  });
  return rows.length > 0 ? rows : fail("expected an assistant's turn that is learnt, got loss: false at each");
}

/** One row that is read, and learnt, as a whole. */
function wholeConversation(turns: readonly RowTurn[], unanswered: boolean, fail: (text: string) => Row[]): Row[] {
  const fault = orderFault(turns);
  if (fault !== undefined) return fail(`turns: ${fault}`);
  const asks = turns.at(-1)?.role === "user" || turns.at(-1)?.role === "observation";
  const last = unanswered && asks ? turns.length : lastLearnt(turns);
  const question = turns.slice(0, Math.max(last, 0)).findLast(({ role }) => role === "user");
  if (question === undefined) {
    const isSilent = turns.some(({ role }) => role === "assistant");
    return fail(
      isSilent
        ? "expected an assistant's turn that is learnt, got loss: false at each"
        : "expected a user's and an assistant's turn, got no answer",
    );
  }
  if (turns.at(-1)?.role === "user" && !unanswered) return fail("expected an assistant's turn at the end, got user's");
  return [{ prompt: question.content, response: turns[last]?.content ?? "", turns }];
}

/** Turns of user and assistant as pairs. */
function rounds(turns: readonly RowTurn[]): [string, string][] {
  return Array.from({ length: Math.floor(turns.length / 2) }, (_, i) => [
    turns[2 * i]?.content ?? "",
    turns[2 * i + 1]?.content ?? "",
  ]);
}

function row(prompt: string, response: string, system: string, history: readonly (readonly [string, string])[]): Row {
  return { prompt, response, ...(system !== "" && { system }), ...(history.length > 0 && { history }) };
}
