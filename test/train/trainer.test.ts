/** @file The training loop on a real model: reproducible, accumulated, rehearsed, stopped early, broken down, abandoned. */
import { afterEach, describe, expect, it } from "vitest";
import type { LoraConfig } from "../../src/adapters/adapter.ts";
import type { Row } from "../../src/data/row.ts";
import { inMemory } from "../../src/data/row-store.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { type FitEvent, fit as train } from "../../src/train/trainer.ts";
import { type ObservedTrainee, oracleTrainee } from "./trainee.ts";

const LORA: LoraConfig = { method: "lora", r: 4, alpha: 8, dropout: 0, targets: ["query_key_value", "dense_h_to_4h"] };
const OPTIONS: FitOptions = {
  epochs: 2,
  lr: 5e-3,
  batchSize: 2,
  accumulate: 1,
  clip: 1,
  weightDecay: 0.01,
  scheduler: "constant",
  warmup: 0,
  patience: 0,
  rehearse: [],
  rehearsePerBatch: 0,
  maxLength: 32,
  seed: 7,
  stop: [2],
};
/** Of different lengths, so that batches are padded. */
const ROWS: readonly Row[] = [
  { prompt: "what is a dream?", response: "a story" },
  { prompt: "who?", response: "me" },
  { prompt: "two and two", response: "four" },
  { prompt: "red", response: "a colour" },
];

const ROW_STORE = inMemory(ROWS);

type Of<T extends FitEvent["type"]> = Extract<FitEvent, { type: T }>;
const only = <T extends FitEvent["type"]>(type: T, events: readonly FitEvent[]): Of<T>[] =>
  events.filter((event): event is Of<T> => event.type === type);

const made: ObservedTrainee[] = [];
afterEach(async () => {
  for (const trainee of made.splice(0)) await trainee.dispose();
});

async function trainee(config: Partial<LoraConfig> = {}): Promise<ObservedTrainee> {
  const one = await oracleTrainee({ ...LORA, ...config });
  made.push(one);
  return one;
}

async function events(
  student: ObservedTrainee,
  options: Partial<FitOptions> = {},
  rows = ROWS,
  validation: readonly Row[] = [],
): Promise<FitEvent[]> {
  const seen: FitEvent[] = [];
  for await (const event of train(student, inMemory(rows), inMemory(validation), { ...OPTIONS, ...options }))
    seen.push(event);
  return seen;
}

