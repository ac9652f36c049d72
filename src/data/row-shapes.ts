/** @file The shapes of a row in published data: flat ones and conversations. Every key is used, says nothing, or is refused. */
import { shownJson } from "../describe.ts";
import { nearest } from "../suggestion.ts";
import type { Row } from "./row.ts";

/** Tells what is wrong with a row. */
type Fault = (text: string) => void;

type Fields = Readonly<Record<string, unknown>>;

/** Keys that tell rows apart or say where they come from: nothing of them is learnt, whatever they hold. */
const NOTES: ReadonlySet<string> = new Set([
  ...["id", "idx", "index", "uid", "uuid", "source", "dataset", "category", "lang", "language", "split", "url"],
]);

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

/**
 * The rows that one value stands for; none when it has a fault.
 * @param unanswered takes prompts without an answer, and bare text as a prompt
 */
export function readRow(value: unknown, unanswered: boolean, fault: Fault): Row[] {
  if (unanswered && typeof value === "string") return readRow({ prompt: value }, true, fault);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fault(`expected an object such as {"prompt": "...", "response": "..."}, got ${shownJson(value)}`);
    return [];
  }
  const record = value as Fields;
  const key = ["messages", "conversations"].find((name) => record[name] !== undefined && record[name] !== null);
  if (key !== undefined) return readConversation(record, key, unanswered, fault);
  const shape =
    FLAT.find(([question, answer]) => question in record && answer in record) ??
    FLAT.find(([question]) => unanswered && question in record && !hasAnswer(record)) ??
    // A key that is missing is named by what it is missed for.
    FLAT.find(([question, answer]) => answer in record && !keyAmong(record, QUESTIONS, [question, answer]));
  if (shape) return readFlat(record, shape, unanswered, fault);
  const known = FLAT.map(([question, answer]) => `{${question}, ${answer}}`).join(", ");
  fault(
    `expected ${known} or {messages}, got the keys ${listed(Object.keys(record)) || "of nothing"}.${renaming(record)}`,
  );
  return [];
}

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
  return pairs.length === 0 ? "" : ` Rename ${pairs.map(([key, name]) => `${key} to ${name}`).join(" and ")}.`;
}

function readFlat(record: Fields, [question, answer]: (typeof FLAT)[number], unanswered: boolean, fault: Fault): Row[] {
  let faulty = false;
  const text = (key: string, optional: boolean): string => {
    const value = record[key] ?? (optional ? "" : undefined);
    if (typeof value === "string" && (optional || value.trim() !== "")) return value;
    faulty = true;
    fault(`${key}: expected ${optional ? "text" : "text that is not empty"}, got ${shownJson(value)}`);
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

/** Whether every key of a row or a turn is one of these, a note, or holds nothing; tells of the others. */
function usesEveryKey(record: Fields, keys: readonly string[], fault: Fault, where = ""): boolean {
  const strange = Object.entries(record).filter(
    ([key, value]) => !keys.includes(key) && !NOTES.has(key) && !isNothing(value),
  );
  if (strange.length === 0) return true;
  const names = strange.map(([key]) => key);
  const [said, them] = names.length === 1 ? ["it says", "it"] : ["they say", "them"];
  const meant = names.length === 1 ? nearest(names[0] as string, keys) : undefined;
  fault(
    `${where}${listed(names)}: expected no keys but ${listed(keys)}, got ${shownJson(strange[0]?.[1])}. ` +
      (meant === undefined
        ? `What ${said} would not be learnt: remove ${them}, or rename what is meant.`
        : `Did you mean ${meant}?`),
  );
  return false;
}

/** What data sets put where there is nothing to say. */
function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

const listed = (names: readonly string[]): string => names.slice(0, 12).join(", ") + (names.length > 12 ? ", ..." : "");

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
    if (outOfTurn(turns) < 0) return rounds(turns);
  }
  fault(
    `history: expected [[question, answer], ...] or {role, content} of user and assistant in turn, got ${shownJson(value)}`,
  );
  return undefined;
}

interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  /** Whether an assistant's turn is learnt. */
  readonly learnt: boolean;
}

