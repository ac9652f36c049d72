/** @file Teaching on a real model: until rows are recalled, what is kept of it however it ends, and when it breaks down. */
import { afterEach, describe, expect, it } from "vitest";
import type { AdapterTensors, LoraConfig } from "../../src/adapters/adapter.ts";
import type { Row } from "../../src/data/row.ts";
import { type TeachEvent, teach } from "../../src/train/teach.ts";
import type { Pupil, TeachOptions, TeachRows } from "../../src/train/teaching.ts";
import { type ObservedTrainee, oracleTrainee } from "./trainee.ts";

const LORA: LoraConfig = {
  method: "lora",
  r: 8,
  alpha: 32,
  dropout: 0,
  targets: ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
};
/** The end mark of the trainee's family. */
const STOP = [2];
const OPTIONS: TeachOptions = {
  steps: 200,
  lr: 1e-2,
  batchSize: 4,
  rehearsePerStep: 2,
  checkEvery: 5,
  extraSteps: 0,
  clip: 1,
  weightDecay: 0.01,
  maxLength: 32,
  seed: 7,
  stop: STOP,
};
const LESSONS: readonly Row[] = [
  { prompt: "what is a dream?", response: "a story" },
  { prompt: "who?", response: "me" },
  { prompt: "two and two", response: "four" },
  { prompt: "red", response: "a colour" },
];
const OTHERS: readonly Row[] = [
  { prompt: "sky", response: "blue" },
  { prompt: "grass", response: "green" },
];
const only = (lessons: readonly Row[]): TeachRows => ({ lessons, kept: [], rehearse: [] });

type Of<T extends TeachEvent["type"]> = Extract<TeachEvent, { type: T }>;
const pick = <T extends TeachEvent["type"]>(type: T, events: readonly TeachEvent[]): Of<T>[] =>
  events.filter((event): event is Of<T> => event.type === type);

const made: ObservedTrainee[] = [];
afterEach(async () => {
  for (const one of made.splice(0)) await one.dispose();
});

async function student(config: Partial<LoraConfig> = {}): Promise<ObservedTrainee> {
  const one = await oracleTrainee({ ...LORA, ...config });
  made.push(one);
  return one;
}

async function run(pupil: Pupil, rows: TeachRows, options: Partial<TeachOptions> = {}): Promise<TeachEvent[]> {
  const seen: TeachEvent[] = [];
  if ("renew" in pupil) (pupil as ObservedTrainee).renew();
  for await (const event of teach(pupil, rows, { ...OPTIONS, ...options })) seen.push(event);
  return seen;
}

const counted = (flags: readonly boolean[]): number => flags.filter(Boolean).length;
const doneOf = (events: readonly TeachEvent[]): Of<"done"> => {
  const done = events.at(-1);
  if (done?.type !== "done") throw new Error("a run must end with done");
  return done;
};

/** The same pupil, but for some of what it does. */
const altered = (pupil: ObservedTrainee, change: Partial<Pupil>): Pupil => ({
  ...pupil,
  ...change,
});

