/** @file Reading training rows: the shapes that published data sets have, one report for everything that is wrong. */
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { fileText, readJson } from "../json-lines.ts";
import type { Row } from "./dataset.ts";

/** A round of a conversation, or what came before it. ShareGPT's {from, value} is understood too. */
export interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What a row may look like. `history` and `system` may stand beside the first four. */
export type RowInput =
  | Row
  | { readonly instruction: string; readonly input?: string; readonly output: string }
  | { readonly content: string; readonly summary: string }
  | { readonly context: string; readonly target: string }
  | { readonly messages: readonly Turn[] }
  | { readonly conversations: readonly Turn[] };

export interface RowRules {
  /** What the rows come from, for messages: "the data set", a file. */
  readonly subject?: string;
  /** Accepts prompts without an answer (as rows with an empty response) and bare strings as prompts. */
  readonly unanswered?: boolean;
}

/** A value with its place: "row 3", "line 7". */
interface Placed {
  readonly place: string;
  readonly value: unknown;
}

/** Faults listed in one report: a wrong format makes every row wrong. */
const maxFaults = 10;

/**
 * Checks rows and brings them into one shape. A conversation of several rounds becomes one row for each answer, with
 * what came before as its history, so that every answer is learned.
 * @throws GlmError "data-invalid" with every row that cannot be used
 */
export function toRows(values: readonly unknown[], rules: RowRules = {}): Row[] {
  return readPlaced(
    values.map((value, i) => ({ place: `row ${i + 1}`, value })),
    [],
    rules,
  );
}

/**
 * Reads rows from text: a JSON array, one JSON object, or JSON lines.
 * @throws GlmError "data-invalid" with every row that cannot be used
 */
export function parseRows(text: string, rules: RowRules = {}): Row[] {
  const read = readJson(text);
  if (read.form === "broken array") throw invalid(rules, [`the JSON array cannot be read: ${read.why}`]);
  if (read.form === "json") {
    return toRows(
      read.values.map(({ value }) => value),
      rules,
    );
  }
  const faults = read.faults.map(
    ({ line, text: written, why }) => `line ${line}: expected a JSON object, got ${shownJson(written)} (${why})`,
  );
  const placed = read.values.map(({ value, line }) => ({ place: `line ${line}`, value }));
  return readPlaced(placed, faults, rules);
}

/** Reads rows from a file of JSON or JSON lines. */
export async function readRows(path: string, rules: Omit<RowRules, "subject"> = {}): Promise<Row[]> {
  return parseRows(await fileText(path, "a file of training rows"), { ...rules, subject: path });
}

function readPlaced(placed: readonly Placed[], faults: string[], rules: RowRules): Row[] {
  const rows = placed.flatMap(({ place, value }) =>
    readRow(value, rules.unanswered ?? false, (text) => faults.push(`${place}: ${text}`)),
  );
  if (faults.length > 0) throw invalid(rules, faults);
  if (rows.length === 0) {
    throw new GlmError(
      "data-invalid",
      `${rules.subject ?? "The data set"} is empty: expected at least one row such as {"prompt": "...", "response": "..."}.`,
    );
  }
  return rows;
}

/** The flat shapes, by the keys of question and answer. */
const flatShapes = [
  ["prompt", "response"],
  ["instruction", "output"],
  ["content", "summary"],
  ["context", "target"],
] as const;

/** The rows that one value stands for; none when it has a fault. */
function readRow(value: unknown, unanswered: boolean, fault: (text: string) => void): Row[] {
  if (unanswered && typeof value === "string") return readRow({ prompt: value }, true, fault);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fault(`expected an object such as {"prompt": "...", "response": "..."}, got ${shownJson(value)}`);
    return [];
  }
  const record = value as Record<string, unknown>;
  const turns = record.messages ?? record.conversations;
  if (turns !== undefined) return readConversation(turns, unanswered, fault);
  const shape =
    flatShapes.find(([, answer]) => answer in record) ??
    (unanswered ? flatShapes.find(([question]) => question in record) : undefined);
  if (!shape) {
    const known = flatShapes.map(([question, answer]) => `{${question}, ${answer}}`).join(", ");
    fault(`expected ${known} or {messages}, got the keys ${Object.keys(record).join(", ") || "of nothing"}`);
    return [];
  }
  return readFlat(record, shape, unanswered, fault);
}

