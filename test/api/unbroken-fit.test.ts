/** @file Training over a runtime that is lost: what is told, and how often, by an engine whose streams break where the test says. */
import { expect, it } from "vitest";
import { unbrokenFit } from "../../src/api/unbroken-fit.ts";
import type { Engine, Streams } from "../../src/engine/engine.ts";
import { GlmError } from "../../src/errors.ts";
import type { FitEvent } from "../../src/train/trainer.ts";

type Params = Streams["fit"]["params"];

const start = (from?: number): FitEvent => ({
  ...{ type: "start", steps: 6, epochs: 2, rows: 3 },
  ...(from === undefined ? {} : { from }),
});
const encode: FitEvent = { type: "encode", done: 1, total: 3 };
const step = (step: number): FitEvent => ({
  ...{ type: "step", step, steps: 6, epoch: Math.ceil(step / 3), loss: 1 / step },
  ...{ lr: 0.1, gradientNorm: 1, tokens: 1, seconds: 0 },
});
const epoch = (epoch: number): FitEvent => ({ type: "epoch", epoch, loss: 1, best: false });
const LOST = new GlmError("runtime-lost", "the runtime is gone");

/** An engine of which each stream tells what the next part says, and is lost then. */
function breaking(parts: readonly (readonly FitEvent[])[]): { readonly engine: Engine; readonly asked: Params[] } {
  const asked: Params[] = [];
  const engine = {
    async *stream(_: "fit", params: Params) {
      asked.push(params);
      yield* parts[asked.length - 1] ?? [];
      if (asked.length < parts.length) throw LOST;
    },
  } as unknown as Engine;
  return { engine, asked };
}

const params = { resume: false } as Params;

async function told(parts: readonly (readonly FitEvent[])[]): Promise<{ events: FitEvent[]; asked: Params[] }> {
  const { engine, asked } = breaking(parts);
  const events: FitEvent[] = [];
  for await (const event of unbrokenFit(engine, params, {})) events.push(event);
  return { events, asked };
}

it("goes on from the checkpoint, and tells nothing twice but the steps that are taken again", async () => {
  const { events, asked } = await told([
    [encode, start(), step(1), step(2), step(3), epoch(1), step(4)],
    // What was told before comes first, also where encoding took so long that it was told, too.
    [encode, start(3), step(1), step(2), step(3), epoch(1), step(4), step(5), step(6), epoch(2)],
  ]);
  expect(asked.map(({ resume }) => resume)).toEqual([false, true]);
  expect(events).toEqual([
    ...[encode, start(), step(1), step(2), step(3), epoch(1), step(4)],
    ...[encode, start(3), step(4), step(5), step(6), epoch(2)],
  ]);
});

it("is not taken up where it had not begun: an earlier run of the adapter would be", async () => {
  const { engine, asked } = breaking([[encode], []]);
  const run = unbrokenFit(engine, params, {});
  expect((await run.next()).value).toEqual(encode);
  await expect(run.next()).rejects.toBe(LOST);
  expect(asked).toHaveLength(1);
});

it("is given up where it is lost again before it came further", async () => {
  const { engine, asked } = breaking([[start(), step(1)], [start(0)], [start(0)], []]);
  const run = async (): Promise<void> => {
    for await (const _ of unbrokenFit(engine, params, {}));
  };
  await expect(run()).rejects.toBe(LOST);
  expect(asked.length).toBeLessThanOrEqual(3);
});
