/** @file What a job tells while it runs: JSON lines, one event each, as the trainer's. */
import { z } from "zod";
import type { FitEvent } from "../train/trainer.ts";

/** `stopped`: it was asked to end, and has kept the values of that step. */
export type JobEvent = FitEvent | { readonly type: "stopped"; readonly step: number };

/** JSON has no NaN, which is what is not known. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const count = z.int().min(0);
const score = number.optional();
const cut = z.object({ answers: count, prompts: count, rows: count, tokens: count, maxLength: count }).optional();

const event = z.discriminatedUnion("type", [
  z.object({ type: z.literal("start"), steps: count, epochs: count, rows: count, cut, job: z.string().optional() }),
  z.object({
    ...{ type: z.literal("step"), step: count, steps: count, epoch: count, loss: number, lr: number },
    ...{ gradientNorm: number, tokens: count, seconds: number },
  }),
  z.object({ type: z.literal("validation"), step: count, epoch: count, loss: number, score, best: z.boolean() }),
  z.object({
    ...{ type: z.literal("epoch"), epoch: count, loss: number, validationLoss: score, score, best: z.boolean() },
  }),
  z.object({
    ...{
      type: z.literal("done"),
      steps: count,
      bestEpoch: count,
      bestStep: count,
      loss: number,
      score,
      seconds: number,
    },
    reason: z.enum(["epochs", "steps", "patience"]),
  }),
  z.object({ type: z.literal("stopped"), step: count }),
]);

/** Events out of pieces of text, which may end anywhere, within a character's bytes too. What is no event is left out. */
export class MetricsReader {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The events of the lines that this piece completes. */
  push(piece: Uint8Array): readonly JobEvent[] {
    const lines = (this.#rest + this.#decoder.decode(piece, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap(eventOf);
  }
}

function eventOf(line: string): readonly JobEvent[] {
  const text = line.trim();
  if (!text.startsWith("{")) return [];
  try {
    const read = event.safeParse(JSON.parse(text));
    return read.success ? [read.data as JobEvent] : [];
  } catch {
    return [];
  }
}
