/** @file What an execute_request wants to know once its cell has run: `user_expressions`, each with a value or an error of its own. */
import type { MimeBundle } from "../src/ambient.ts";
import type { CellOutcome } from "./language.ts";
import type { JsonObject } from "./wire.ts";

/** As the reply carries it. */
export type Evaluated =
  | { readonly status: "ok"; readonly data: MimeBundle; readonly metadata: object }
  | {
      readonly status: "error";
      readonly ename: string;
      readonly evalue: string;
      readonly traceback: readonly string[];
    };

/** Evaluates one after the other, in the order in which they were asked. Rejects if `evaluate` does. */
export async function evaluateAll(
  expressions: JsonObject,
  evaluate: (expression: string) => Promise<CellOutcome>,
): Promise<Readonly<Record<string, Evaluated>>> {
  const evaluated: [string, Evaluated][] = [];
  for (const [name, expression] of Object.entries(expressions)) {
    const outcome = typeof expression === "string" ? await evaluate(expression) : notText(name, expression);
    evaluated.push([name, contentOf(outcome)]);
  }
  return Object.fromEntries(evaluated);
}

function contentOf(outcome: CellOutcome): Evaluated {
  if (outcome.status === "ok") return { status: "ok", data: outcome.result ?? {}, metadata: {} };
  const { name, message, traceback } = outcome;
  return { status: "error", ename: name, evalue: message, traceback };
}

function notText(name: string, got: unknown): CellOutcome {
  const message = `user_expressions: expected ${JSON.stringify(name)} to be an expression in a string, got ${JSON.stringify(got)}.`;
  return { status: "error", name: "TypeError", message, traceback: [`TypeError: ${message}`] };
}