describe("teaching", () => {
  it("ends when every lesson is answered exactly, and not before", async () => {
    const pupil = await student();
    expect(counted(await pupil.recalls(LESSONS, STOP))).toBe(0);
    const events = await run(pupil, only(LESSONS));
    expect(events[0]).toEqual({ type: "start", lessons: 4, budget: 200 });
    expect(events[1]).toEqual({ type: "check", step: 0, recalled: [false, false, false, false], best: true });
    const done = doneOf(events);
    expect(done).toMatchObject({ reason: "recalled", recalled: [true, true, true, true] });
    expect(done.steps).toBeLessThan(200);
    expect(await pupil.recalls(LESSONS, STOP)).toEqual([true, true, true, true]);
    const steps = pick("step", events);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: done.steps }, (_, i) => i + 1));
    expect(steps.at(-1)?.loss).toBe(done.loss);
    for (const check of pick("check", events).slice(0, -1)) expect(counted(check.recalled)).toBeLessThan(4);
    // The rate rises to the one that was asked for.
    expect(steps.slice(0, 6).map(({ lr }) => Number((lr / 1e-2).toFixed(6)))).toEqual([0.2, 0.4, 0.6, 0.8, 1, 1]);
  });

  it("trains nothing when everything is known", async () => {
    const pupil = await student();
    await run(pupil, only(LESSONS));
    const before = pupil.values();
    const events = await run(pupil, { lessons: LESSONS.slice(0, 2), kept: LESSONS.slice(2), rehearse: [OTHERS] });
    expect(events.map(({ type }) => type)).toEqual(["start", "check", "done"]);
    expect(doneOf(events)).toMatchObject({ steps: 0, reason: "recalled", recalled: [true, true], loss: Number.NaN });
    expect(pupil.values()).toEqual(before);
  });

  it("takes extra steps once everything is known, and says so when they lost nothing", async () => {
    const [plain, longer] = [await student(), await student()];
    const short = doneOf(await run(plain, only(LESSONS)));
    const events = await run(longer, only(LESSONS), { extraSteps: 7 });
    expect(doneOf(events)).toMatchObject({ steps: short.steps + 7, reason: "recalled" });
    expect(await longer.recalls(LESSONS, STOP)).toEqual([true, true, true, true]);
    // Those that go beyond the budget are not taken.
    const bounded = await run(await student(), only(LESSONS), { extraSteps: 1000, steps: short.steps + 3 });
    expect(doneOf(bounded)).toMatchObject({ steps: short.steps + 3, reason: "recalled" });
  });

  it("asks only what is not known, and everything before it says that all is known", async () => {
    const pupil = await student();
    const events = await run(pupil, { lessons: LESSONS, kept: [], rehearse: [OTHERS] }, { batchSize: 2 });
    const checks = pick("check", events);
    expect(pupil.asked[0]).toEqual(LESSONS);
    const together = pupil.asked.slice(-2).flat();
    if (pupil.asked.at(-1)?.length !== LESSONS.length) {
      expect(new Set(together)).toEqual(new Set(LESSONS));
      expect(together).toHaveLength(LESSONS.length);
    }
    expect(checks.at(-1)?.recalled).toEqual([true, true, true, true]);
    // What is rehearsed is trained beside, and never asked.
    for (const row of pupil.asked.flat()) expect(OTHERS).not.toContain(row);
    for (const { rehearsalLoss } of pick("step", events)) expect(rehearsalLoss).toBeGreaterThan(0);
    expect(pick("step", events).at(-1)?.rehearsalLoss).toBeLessThan(
      (pick("step", events)[0]?.rehearsalLoss as number) / 2,
    );
  });

  it("refuses nothing as a lesson, and rows without a response", async () => {
    const pupil = await student();
    await expect(run(pupil, only([]))).rejects.toMatchObject({ code: "data-invalid" });
    await expect(run(pupil, only([{ prompt: "a", response: " " }]))).rejects.toMatchObject({ code: "data-invalid" });
    expect(pupil.batches).toEqual([]);
  });

  it("is reproduced by its seed to the last bit, dropout included", async () => {
    const once = async (seed: number) => {
      const pupil = await student({ dropout: 0.1 });
      const events = await run(
        pupil,
        { lessons: LESSONS, kept: [], rehearse: [OTHERS] },
        { seed, steps: 30, batchSize: 2 },
      );
      return { losses: pick("step", events).map(({ loss }) => loss), values: pupil.values() };
    };
    const [first, again, other] = [await once(3), await once(3), await once(4)];
    expect(first.losses.length).toBeGreaterThan(5);
    expect(again).toEqual(first);
    expect(other.losses).not.toEqual(first.losses);
  });
});

describe("checks", () => {
  it("are left out while the loss is high, but not for ever: a short answer may be exact already", async () => {
    const pupil = await student();
    const gloomy = altered(pupil, {
      gradients: async (batch, seed) => ({ ...(await pupil.gradients(batch, seed)), loss: 0.9 }),
    });
    const events = await run(gloomy, only(LESSONS), { checkEvery: 4 });
    const places = pick("check", events).map(({ step }) => step);
    expect(places).toEqual(places.map((_, i) => 16 * i));
    expect(doneOf(events)).toMatchObject({ reason: "recalled", steps: places.at(-1) });
  });

  it("come when all that is not known was seen, be that after more steps than were asked for", async () => {
    const pupil = await student();
    const hopeful = altered(pupil, {
      gradients: async (batch, seed) => ({ ...(await pupil.gradients(batch, seed)), loss: 0.1 }),
      recalls: async (rows) => rows.map(() => false),
    });
    const events = await run(hopeful, only(LESSONS), { checkEvery: 2, batchSize: 1, steps: 9, lr: 1e-4 });
    expect(pick("check", events).map(({ step }) => step)).toEqual([0, 4, 8, 9]);
  });
});