function readFlat(
  record: Record<string, unknown>,
  [question, answer]: (typeof flatShapes)[number],
  unanswered: boolean,
  fault: (text: string) => void,
): Row[] {
  let faulty = false;
  const text = (key: string, optional: boolean): string => {
    const value = record[key] ?? (optional ? "" : undefined);
    if (typeof value === "string" && (optional || value.trim() !== "")) return value;
    faulty = true;
    fault(`${key}: expected ${optional ? "text" : "text that is not empty"}, got ${shownJson(value)}`);
    return "";
  };
  const prompt = text(question, false);
  const input = question === "instruction" ? text("input", true) : "";
  const system = text("system", true);
  const response = text(answer, unanswered);
  const history = readHistory(record.history ?? [], fault);
  if (faulty || !history) return [];
  return [row(input === "" ? prompt : `${prompt}\n${input}`, response, system, history)];
}

function readHistory(value: unknown, fault: (text: string) => void): [string, string][] | undefined {
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string");
  if (Array.isArray(value) && value.every(isPair)) return value.map(([question, answer]) => [question, answer]);
  fault(`history: expected [[question, answer], ...], got ${shownJson(value)}`);
  return undefined;
}

const roles: ReadonlyMap<unknown, Turn["role"]> = new Map([
  ["system", "system"],
  ["user", "user"],
  ["human", "user"],
  ["assistant", "assistant"],
  ["gpt", "assistant"],
]);

function readConversation(value: unknown, unanswered: boolean, fault: (text: string) => void): Row[] {
  const fail = (text: string): Row[] => {
    fault(text);
    return [];
  };
  if (!Array.isArray(value) || value.length === 0)
    return fail(`expected a list of {role, content}, got ${shownJson(value)}`);
  const turns: Turn[] = [];
  for (const [i, item] of value.entries()) {
    const {
      role,
      from,
      content,
      value: said,
    } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
    const who = roles.get(role ?? from);
    const text = content ?? said;
    if (!who || typeof text !== "string" || text.trim() === "") {
      return fail(
        `turn ${i + 1}: expected {role: system, user or assistant, content: text that is not empty}, got ${shownJson(item)}`,
      );
    }
    turns.push({ role: who, content: text });
  }
  const system = turns[0]?.role === "system" ? (turns.shift()?.content ?? "") : "";
  const wrong = turns.findIndex(({ role }, i) => role !== (i % 2 === 0 ? "user" : "assistant"));
  if (wrong >= 0) {
    return fail(
      `turn ${value.length - turns.length + wrong + 1}: expected user and assistant in turn, starting with user, got ${turns[wrong]?.role}`,
    );
  }
  const rows: Row[] = [];
  const history: [string, string][] = [];
  for (let i = 0; i + 1 < turns.length; i += 2) {
    const [question, answer] = [turns[i]?.content ?? "", turns[i + 1]?.content ?? ""];
    rows.push(row(question, answer, system, [...history]));
    history.push([question, answer]);
  }
  if (turns.length % 2 === 1) {
    if (!unanswered) return fail("expected an assistant's turn at the end, got user's");
    return [row(turns.at(-1)?.content ?? "", "", system, history)];
  }
  return rows.length > 0 ? rows : fail("expected a user's and an assistant's turn, got only system's");
}

function row(prompt: string, response: string, system: string, history: readonly (readonly [string, string])[]): Row {
  return { prompt, response, ...(system !== "" && { system }), ...(history.length > 0 && { history }) };
}

function invalid({ subject = "The data set" }: RowRules, faults: readonly string[]): GlmError {
  const shown = faults.slice(0, maxFaults).map((fault) => `\n- ${fault}`);
  if (faults.length > maxFaults) shown.push(`\n- and ${faults.length - maxFaults} more`);
  return new GlmError("data-invalid", `${subject} cannot be used; correct or remove these rows:${shown.join("")}`);
}
