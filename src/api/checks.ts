/**
 * @file What callers hand to a loaded model or to a method, checked by schemas before anything is done with it. Numbers and switches have
 * their rules in options.ts. The library of schemas takes longer to load than all of this one: it comes with the first value
 * that needs it, so that a plain question does not wait.
 */
import { createRequire } from "node:module";
import type * as zod from "zod";
import { shownJson } from "../describe.ts";
import { suggestion } from "../suggestion.ts";

/** Faults of one value that are told. */
const SHOWN = 5;

const MESSAGE_KEYS = ["role", "content", "metadata", "tools"];
const BATCH_KEYS = ["inputIds", "labels"];

/** What values are called in messages. */
type Name =
  | "question"
  | "questions"
  | "messages"
  | "ids"
  | "batch"
  | "tensors"
  | "idRow"
  | "history"
  | "system"
  | "stop"
  | "adapter"
  | "adapters"
  | "signal"
  | "onProgress"
  | "onAnswers"
  | "onDone"
  | "share"
  | "replace"
  | "create"
  | "folder"
  | "targets"
  | "match"
  | "bias"
  | "rankStabilized"
  | "rankPattern"
  | "alphaPattern";

/** Schemas by name; `messages` and `idRows` are the second forms that a history and ids have. */
interface Schemas {
  readonly checks: Readonly<Record<Name, zod.ZodType>>;
  readonly idRows: zod.ZodType;
}

type Z = typeof zod.z;

let made: Schemas | undefined;

/** Synchronously: a call that is wrong is refused where it is made, not where its answer is read. */
function schemas(): Schemas {
  made ??= makeSchemas((createRequire(import.meta.url)("zod") as typeof zod).z);
  return made;
}

function makeSchemas(z: Z): Schemas {
  const expected = (what: string) => ({ error: `expected ${what}` });

  const roles = ["system", "user", "assistant", "observation"] as const;

  const text = z.string(expected("text"));
  const written = text.refine((value) => value.trim() !== "", expected("text that is not empty"));
  const message = z.strictObject(
    {
      role: z.enum(roles, expected(roles.map((role) => JSON.stringify(role)).join(" or "))),
      content: text,
      metadata: text.optional(),
      tools: z.array(z.unknown(), expected("a list of tools")).optional(),
    },
    expected("{ role, content }"),
  );
  const messages = z.array(message, expected("a list of { role, content }"));
  const pairs = z.array(
    z.tuple([text, text], expected("[question, answer]")),
    expected("[[question, answer], ...] or [{ role, content }, ...]"),
  );

  const id = z.int(expected("a token id, a whole number from 0")).min(0, expected("a token id, a whole number from 0"));
  const idRows = z.array(z.array(id, expected("a list of token ids")), expected("lists of token ids"));
  const row = z.array(id, expected("a list of token ids"));

  const labels = z.array(z.int(expected("a token id, or -100")), expected("a list of token ids, one for each token"));
  const batch = z.strictObject(
    { inputIds: z.array(row, expected("lists of token ids")), labels: z.array(labels, expected("lists of token ids")) },
    expected("{ inputIds, labels }"),
  );
  const tensor = z.object(
    {
      dtype: z.literal("float32", expected('"float32"')),
      shape: z.array(z.int().min(0), expected("a list of sizes such as [8, 256]")),
      data: z.instanceof(Float32Array, expected("a Float32Array")),
    },
    expected("a tensor { dtype, shape, data }"),
  );
  const tensors = z.record(z.string(), tensor, expected("tensors by name, as read() gives them"));

  const isAdapter = (value: unknown): boolean =>
    typeof value === "string"
      ? value !== ""
      : typeof value === "object" && value !== null && "owner" in value && "name" in value;
  const adapter = z.custom(
    (value) => value === null || isAdapter(value),
    expected("an adapter's name, its handle, or null for the base model"),
  );
  const call = z.custom((value) => typeof value === "function", expected("a function"));

  const names = (what: string) => z.array(z.string(expected("a name")).min(1, expected("a name")), expected(what));
  const ranks = expected('ranks by module name such as { "layers.0.mlp": 4 }');
  const alphas = expected('numbers by module name such as { "layers.0.mlp": 16 }');
  const biases = ["none", "all", "lora_only"] as const;

  /** A value that is undefined was left out, unless it is required. */
  const checks: Record<Name, zod.ZodType> = {
    question: z.string(expected("the question as a string")),
    questions: z.array(written, expected("a list of questions")),
    messages,
    ids: row,
    idRow: row,
    batch,
    tensors,
    history: pairs.optional(),
    system: text.optional(),
    stop: z.array(id, expected("a list of token ids such as [2]")).optional(),
    adapter: adapter.optional(),
    adapters: z
      .array(adapter, expected('a list such as [null, "dream"]'))
      .min(1, expected('a list such as [null, "dream"]')),
    signal: z.instanceof(AbortSignal, expected("an AbortSignal")).optional(),
    onProgress: call.optional(),
    onAnswers: call.optional(),
    onDone: call.optional(),
    share: z.boolean(expected("true or false")).optional(),
    replace: z.boolean(expected("true or false")).optional(),
    create: z.boolean(expected("true or false")).optional(),
    folder: written,
    targets: names('a list of module names such as ["query_key_value"]')
      .min(1, expected('a list of module names such as ["query_key_value"]'))
      .optional(),
    match: names('a list of parts of names such as ["layernorm"]').optional(),
    bias: z.enum(biases, expected(biases.map((bias) => JSON.stringify(bias)).join(" or "))).optional(),
    rankStabilized: z.boolean(expected("true or false")).optional(),
    rankPattern: z
      .record(z.string(), z.int(expected("a whole number from 1")).min(1, expected("a whole number from 1")), ranks)
      .optional(),
    alphaPattern: z
      .record(z.string(), z.number(expected("a number above 0")).gt(0, expected("a number above 0")), alphas)
      .optional(),
  };
  return { checks, idRows };
}