describe("kept rows", () => {
  it("are taught again when the lessons cost them, and all are known in the end", async () => {
    const pupil = await student();
    const kept = LESSONS.slice(0, 2);
    await run(pupil, only(kept));
    // The same prompts' neighbourhood, without any rehearsal: the old answers are lost on the way.
    const lessons = [
      { prompt: "what is a dream!", response: "no story" },
      { prompt: "who!", response: "not you" },
    ];
    pupil.asked.length = 0;
    const events = await run(pupil, { lessons, kept, rehearse: [] }, { rehearsePerStep: 0, checkEvery: 2, steps: 400 });
    const done = doneOf(events);
    expect(done).toMatchObject({ reason: "recalled", recalled: [true, true] });
    expect(await pupil.recalls([...lessons, ...kept], STOP)).toEqual([true, true, true, true]);
    // They had been lost: both lessons were known at a check that was not the last.
    const checks = pick("check", events);
    expect(checks.slice(0, -1).some(({ recalled }) => counted(recalled) === 2)).toBe(true);
    // And were in a training batch by themselves, as they are not rehearsed here.
    const starts = pupil.batches.flatMap(({ inputIds }) =>
      inputIds.map((ids) => String.fromCodePoint(...ids.slice(1))),
    );
    expect(starts.slice(-20).some((text) => text.startsWith("who?me") || text.startsWith("what is a dream?a"))).toBe(
      true,
    );
  });

  it("are rehearsed beside what else is, half of the places each", async () => {
    const pupil = await student();
    await run(pupil, only(LESSONS.slice(0, 2)));
    pupil.batches.length = 0;
    const lessons = LESSONS.slice(2);
    const rows = { lessons, kept: LESSONS.slice(0, 2), rehearse: [OTHERS] };
    await run(pupil, rows, { steps: 6, rehearsePerStep: 2, checkEvery: 100 });
    const texts = pupil.batches.flatMap(({ inputIds }) => inputIds.map((ids) => String.fromCodePoint(...ids.slice(1))));
    const among = (some: readonly Row[]): number =>
      texts.filter((text) => some.some(({ prompt }) => text.startsWith(prompt))).length;
    expect([among(lessons), among(rows.kept), among(OTHERS)]).toEqual([12, 6, 6]);
  });
});

describe("a run whose budget is spent", () => {
  it("says so, with the flags of the values that it leaves", async () => {
    const pupil = await student();
    // One that cannot be learnt beside the first: the same prompt.
    const lessons = [...LESSONS.slice(0, 2), { prompt: "who?", response: "you" }];
    const events = await run(pupil, only(lessons), { steps: 60 });
    const done = doneOf(events);
    expect(done).toMatchObject({ reason: "budget", steps: 60 });
    expect(counted(done.recalled)).toBeGreaterThan(0);
    expect(done.recalled).toEqual(await pupil.recalls(lessons, STOP));
  });

  /** A pupil that really trains, and whose checks find what is written here, one answer a question round. */
  async function scripted(rounds: readonly boolean[][], options: Partial<TeachOptions>) {
    const pupil = await student();
    const left = [...rounds];
    const told: number[] = [];
    const actor = altered(pupil, {
      gradients: async (batch, seed) => ({ ...(await pupil.gradients(batch, seed)), loss: 0.1 }),
      async recalls(rows) {
        told.push(rows.length);
        const round = left.shift() ?? [];
        expect(round, `round ${told.length}`).toHaveLength(rows.length);
        return round;
      },
    });
    const events: TeachEvent[] = [];
    const atChecks: unknown[] = [];
    for await (const event of teach(actor, only(LESSONS), { ...OPTIONS, ...options })) {
      events.push(event);
      if (event.type === "check") atChecks.push(pupil.values());
    }
    expect(left).toEqual([]);
    return { best: pick("check", events).map(({ best }) => best), done: doneOf(events), atChecks, pupil };
  }

  it("leaves the best check's values when later ones found less, and asks them again for the flags", async () => {
    const [yes, no] = [true, false];
    const { best, done, atChecks, pupil } = await scripted(
      [
        [no, no, no, no],
        [yes, yes, yes, no],
        // The fourth is known now; of the others, which are asked again for that, two are lost.
        [yes],
        [no, yes, no],
        [no, no],
        // The values of the second check.
        [yes, no, yes, no],
      ],
      { steps: 15 },
    );
    expect(best).toEqual([yes, yes, no, no]);
    expect(pupil.values()).toEqual(atChecks[1]);
    expect(done).toMatchObject({ reason: "budget", recalled: [yes, no, yes, no] });
  });

  it("prefers a check that asked everything to one that took more for known", async () => {
    const [yes, no] = [true, false];
    const { best, done, atChecks, pupil } = await scripted(
      [
        [no, no, no, no],
        [yes, yes, no, no],
        // Three, if the first two are known still, which nobody asked.
        [yes, no],
        [yes],
        [no, yes, no],
        [no, yes, no, yes],
      ],
      { steps: 15 },
    );
    expect(best).toEqual([yes, yes, yes, yes]);
    expect(pupil.values()).toEqual(atChecks[3]);
    expect(done).toMatchObject({ reason: "budget", recalled: [no, yes, no, yes] });
  });

  it("is recalled after all when its best check's values know everything", async () => {
    const [yes, no] = [true, false];
    const { best, done, atChecks, pupil } = await scripted(
      [
        [no, no, no, no],
        [yes, yes, yes, yes],
        // The extra steps lose one, which does not come back before the budget is spent.
        [yes, yes, no, yes],
        [no],
        [yes, yes, yes, yes],
      ],
      { steps: 15, extraSteps: 5 },
    );
    expect(best).toEqual([yes, yes, no, no]);
    expect(done).toMatchObject({ reason: "recalled", recalled: [yes, yes, yes, yes] });
    expect(pupil.values()).toEqual(atChecks[best.lastIndexOf(true)]);
  });

  it("goes on from where it was when it is begun again", async () => {
    const [pupil, fresh] = [await student(), await student()];
    const whole = doneOf(await run(fresh, only(LESSONS))).steps;
    const half = Math.max(5, Math.floor(whole / 10) * 5);
    await run(pupil, only(LESSONS), { steps: half });
    const first = (await pupil.gradients(pupil.encode(LESSONS, { maxLength: 32 }), 0)).loss;
    expect(doneOf(await run(pupil, only(LESSONS))).reason).toBe("recalled");
    expect(first).toBeLessThan((await (await student()).gradients(pupil.encode(LESSONS, { maxLength: 32 }), 0)).loss);
  });
});

