/** @file Answers beside training, in a real runtime: who asks is not held up by every step, and training goes on. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { TimeShare } from "../../src/engine/time-share.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const home = ownHome();
let name: string;

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
}, LONG);

async function load(engine: Engine): Promise<string> {
  for await (const event of engine.stream("load", { name, device: "cpu", precision: "exact", quantize: "none" })) {
    if (event.type === "ready") return event.model.key;
  }
  throw new Error("not loaded");
}

const sampling = { greedy: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, stop: [] };
const TOKENS = 40;
const ROWS = 64;

describe("answers beside training", { timeout: LONG }, () => {
  const fit = {
    epochs: 10_000,
    lr: 1e-3,
    batchSize: 16,
    accumulate: 1,
    clip: 1,
    weightDecay: 0,
    scheduler: "constant" as const,
    warmup: 0,
    patience: 0,
    rehearse: [],
    rehearsePerBatch: 0,
    maxLength: 256,
    seed: 0,
    stop: [],
  };

  it("of several clients take a few steps' time rather than a step a token, and training takes steps meanwhile", async () => {
    const [trains, asks, alsoAsks] = await Promise.all([connectRuntime(), connectRuntime(), connectRuntime()]);
    const model = await load(trains);
    const adapter = { owner: "o", name: "trained" };
    const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] } as const;
    await trains.call("createAdapter", { model, adapter, config, seed: 1 });
    const rows = Array.from({ length: 16 }, () => ({ prompt: "a".repeat(100), response: "b".repeat(100) }));
    const abort = new AbortController();
    let steps = 0;
    let begun = (): void => undefined;
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const training = (async () => {
      const params = { model, adapter, rows, validation: [], options: fit };
      for await (const event of trains.stream("fit", params, { signal: abort.signal })) {
        if (event.type !== "step") continue;
        steps += 1;
        begun();
      }
    })().catch((error: unknown) => error);
    await first;
    const answer = async (engine: Engine): Promise<{ tokens: number[]; steps: number }> => {
      const before = steps;
      const tokens: number[] = [];
      // So many rows that a token takes longer than a message to the trainer and back.
      const rows = Array.from({ length: ROWS }, () => ({ ids: [5, 6], adapter: null }));
      const options = { ...sampling, maxNewTokens: TOKENS };
      for await (const event of engine.stream("generate", { model, rows, options })) {
        if (event.type === "token" && event.row === 0) tokens.push(event.token);
      }
      return { tokens, steps: steps - before };
    };
    const [one, other] = await Promise.all([answer(asks), answer(alsoAsks)]);
    expect(one.tokens).toHaveLength(TOKENS);
    expect(other.tokens).toEqual(one.tokens);
    expect(Math.max(one.steps, other.steps)).toBeLessThan(TOKENS / 2);
    // An answer that goes on and on does not stop training.
    const long = alsoAsks.stream("generate", {
      model,
      rows: [{ ids: [5, 6], adapter: null }],
      options: { ...sampling, maxNewTokens: 100_000 },
    });
    const reading = (async () => {
      for await (const _ of long);
    })().catch(() => undefined);
    const before = steps;
    await vi.waitFor(() => expect(steps).toBeGreaterThan(before + 2), { timeout: 60_000 });
    abort.abort(new Error("enough"));
    expect(await training).toMatchObject({ message: "enough" });
    await alsoAsks.close();
    await reading;
    await Promise.all([trains.close(), asks.close()]);
  });
});

/** Holds the thread, as a run of a model does. */
function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe("TimeShare", () => {
  async function* tokens(each: number): AsyncGenerator<number, void, void> {
    for (let i = 0; ; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      busy(each);
      yield i;
    }
  }

  it("gives answers as much time as the last run of training took, and each of them one run at least", async () => {
    for (const [each, expected] of [
      [5, 8],
      [80, 1],
    ] as const) {
      const share = new TimeShare();
      const counts = [0, 0];
      let over = false;
      const reading = counts.map(async (_, i) => {
        for await (const _ of share.answering(tokens(each))) {
          counts[i] = (counts[i] as number) + 1;
          if (over) return;
        }
      });
      await share.train(async () => busy(80));
      const before = [...counts];
      await share.train(async () => busy(80));
      const between = counts.map((count, i) => count - (before[i] as number));
      for (const count of between) {
        expect(count).toBeGreaterThanOrEqual(expected === 8 ? 4 : 1);
        expect(count).toBeLessThanOrEqual(expected + 3);
      }
      over = true;
      await Promise.all(reading);
    }
  });

  it("lets training run when nobody waits, and when an answer is not read on", async () => {
    const share = new TimeShare();
    const unread = share.answering(tokens(1));
    await unread.next();
    const begun = performance.now();
    for (let i = 0; i < 10; i += 1) await share.train(async () => busy(20));
    expect(performance.now() - begun).toBeLessThan(300);
    await unread.return();
  });

  it("gives other work that is asked for many waits in a run's time, until it is over, and training goes on beside it", async () => {
    const share = new TimeShare();
    const files = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) await stat(home);
    };
    async function* events(): AsyncGenerator<number, void, void> {
      await files(50);
      yield 1;
      await files(50);
    }
    const asked = async (): Promise<void> => {
      for await (const _ of share.asking(events()));
    };
    for (const work of [() => share.asked(() => files(100)), asked]) {
      let isOver = false;
      const over = work().then(() => {
        isOver = true;
      });
      let runs = 0;
      for (; !isOver; runs += 1) await share.train(async () => busy(20));
      await over;
      expect(runs).toBeGreaterThan(0);
      expect(runs).toBeLessThan(30);
    }
    // Training owes nothing any more: it gives no turn to anybody.
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    });
    for (let i = 0; i < 3; i += 1) await share.train(async () => busy(20));
    clearInterval(turning);
    expect(turns).toBe(0);
    // What never ends does not stop it.
    void share.asked(() => new Promise(() => undefined));
    for (let i = 0; i < 3; i += 1) await share.train(async () => busy(20));
  });
});