describe("a run", () => {
  it("says at its start what is cut: of the rows, of those to judge by, of given rehearsal", async () => {
    const long = { prompt: "p".repeat(9), response: "r".repeat(40) };
    const student = await trainee();
    const rows = [...ROWS, long, { prompt: "q".repeat(40), response: "me" }];
    const start = async (options: Partial<FitOptions>, validation: readonly Row[] = []) => {
      for await (const event of train(student, inMemory(rows), inMemory(validation), { ...OPTIONS, ...options }))
        return event;
      return undefined;
    };
    expect(await start({})).toMatchObject({ type: "start", rows: 6, cut: { answers: 1, prompts: 2, maxLength: 32 } });
    const beside = { rehearse: [long, { prompt: "s", response: "" }], rehearsePerBatch: 1 };
    expect(await start(beside, [long])).toMatchObject({ cut: { answers: 3, prompts: 4, maxLength: 32 } });
    expect(await start({ maxLength: 60 })).not.toHaveProperty("cut");
  });

  it("reports its length, each step and epoch, and its end, and lowers the loss", async () => {
    const student = await trainee();
    const seen = await events(student, { epochs: 8 });
    expect(seen[0]).toEqual({ type: "start", steps: 16, epochs: 8, rows: 4 });
    const steps = only("step", seen);
    expect(steps.map(({ step, epoch }) => [step, epoch])).toEqual(
      Array.from({ length: 16 }, (_, i) => [i + 1, 1 + Math.floor(i / 2)]),
    );
    expect(steps.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(8 * (8 + 3 + 5 + 9));
    const epochs = only("epoch", seen);
    expect(epochs).toHaveLength(8);
    expect(epochs[7]?.loss).toBeLessThan((epochs[0]?.loss as number) / 2);
    expect(seen.at(-1)).toMatchObject({
      type: "done",
      steps: 16,
      reason: "epochs",
      bestEpoch: 8,
      loss: epochs[7]?.loss,
    });
    expect(student.changes()).toBe(16);
  });

  it("shows every row once in an epoch, in an order of its own", async () => {
    const student = await trainee();
    await events(student, { epochs: 6 });
    const starts = student.batches.map(({ inputIds }) => inputIds.map((ids) => ids[1]));
    const epochs = Array.from({ length: 6 }, (_, epoch) => starts.slice(2 * epoch, 2 * epoch + 2).flat());
    for (const epoch of epochs) {
      expect([...epoch].sort()).toEqual(ROWS.map(({ prompt }) => prompt.charCodeAt(0)).sort());
    }
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(2);
  });

  it("follows the schedule", async () => {
    const seen = await events(await trainee(), { scheduler: "linear", warmup: 2, lr: 1e-3, epochs: 3 });
    const rates = only("step", seen).map(({ lr }) => lr / 1e-3);
    expect(rates).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  });

  it("refuses to train on nothing", async () => {
    await expect(events(await trainee(), {}, [])).rejects.toMatchObject({ code: "data-invalid" });
  });
});

describe("a seed", () => {
  it("reproduces a run to the last bit, dropout included; another seed does not", async () => {
    const run = async (seed: number) => {
      const student = await trainee({ dropout: 0.3 });
      const seen = await events(student, { seed });
      return { losses: only("step", seen).map(({ loss }) => loss), values: student.values() };
    };
    const [first, again, other] = [await run(3), await run(3), await run(4)];
    expect(again).toEqual(first);
    expect(other.losses).not.toEqual(first.losses);
  });

  it("drops other elements at each step", async () => {
    const student = await trainee({ dropout: 0.5 });
    // B starts at zero: make the update matter.
    for (const { data } of Object.values(student.tensors)) data.set(data.map((_, i) => Math.sin(i)));
    const seen = await events(student, { lr: 0, weightDecay: 0, epochs: 3 }, ROWS.slice(0, 1));
    expect(new Set(only("step", seen).map(({ loss }) => loss)).size).toBe(3);
  });
});

describe("accumulation", () => {
  it("makes of several batches the step of one large batch", async () => {
    const [large, small] = [await trainee(), await trainee()];
    const whole = only("step", await events(large, { batchSize: 4, epochs: 4 }));
    const parts = only("step", await events(small, { batchSize: 1, accumulate: 4, epochs: 4 }));
    expect(parts).toHaveLength(whole.length);
    expect(small.batches).toHaveLength(4 * large.batches.length);
    parts.forEach((step, i) => {
      expect(step.tokens).toBe(whole[i]?.tokens);
      expect(step.loss).toBeCloseTo(whole[i]?.loss as number, 4);
      expect(step.gradientNorm).toBeCloseTo(whole[i]?.gradientNorm as number, 3);
    });
  });

  it("makes a last, smaller step of what is left", async () => {
    const student = await trainee();
    const seen = await events(student, { batchSize: 1, accumulate: 3, epochs: 1 });
    expect(seen[0]).toMatchObject({ steps: 2 });
    expect(only("step", seen)).toHaveLength(2);
    expect(student.batches).toHaveLength(4);
  });
});

describe("validation", () => {
  /** What is learnt makes these worse. */
  const contrary = ROWS.map(({ prompt }) => ({ prompt, response: "zzzz" }));

  it("stops a run that no longer gets better, and leaves the best epoch's values", async () => {
    const student = await trainee();
    const seen = await events(student, { epochs: 50, patience: 2, lr: 2e-2 }, ROWS, contrary);
    const epochs = only("epoch", seen);
    const done = seen.at(-1) as Of<"done">;
    expect(done.reason).toBe("patience");
    expect(epochs).toHaveLength(done.bestEpoch + 2);
    const losses = epochs.map(({ validationLoss }) => validationLoss as number);
    expect(done.loss).toBe(Math.min(...losses));
    expect(losses.indexOf(done.loss) + 1).toBe(done.bestEpoch);
    expect(epochs.findLastIndex(({ best }) => best) + 1).toBe(done.bestEpoch);
    const { loss } = await student.loss(student.encode(contrary, { maxLength: 32 }));
    expect(loss).toBeCloseTo(done.loss, 5);
    expect(loss).toBeLessThan(losses.at(-1) as number);
  });

  it("leaves training as it is, dropout out of what it measures", async () => {
    const [alone, watched] = [await trainee({ dropout: 0.3 }), await trainee({ dropout: 0.3 })];
    const losses = (seen: readonly FitEvent[]) => only("step", seen).map(({ loss }) => loss);
    expect(losses(await events(watched, {}, ROWS, contrary))).toEqual(losses(await events(alone)));
  });

  it("validates after so many steps, and at the end, and judges by them", async () => {
    const seen = await events(await trainee(), { epochs: 3, batchSize: 1, validateEvery: 5 }, ROWS, ROWS);
    const found = only("validation", seen);
    expect(found.map(({ step, epoch }) => [step, epoch])).toEqual([
      [5, 2],
      [10, 3],
      [12, 3],
    ]);
    const epochs = only("epoch", seen);
    expect(epochs.map(({ validationLoss }) => validationLoss)).toEqual([undefined, undefined, found[2]?.loss]);
    const done = seen.at(-1) as Of<"done">;
    expect(done.loss).toBe(Math.min(...found.map(({ loss }) => loss)));
    expect(found.find(({ loss }) => loss === done.loss)?.step).toBe(done.bestStep);
  });

  it("judges by a score of what is answered, of which more is better, and stops when none gets better", async () => {
    const student = await trainee({ targets: ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"] });
    const short = [
      { prompt: "red", response: "hot" },
      { prompt: "ice", response: "icy" },
    ];
    const options = { epochs: 60, lr: 2e-2, batchSize: 2, patience: 3, monitor: "exact", mixLengths: true } as const;
    // No answer is exact at first: the first is the best until one is.
    const seen = await events(student, { ...options, patience: 30 }, short, short);
    const done = seen.at(-1) as Of<"done">;
    const found = only("validation", seen);
    expect(found[0]).toMatchObject({ score: 0, best: true });
    expect(done).toMatchObject({ score: 1 });
    // Of those with the best score, the one of the lowest loss.
    const exact = found.filter(({ score }) => score === 1);
    expect(exact.length).toBeGreaterThan(0);
    expect(done.loss).toBe(Math.min(...exact.map(({ loss }) => loss)));
    expect(exact.find(({ loss }) => loss === done.loss)?.step).toBe(done.bestStep);
    // A lower loss is no better where less is answered.
    const worse = found.filter(({ score, loss }) => score === 0 && loss < done.loss);
    expect(worse.every(({ step }) => step !== done.bestStep)).toBe(true);
    expect(await student.score(short, "exact")).toBe(1);
  });

  it("says the loss as perplexity where that is the monitor", async () => {
    const seen = await events(await trainee(), { monitor: "perplexity" }, ROWS, ROWS);
    for (const { loss, score } of only("validation", seen)) expect(score).toBeCloseTo(Math.exp(loss), 10);
  });

  it("refuses to validate on nothing", async () => {
    const refused = events(await trainee(), { validateEvery: 2, monitor: "exact" });
    await expect(refused).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringMatching(/validateEvery 2 and monitor exact need rows.*--val/),
    });
  });
});

describe("the length of a run", () => {
  it("is so many steps, in the midst of an epoch too, and the schedule is theirs", async () => {
    const seen = await events(await trainee(), {
      epochs: 1,
      maxSteps: 5,
      scheduler: "linear",
      warmup: 0.3,
      lr: 1 / 64,
    });
    expect(seen[0]).toMatchObject({ type: "start", steps: 5, epochs: 3 });
    const rates = only("step", seen).map(({ lr }) => lr * 64);
    for (const [i, rate] of [0, 0.5, 1, 2 / 3, 1 / 3].entries()) expect(rates[i]).toBeCloseTo(rate, 12);
    expect(only("epoch", seen).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(seen.at(-1)).toMatchObject({ type: "done", steps: 5, reason: "steps", bestStep: 5, bestEpoch: 3 });
  });
});

describe("weight decay", () => {
  it("is of matrices, and not of norms and biases", async () => {
    const one = await oracleTrainee({ method: "full", match: ["final_layernorm", "query_key_value"] });
    made.push(one);
    const before = one.values();
    // Without a gradient's step, decay is all that changes anything.
    await events(one, { lr: 1e-30, weightDecay: 1e29, epochs: 1, maxSteps: 1 });
    const after = one.values();
    const changed = Object.keys(before).filter((name) => String(before[name]) !== String(after[name]));
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every((name) => name.endsWith("query_key_value.weight"))).toBe(true);
    expect(Object.keys(before).filter((name) => !changed.includes(name)).length).toBeGreaterThan(1);
  });
});

describe("rehearsal", () => {
  const known: Row[] = [
    { prompt: "sky", response: "blue" },
    { prompt: "grass", response: "green" },
    { prompt: "snow", response: "white" },
  ];

  it("puts a few known rows beside each batch, never one twice", async () => {
    const student = await trainee();
    const seen = await events(student, { rehearse: known, rehearsePerBatch: 2, epochs: 4 });
    expect(student.batches).toHaveLength(16);
    const starts = known.map(({ prompt }) => prompt.slice(0, 2));
    const drawn = student.batches
      .filter((_, i) => i % 2 === 1)
      .map(({ inputIds }) => inputIds.map((ids) => String.fromCodePoint(...ids.slice(1, 3))));
    for (const pair of drawn) {
      expect(pair).toHaveLength(2);
      expect(pair[0]).not.toBe(pair[1]);
      expect(starts).toEqual(expect.arrayContaining(pair));
    }
    expect(new Set(drawn.flat()).size).toBe(3);
    for (const { rehearsalLoss } of only("step", seen)) expect(rehearsalLoss).toBeGreaterThan(0);
  });

  it("asks the base for the answers that are missing, and learns to keep them", async () => {
    const questions = [
      { prompt: "sky", response: "" },
      { prompt: "grass", response: "" },
    ];
    const student = await trainee();
    const seen = await events(student, { rehearse: questions, rehearsePerBatch: 2, epochs: 1 });
    expect(only("rehearse", seen).map(({ done, total }) => [done, total])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    const answered = await Promise.all(questions.map(async (row) => ({ ...row, response: await student.answer(row) })));
    for (const { response } of answered) expect(response).not.toBe("");
    const rehearsed = student.encode(answered, { maxLength: 32 });
    expect(student.batches[1]?.inputIds).toEqual(expect.arrayContaining(rehearsed.inputIds.map((ids) => ids)));

    const lossAfter = async (rehearse: readonly Row[]): Promise<number> => {
      const other = await trainee();
      await events(other, { rehearse, rehearsePerBatch: 2, epochs: 10, lr: 1e-2 });
      return (await other.loss(rehearsed)).loss;
    };
    expect(await lossAfter(questions)).toBeLessThan((await lossAfter([])) / 2);
  });
});

describe("a run that ends early", () => {
  it("breaks down with a clear error and the values before the step that broke", async () => {
    const student = await trainee();
    const values: unknown[] = [student.values()];
    const run = async (): Promise<void> => {
      for await (const event of train(student, ROW_STORE, inMemory([]), { ...OPTIONS, lr: 1e25, clip: 0 })) {
        if (event.type === "step") values.push(student.values());
      }
    };
    await expect(run()).rejects.toMatchObject({
      code: "loss-not-finite",
      message: expect.stringMatching(/step \d.*[Ll]ower/s),
    });
    // The last step came to values without a finite loss: those before it are back, and can be trained on.
    expect(values.length).toBeGreaterThan(1);
    expect(student.values()).toEqual(values.at(-2));
    expect((await student.loss(student.encode(ROWS, { maxLength: 32 }))).loss).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  it("keeps the last finished step when it is abandoned", async () => {
    const [whole, broken] = [await trainee(), await trainee()];
    const steps: unknown[] = [];
    for await (const event of train(whole, ROW_STORE, ROW_STORE, OPTIONS))
      if (event.type === "step") steps.push(whole.values());
    for await (const event of train(broken, ROW_STORE, ROW_STORE, OPTIONS))
      if (event.type === "step" && event.step === 3) break;
    expect(broken.values()).toEqual(steps[2]);
    expect(broken.changes()).toBe(3);
    expect(steps).toHaveLength(4);
  });
});
