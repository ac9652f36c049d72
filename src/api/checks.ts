/**
 * @file What callers hand to a loaded model or to a method, checked before anything is done with it: values that are one thing by their
 * rules, structures by their schemas. Options that have defaults have their rules in options.ts.
 */

import { adapterFormats } from "../adapters/formats.ts";
import { shownJson } from "../describe.ts";
import { mergedForms } from "../engine/engine.ts";
import { suggestion } from "../suggestion.ts";
import { totalStep } from "./defaults.ts";
import { ADAPTER, isAdapter, type StructureName, schemas } from "./schemas.ts";

/** Faults of one structure that are told: a list of a thousand wrong items is wrong in one way. */
const SHOWN = 5;

interface Rule {
  readonly expected: string;
  allows(value: unknown): boolean;
}

const isText = (value: unknown): boolean => typeof value === "string";
const areNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "");

const call: Rule = { expected: "a function", allows: (value) => typeof value === "function" };
const yesOrNo: Rule = { expected: "true or false", allows: (value) => typeof value === "boolean" };

type PlainName =
  | ("question" | "folder" | "system" | "adapter" | "signal" | "onProgress" | "onAnswers" | "onDone" | "sum" | "save")
  | (
      | "share"
      | "replace"
      | "create"
      | "resume"
      | "rankStabilized"
      | "totalStep"
      | "targets"
      | "match"
      | "bias"
      | "format"
    )
  | ("dora" | "modulesToSave" | "init" | "quantized");

/** As their schemas; ids and a history have two each. */
type StructureKey = Exclude<StructureName, "idRows" | "pairs"> | "ids" | "history";

type Name = PlainName | StructureKey;

/** Values that are one thing. */
const rules: Readonly<Record<PlainName, Rule>> = {
  question: { expected: "the question as a string", allows: isText },
  folder: { expected: "a folder's path", allows: (value) => typeof value === "string" && value.trim() !== "" },
  system: { expected: "text", allows: isText },
  adapter: { expected: ADAPTER, allows: isAdapter },
  sum: { expected: 'a sum of adapters such as "a + 0.5*b"', allows: (value) => isText(value) && value !== "" },
  quantized: {
    expected: mergedForms.map((form) => JSON.stringify(form)).join(" or "),
    allows: (value) => mergedForms.some((form) => form === value),
  },
  signal: { expected: "an AbortSignal", allows: (value) => value instanceof AbortSignal },
  save: {
    expected: 'a file such as "scores.json"',
    allows: (value) => typeof value === "string" && value.trim() !== "",
  },
  onProgress: call,
  onAnswers: call,
  onDone: call,
  share: yesOrNo,
  resume: yesOrNo,
  replace: yesOrNo,
  create: yesOrNo,
  rankStabilized: yesOrNo,
  totalStep,
  targets: {
    expected: 'a list of module names such as ["query_key_value"], a regular expression, or "all-linear"',
    allows: (value) => (typeof value === "string" ? value !== "" : areNames(value) && value.length > 0),
  },
  dora: yesOrNo,
  modulesToSave: { expected: 'a list of module names such as ["input_layernorm"]', allows: areNames },
  init: { expected: '"kaiming" or "gaussian"', allows: (value) => value === "kaiming" || value === "gaussian" },
  format: {
    expected: adapterFormats.map((format) => JSON.stringify(format)).join(" or "),
    allows: (value) => adapterFormats.some((format) => format === value),
  },
  match: { expected: 'a list of parts of names such as ["layernorm"]', allows: areNames },
  bias: {
    expected: '"none" or "all" or "lora_only"',
    allows: (value) => value === "none" || value === "all" || value === "lora_only",
  },
};

function schemaOf(name: StructureKey, value: unknown): StructureName {
  const first: unknown = Array.isArray(value) ? value[0] : undefined;
  if (name === "ids") return Array.isArray(first) ? "idRows" : "idRow";
  if (name === "history")
    return typeof first === "object" && first !== null && !Array.isArray(first) ? "messages" : "pairs";
  return name;
}

/** What may not be left out. */
const NEEDED: ReadonlySet<Name> = new Set([
  ...(["question", "folder", "sum", "messages", "questions", "adapters", "batch", "tensors", "idRow", "ids"] as const),
]);

export type Checked = { readonly [K in Name]?: unknown };

/** Everything that is wrong with the given values, each fault with its place: "history[0][1]: expected text, got null." */
export function faultsOf(values: Checked): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const name = key as Name;
    if (value === undefined && !NEEDED.has(name)) return [];
    if (!isPlain(name)) return structureFaults(name, value, values);
    const { expected, allows } = rules[name];
    return allows(value) ? [] : [`${name}: expected ${expected}, got ${shownJson(value)}.`];
  });
}

const isPlain = (name: Name): name is PlainName => name in rules;

function structureFaults(name: StructureKey, value: unknown, all: Checked): string[] {
  // One row, where several would not do.
  const place = name === "idRow" ? "ids" : name;
  const found = schemas()[schemaOf(name, value)].safeParse(value);
  if (!found.success) {
    const { issues } = found.error;
    const more = issues.length > SHOWN ? [`${place}: and ${issues.length - SHOWN} more of its kind.`] : [];
    return [...issues.slice(0, SHOWN).flatMap((issue) => told(place, value, issue)), ...more];
  }
  const begins = name === "history" && Array.isArray(value) && (value[0] as { role?: unknown } | undefined)?.role;
  return begins === "system" && all.system !== undefined
    ? ["system: is given twice, as the option and as the first message of history. Leave one of them out."]
    : [];
}

/** Keys that a message and a batch have. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  message: ["role", "content", "metadata", "tools"],
  batch: ["inputIds", "labels"],
};

const remedies: Readonly<Record<string, (got: unknown) => string>> = {
  stop: (got) => (typeof got === "number" ? ` Put it in brackets: [${got}].` : ""),
  questions: (got) => (typeof got === "string" ? " Put a single one in brackets." : ""),
  messages: (got) => (typeof got === "string" ? ' A question is [{ role: "user", content: "..." }].' : ""),
};

interface Issue {
  readonly code?: string | undefined;
  readonly message: string;
  readonly path: readonly PropertyKey[];
  readonly keys?: readonly string[] | undefined;
}

function told(name: string, value: unknown, { message, path, keys }: Issue): string[] {
  const place = name + path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  if (keys) {
    const what = name === "batch" ? "batch" : "message";
    return keys.map((key) => `${place}: there is no ${key} in a ${what}.${suggestion(key, KEYS[what] ?? [])}`);
  }
  const got = path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], value);
  const remedy = path.length === 0 ? (remedies[name]?.(got) ?? "") : "";
  return [`${place}: ${message}, got ${shownJson(got)}.${remedy}`];
}
