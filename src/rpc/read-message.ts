/** @file A client's message, checked whole before anything is done with it. */

import type { z } from "zod";
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultList } from "../fault-list.ts";
import { shortened } from "../text-cut.ts";
import { callSchemas, envelopes, streamSchemas } from "./message-schema.ts";
import type { CallMessage, ClientMessage, StreamMessage } from "./protocol.ts";

/** Faults that a message tells of. */
const MAX_FAULTS = 10;

/** What is wrong with a message, and under which id its sender can be told, if it asked for an answer under one. */
export interface MessageFault {
  readonly fault: GlmError;
  readonly id?: number;
}

/** The message, or why it is none. Nothing that a client can send makes this throw. */
export function readMessage(value: unknown): ClientMessage | MessageFault {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refused("a message", [`expected an object with a type, got ${given(value)}`]);
  }
  const type = "type" in value ? value.type : undefined;
  const envelope = typeof type === "string" && Object.hasOwn(envelopes, type) ? envelopes[type] : undefined;
  if (!envelope) {
    return refused("a message", [`type: expected one of ${Object.keys(envelopes).join(", ")}, got ${given(type)}`]);
  }
  const asks = type === "call" || type === "stream" || type === "status";
  const id = asks && "id" in value && Number.isSafeInteger(value.id) ? { id: value.id as number } : {};
  const faults = faultsOf(envelope, value);
  if (faults.length > 0) return { ...refused(`a message of type ${type}`, faults), ...id };
  const message = value as ClientMessage;
  if (message.type !== "call" && message.type !== "stream") return message;
  const wrong = faultsOf(paramsOf(message), message.params);
  return wrong.length === 0 ? message : { ...refused(message.method, wrong), ...id };
}

const paramsOf = (message: CallMessage | StreamMessage): z.ZodType =>
  message.type === "call" ? callSchemas[message.method] : streamSchemas[message.method];

function refused(subject: string, faults: readonly string[]): MessageFault {
  const shown = faults.length > MAX_FAULTS ? [...faults.slice(0, MAX_FAULTS), "and more"] : faults;
  const remedy = shown.length === 1 ? ". Correct it and ask again." : "\nCorrect them and ask again.";
  return { fault: new GlmError("option-invalid", `${subject}:${faultList(shown)}${remedy}`) };
}

function faultsOf(schema: z.ZodType, value: unknown): string[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return result.error.issues.slice(0, MAX_FAULTS + 1).map((issue) => {
    const place = issue.path
      .map((step) => (typeof step === "number" ? `[${step}]` : `.${shortened(String(step))}`))
      .join("");
    const found = issue.path.reduce<unknown>(partOf, value);
    return `${place.replace(/^\./, "") || "it"}: ${wording(issue, found)}`;
  });
}

const partOf = (whole: unknown, step: PropertyKey): unknown =>
  typeof whole === "object" && whole !== null ? (whole as Record<PropertyKey, unknown>)[step] : undefined;

function wording(issue: z.core.$ZodIssue, found: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${kinds[issue.expected] ?? issue.expected}, got ${given(found)}`;
    case "unrecognized_keys":
      return `there is no ${issue.keys
        .slice(0, 3)
        .map((key) => shortened(key))
        .join(", ")}`;
    case "invalid_value":
      return `expected ${issue.values.map((one) => JSON.stringify(one)).join(" or ")}, got ${given(found)}`;
    case "too_small":
    case "too_big":
      return `expected ${bound(issue)}, got ${given(found)}`;
    case "invalid_union":
      return `expected one of the known kinds, got ${given(found)}`;
    default:
      return `${issue.message}, got ${given(found)}`;
  }
}

/** What zod calls the types, in words. */
const kinds: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "a list",
  tuple: "a list",
};

function bound(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const [limit, words] =
    issue.code === "too_small"
      ? [issue.minimum, issue.inclusive === false ? "more than" : "at least"]
      : [issue.maximum, issue.inclusive === false ? "less than" : "at most"];
  const unit = { string: " characters", array: " items" }[issue.origin as string] ?? "";
  return `${words} ${limit}${unit}`;
}

function given(value: unknown): string {
  if (typeof value === "string" && value.length > 60) return `text of ${value.length} characters`;
  return ArrayBuffer.isView(value) ? value.constructor.name : describe(value);
}
