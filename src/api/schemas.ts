/**
 * @file Schemas of what callers hand over in structures. The library of schemas takes longer to load than all of this one: it comes
 * with the first value that needs it, so that a plain question does not wait.
 */
import { createRequire } from "node:module";
import type * as zod from "zod";

/** A history and ids have two forms each: pairs or messages, one row or several. */
export type StructureName =
  | ("messages" | "pairs" | "idRow" | "idRows" | "questions" | "stop" | "adapters")
  | ("batch" | "tensors" | "rankPattern" | "alphaPattern");

type Schemas = Readonly<Record<StructureName, zod.ZodType>>;

let made: Schemas | undefined;

/** Synchronously: a call that is wrong is refused where it is made, not where its answer is read. */
export function schemas(): Schemas {
  made ??= makeSchemas((createRequire(import.meta.url)("zod") as typeof zod).z);
  return made;
}

function makeSchemas(z: typeof zod.z): Schemas {
  const expected = (what: string) => ({ error: `expected ${what}` });

  const text = z.string(expected("text"));
  const roles = ["system", "user", "assistant", "observation"] as const;
  const message = z.strictObject(
    {
      role: z.enum(roles, expected(roles.map((role) => JSON.stringify(role)).join(" or "))),
      content: text,
      metadata: text.optional(),
      tools: z.array(z.unknown(), expected("a list of tools")).optional(),
    },
    expected("{ role, content }"),
  );
  const id = z.int(expected("a token id, a whole number from 0")).min(0, expected("a token id, a whole number from 0"));
  const ids = expected("a list of token ids");
  const row = z.array(id, ids);
  const labels = z.array(z.int(expected("a token id, or -100")), ids);
  const tensor = z.object(
    {
      dtype: z.literal("float32", expected('"float32"')),
      shape: z.array(z.int().min(0), expected("a list of sizes such as [8, 256]")),
      data: z.instanceof(Float32Array, expected("a Float32Array")),
    },
    expected("a tensor { dtype, shape, data }"),
  );
  const written = text.refine((value) => value.trim() !== "", expected("text that is not empty"));
  const some = expected('a list such as [null, "dream"]');
  const adapter = z.custom(isAdapter, expected(ADAPTER));
  const rank = z.int(expected("a whole number from 1")).min(1, expected("a whole number from 1"));
  const alpha = z.number(expected("a number above 0")).gt(0, expected("a number above 0"));

  return {
    messages: z.array(message, expected("a list of { role, content }")),
    pairs: z.array(
      z.tuple([text, text], expected("[question, answer]")),
      expected("[[question, answer], ...] or [{ role, content }, ...]"),
    ),
    idRow: row,
    idRows: z.array(z.array(id, ids), expected("lists of token ids")),
    questions: z.array(written, expected("a list of questions")),
    stop: z.array(id, expected("a list of token ids such as [2]")),
    adapters: z.array(adapter, some).min(1, some),
    batch: z.strictObject(
      {
        inputIds: z.array(row, expected("lists of token ids")),
        labels: z.array(labels, expected("lists of token ids")),
      },
      expected("{ inputIds, labels }"),
    ),
    tensors: z.record(z.string(), tensor, expected("tensors by name, as read() gives them")),
    rankPattern: z.record(z.string(), rank, expected('ranks by module name such as { "layers.0.mlp": 4 }')),
    alphaPattern: z.record(z.string(), alpha, expected('numbers by module name such as { "layers.0.mlp": 16 }')),
  };
}

export const ADAPTER = 'an adapter\'s name or a sum such as "a + 0.5*b", its handle, or null for the base model';

export function isAdapter(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value === "string") return value !== "";
  return typeof value === "object" && "owner" in value && "name" in value;
}