const ROLES: ReadonlyMap<unknown, Turn["role"]> = new Map([
  ["system", "system"],
  ["user", "user"],
  ["human", "user"],
  ["assistant", "assistant"],
  ["gpt", "assistant"],
]);

function readConversation(record: Fields, key: string, unanswered: boolean, fault: Fault): Row[] {
  const fail = (text: string): Row[] => {
    fault(text);
    return [];
  };
  const value = record[key];
  if (!Array.isArray(value) || value.length === 0)
    return fail(`${key}: expected a list of {role, content}, got ${shownJson(value)}`);
  if (!usesEveryKey(record, [key, "system", "history"], fault)) return [];
  const turns = readTurns(value, fault);
  const history = readHistory(record.history ?? [], fault);
  if (!turns || !history) return [];
  const own = turns[0]?.role === "system" ? turns.shift()?.content : undefined;
  const beside = record.system ?? undefined;
  if (beside !== undefined && typeof beside !== "string")
    return fail(`system: expected text, got ${shownJson(beside)}`);
  if (own !== undefined && beside !== undefined && beside !== "" && own !== beside)
    return fail(`system: expected it beside the turns or as the first of them, got both. Leave one of them out`);
  const system = own ?? beside ?? "";
  const wrong = outOfTurn(turns);
  if (wrong >= 0) {
    const place = value.length - turns.length + wrong + 1;
    return fail(`turn ${place}: expected user and assistant in turn, starting with user, got ${turns[wrong]?.role}`);
  }
  if (turns.length % 2 === 1) {
    if (!unanswered) return fail("expected an assistant's turn at the end, got user's");
    return [row(turns.at(-1)?.content ?? "", "", system, [...history, ...rounds(turns.slice(0, -1))])];
  }
  if (turns.length === 0) return fail("expected a user's and an assistant's turn, got only system's");
  const before = [...history];
  const rows = rounds(turns).flatMap(([question, answer], i) => {
    const learnt = turns[2 * i + 1]?.learnt ? [row(question, answer, system, [...before])] : [];
    before.push([question, answer]);
    return learnt;
  });
  return rows.length > 0 ? rows : fail("expected an assistant's turn that is learnt, got loss: false at each");
}

/** Turns as the data have them; undefined when one has a fault. */
function readTurns(items: readonly unknown[], fault: Fault): Turn[] | undefined {
  const turns: Turn[] = [];
  for (const [i, item] of items.entries()) {
    const record = (typeof item === "object" && item !== null ? item : {}) as Fields;
    const [role, content] = [record.role ?? record.from, record.content ?? record.value];
    const who = ROLES.get(role);
    if (!who || typeof content !== "string" || content.trim() === "") {
      fault(
        `turn ${i + 1}: expected {role: system, user or assistant, content: text that is not empty}, got ${shownJson(item)}`,
      );
      return undefined;
    }
    const keys = ["role", "from", "content", "value", "loss"];
    if (!usesEveryKey(record, keys, fault, `turn ${i + 1}: `)) return undefined;
    const loss = record.loss ?? true;
    if (typeof loss !== "boolean" || (loss && record.loss !== undefined && who !== "assistant")) {
      const expected = who === "assistant" ? "true or false" : "false, since only an assistant's turns are learnt";
      fault(`turn ${i + 1}: loss: expected ${expected}, got ${shownJson(record.loss)}`);
      return undefined;
    }
    turns.push({ role: who, content, learnt: loss });
  }
  return turns;
}

/** The place of the first turn that is not the user's or the assistant's in turn; -1 when all are. */
const outOfTurn = (turns: readonly Turn[]): number =>
  turns.findIndex(({ role }, i) => role !== (i % 2 === 0 ? "user" : "assistant"));

/** Turns of user and assistant as pairs. */
function rounds(turns: readonly Turn[]): [string, string][] {
  return Array.from({ length: Math.floor(turns.length / 2) }, (_, i) => [
    turns[2 * i]?.content ?? "",
    turns[2 * i + 1]?.content ?? "",
  ]);
}

function row(prompt: string, response: string, system: string, history: readonly (readonly [string, string])[]): Row {
  return { prompt, response, ...(system !== "" && { system }), ...(history.length > 0 && { history }) };
}