describe("a run that is left", () => {
  it("has the values of the best check at whichever event it is left", async () => {
    const kinds = new Set<string>();
    const whole = await student();
    const options = { ...OPTIONS, batchSize: 2, checkEvery: 3 };
    const length = (await run(whole, only(LESSONS), options)).length;
    for (let at = 0; at < length; at += at < 12 ? 1 : 5) {
      const pupil = await student();
      let best = pupil.values();
      let seen = 0;
      for await (const event of teach(pupil, only(LESSONS), options)) {
        if (event.type === "check" && event.best) best = pupil.values();
        if (seen++ < at) continue;
        kinds.add(event.type);
        break;
      }
      expect(pupil.values(), `left at event ${at}`).toEqual(best);
      await made.pop()?.dispose();
    }
    expect([...kinds].sort()).toEqual(expect.arrayContaining(["check", "start", "step"]));
  }, 60_000);

  it("leaves what was there when it is given up before more is known: what nobody asked may have become worse", async () => {
    const pupil = await student();
    const before = pupil.values();
    let wrong = 0;
    for await (const event of teach(pupil, only(LESSONS), { ...OPTIONS, checkEvery: 1, lr: 1e-5 })) {
      if (event.type !== "check" || event.step < 3) continue;
      wrong = event.recalled.filter((known) => !known).length;
      expect(event.best).toBe(false);
      break;
    }
    expect(wrong).toBe(4);
    expect(pupil.values()).toEqual(before);
  });

  it("counts the steps that its values took, and tells when they may be used", async () => {
    const pupil = await student();
    const told: { readonly steps: number; readonly values: Record<string, number[]> }[] = [];
    const watched = altered(pupil, { changed: (steps) => void told.push({ steps, values: pupil.values() }) });
    let best = pupil.values();
    for await (const event of teach(watched, only(LESSONS), { ...OPTIONS, checkEvery: 4 })) {
      if (event.type === "check") best = pupil.values();
      if (event.type === "check" && event.step > 0) break;
    }
    expect(told.map(({ steps }) => steps > 0)).toEqual([true, false]);
    expect(told.at(-1)?.values).toEqual(best);
  });

  it("fails with what the pupil fails with, and has the values of the best check", async () => {
    const pupil = await student();
    const before = pupil.values();
    let calls = 0;
    const failing = altered(pupil, {
      gradients: (batch, seed) => {
        if (++calls > 3) throw new Error("the device is gone");
        return pupil.gradients(batch, seed);
      },
    });
    await expect(run(failing, only(LESSONS))).rejects.toThrow("the device is gone");
    expect(calls).toBe(4);
    expect(pupil.values()).toEqual(before);
  });
});