export type Checked = { readonly [K in Name]?: unknown };

const areNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "");

const isLeftOut = (value: unknown): boolean => value === undefined;

/** What is seen to be right, or left out, without a schema: most of what there is. */
const plain: { readonly [K in Name]?: (value: unknown) => boolean } = {
  question: (value) => typeof value === "string",
  system: (value) => isLeftOut(value) || typeof value === "string",
  folder: (value) => typeof value === "string" && value.trim() !== "",
  adapter: (value) => isLeftOut(value) || value === null || (typeof value === "string" && value !== ""),
  signal: (value) => isLeftOut(value) || value instanceof AbortSignal,
  onProgress: (value) => isLeftOut(value) || typeof value === "function",
  onAnswers: (value) => isLeftOut(value) || typeof value === "function",
  onDone: (value) => isLeftOut(value) || typeof value === "function",
  share: (value) => isLeftOut(value) || typeof value === "boolean",
  replace: (value) => isLeftOut(value) || typeof value === "boolean",
  create: (value) => isLeftOut(value) || typeof value === "boolean",
  ...{ history: isLeftOut, stop: isLeftOut, bias: isLeftOut, rankPattern: isLeftOut, alphaPattern: isLeftOut },
  rankStabilized: (value) => isLeftOut(value) || typeof value === "boolean",
  targets: (value) => isLeftOut(value) || (areNames(value) && value.length > 0),
  match: (value) => isLeftOut(value) || areNames(value),
};

/** Everything that is wrong with the given values, each fault with its place: "history[0][1]: expected text, got null." */
export function faultsOf(values: Checked): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (plain[name as Name]?.(value)) return [];
    const known = name as keyof Checked;
    const found = schemaOf(known, value).safeParse(value);
    const faults = found.success
      ? []
      : found.error.issues.slice(0, SHOWN).flatMap((issue) => told(known, value, issue));
    return faults.length > 0 ? faults : (besides[known]?.(value, values) ?? []);
  });
}

/** A history and ids have two forms each; the first item tells which is meant. */
function schemaOf(name: keyof Checked, value: unknown): zod.ZodType {
  const { checks, idRows } = schemas();
  const first: unknown = Array.isArray(value) ? value[0] : undefined;
  if (name === "history" && typeof first === "object" && first !== null && !Array.isArray(first))
    return checks.messages;
  if (name === "ids" && Array.isArray(first)) return idRows;
  return checks[name];
}

/** Where a value is called otherwise than its check: one row of ids, where several would not do. */
const placeOf = (name: Name): string => (name === "idRow" ? "ids" : name);

/** What schemas of single values cannot see. */
const besides: { readonly [K in keyof Checked]?: (value: unknown, all: Checked) => string[] } = {
  history(value, { system }) {
    const begins = Array.isArray(value) && (value[0] as { role?: unknown } | undefined)?.role === "system";
    return begins && system !== undefined
      ? ["system: is given twice, as the option and as the first message of history. Leave one of them out."]
      : [];
  },
};

const remedies: { readonly [K in keyof Checked]?: (got: unknown) => string } = {
  stop: (got) => (typeof got === "number" ? ` Put it in brackets: [${got}].` : ""),
  questions: (got) => (typeof got === "string" ? " Put a single one in brackets." : ""),
  messages: (got) => (typeof got === "string" ? ' A question is [{ role: "user", content: "..." }].' : ""),
};

function told(name: keyof Checked, value: unknown, issue: zod.core.$ZodIssue): string[] {
  const place =
    placeOf(name) + issue.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  if (issue.code === "unrecognized_keys") {
    const [what, known] = name === "batch" ? ["batch", BATCH_KEYS] : ["message", MESSAGE_KEYS];
    return issue.keys.map((key) => `${place}: there is no ${key} in a ${what}.${suggestion(key, known)}`);
  }
  const got = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], value);
  return [
    `${place}: ${issue.message}, got ${shownJson(got)}.${issue.path.length === 0 ? (remedies[name]?.(got) ?? "") : ""}`,
  ];
}