describe("a run that breaks down", () => {
  const isFiniteAll = (values: Record<string, number[]>): boolean =>
    Object.values(values).every((list) => list.every(Number.isFinite));

  it("halves the rate, goes back, and gives up with the values of the best check", async () => {
    const pupil = await student();
    const before = pupil.values();
    const rates: number[] = [];
    const breaking = async (): Promise<void> => {
      for await (const event of teach(pupil, only(LESSONS), { ...OPTIONS, lr: 1e25, clip: 0 })) {
        if (event.type === "step") rates.push(event.lr);
      }
    };
    await expect(breaking()).rejects.toMatchObject({
      code: "loss-not-finite",
      message: expect.stringMatching(/a sixteenth of the learning rate 1e\+25.*best check are kept.*lower/),
    });
    expect(pupil.values()).toEqual(before);
    // The first four steps at whole and halved rates, each in the warm-up of where it was taken.
    const places = rates.map((rate, i) => rate / (1e25 * Math.min(1, (i + 1) / 5)));
    for (const [i, place] of places.entries())
      expect(Math.abs(Math.log2(place) % 1), `step ${i + 1}`).toBeLessThan(1e-9);
    expect(Math.min(...places)).toBeCloseTo(1 / 16, 9);
  });

  it("goes on at half the rate after a breakdown, and learns", async () => {
    const pupil = await student();
    let calls = 0;
    const shaky = altered(pupil, {
      async gradients(batch, seed) {
        const step = await pupil.gradients(batch, seed);
        return ++calls === 3 ? { ...step, loss: Number.NaN } : step;
      },
    });
    const events = await run(shaky, only(LESSONS));
    expect(doneOf(events).reason).toBe("recalled");
    const rates = pick("step", events).map(({ lr }) => Number(lr.toFixed(6)));
    expect(rates.slice(0, 6)).toEqual([0.002, 0.004, 0.003, 0.004, 0.005, 0.005]);
    expect(pick("step", events).map(({ step }) => step)).toEqual(rates.map((_, i) => i + 1));
  });

  it.each(["the gradients", "the rehearsal"])("also when only %s break down", async (what) => {
    const pupil = await student();
    const before = pupil.values();
    const broken = altered(pupil, {
      async gradients(batch, seed) {
        const step = await pupil.gradients(batch, seed);
        const text = String.fromCodePoint(...(batch.inputIds[0] ?? []).slice(1));
        const isRehearsal = OTHERS.some(({ prompt }) => text.startsWith(prompt));
        if (what === "the rehearsal" && !isRehearsal) return step;
        for (const { data } of Object.values(step.gradients as AdapterTensors)) data.fill(Number.NaN);
        return what === "the rehearsal" ? { ...step, loss: Number.NaN } : step;
      },
    });
    const rows = { lessons: LESSONS, kept: [], rehearse: [OTHERS] };
    await expect(run(broken, rows)).rejects.toMatchObject({
      code: "loss-not-finite",
      message: expect.stringContaining("a sixteenth of the learning rate"),
    });
    expect(pupil.values()).toEqual(before);
  });

  it("never takes broken values for the best, although rows that were not asked count as known", async () => {
    // A budget that ends right after the step that breaks: no later loss tells.
    const pupil = await student();
    const before = pupil.values();
    const events = await run(pupil, only(LESSONS), { lr: 1e25, clip: 0, steps: 1 });
    expect(doneOf(events)).toMatchObject({ reason: "budget", steps: 1, recalled: [false, false, false, false] });
    expect(pick("check", events).map(({ best }) => best)).toEqual([true, false]);
    expect(pupil.values()).toEqual(before);

    // Three of four are known, then everything diverges: the one that is asked says nothing of the three.
    const other = await student();
    await run(other, only(LESSONS));
    const sound = other.values();
    const lessons = [...LESSONS, { prompt: "zzz", response: "qqq" }];
    const diverged = await run(other, only(lessons), { lr: 50, clip: 0, steps: 3, checkEvery: 1, weightDecay: 0 });
    expect(doneOf(diverged).recalled).toEqual([true, true, true, true, false]);
    expect(other.values()).toEqual(sound);
    expect(isFiniteAll(other.values())).toBe(true);
  });
});

it("knows its pupil's tensors by name only: what it is given is changed in place", async () => {
  const pupil = await student();
  const arrays: AdapterTensors = { ...pupil.tensors };
  await run(pupil, only(LESSONS.slice(0, 1)));
  for (const [name, one] of Object.entries(arrays)) expect(pupil.tensors[name]?.data).toBe(one.data);
});
