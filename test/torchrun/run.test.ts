/** @file Jobs from their start to their end: what comes back, what is kept when they are cut short, who may train meanwhile, what is refused. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AdapterHandle, ChatGLM, FitEvent, FitSettings, RunInfo } from "../../src/index.ts";
import { load, lora, pTuning } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel as writeOtherModel } from "../small-model.ts";
import { writeSmallModel } from "./small-model.ts";
import { type Behaviour, standInPython } from "./stand-ins.ts";

const home = ownHome();
let glm: ChatGLM;
let made = 0;
beforeAll(async () => {
  await writeSmallModel(join(home, "model"));
  glm = await load(join(home, "model"), { runtime: "none" });
});
afterAll(() => glm.dispose());

/** A power of two, so that any order of additions comes to the same. */
const LR = 2 ** -7;
const ROWS = Array.from({ length: 5 }, (_, i) => ({ prompt: `what is number ${i}?`, response: `it is ${i}.` }));
const SLOW: Behaviour = { step: 100 };
const LONG = { timeout: 60_000 };

const newAdapter = (): Promise<AdapterHandle> =>
  glm.createAdapter(`adapter${made++}`, lora({ r: 2, targets: ["q_proj"] }));

async function jobSettings(
  behaviour: Behaviour = {},
  more: FitSettings = {},
): Promise<FitSettings & { readonly job: string }> {
  const place = join(home, `place${made++}`);
  const python = await standInPython(place, behaviour);
  return {
    ...{ engine: "torchrun", python, lr: LR, batchSize: 5, maxSteps: 4 },
    ...more,
    job: join(place, "job"),
  };
}

async function read(stream: AsyncIterable<FitEvent>, last = Number.POSITIVE_INFINITY): Promise<readonly FitEvent[]> {
  const events: FitEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    if (event.type === "step" && event.step >= last) break;
  }
  return events;
}

/** How many steps an adapter's values are from those that it began with: each adds the rate to every value. */
async function stepsIn(adapter: AdapterHandle): Promise<number> {
  const [value] = Object.entries(await adapter.read()).flatMap(([name, { data }]) =>
    name.includes("lora_B") ? [...data.map((one) => one / LR)] : [],
  );
  return value ?? Number.NaN;
}

const steps = async (adapter: AdapterHandle): Promise<number> => (await adapter.info()).steps;

const stepEvents = (events: readonly FitEvent[]) =>
  events.flatMap((event) => (event.type === "step" ? [event.step] : []));

const told = (folder: string): Promise<string> => readFile(join(folder, "metrics.jsonl"), "utf8").catch(() => "");

const untilStep = (folder: string, step: number): Promise<void> =>
  vi.waitFor(async () => expect(await told(folder)).toContain(`"step":${step},`), { timeout: 30_000 });

describe("a job", LONG, () => {
  it("tells what a run tells, and what it trained is in the adapter", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    const events = await read(adapter.fit(ROWS, settings));
    expect(events.map(({ type }) => type)).toEqual([
      "start",
      ..."step epoch step epoch step epoch step epoch".split(" "),
      "done",
    ]);
    expect(events[0]).toMatchObject({ steps: 4, rows: 5, job: settings.job });
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([4, 4]);
    expect(await adapter.run()).toMatchObject({
      ...{ engine: "torchrun", state: "done", step: 4, steps: 4, detached: true, taken: true, folder: settings.job },
    });
    // What it told lies beside its saved files, as that of a run here.
    await adapter.save(join(home, "saved"));
    expect(await told(join(home, "saved"))).toBe(await told(settings.job));
    // From what is there by now.
    await read(adapter.fit(ROWS, await jobSettings()));
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([8, 8]);
  });

  it("whose loop is left ends after its step, which is kept", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings(SLOW, { maxSteps: 500 })];
    await read(adapter.fit(ROWS, settings), 2);
    const taken = await steps(adapter);
    expect(taken).toBeGreaterThanOrEqual(2);
    expect(taken).toBeLessThan(100);
    expect(await stepsIn(adapter)).toBe(taken);
    expect(await adapter.run()).toMatchObject({ state: "stopped", step: taken, taken: true });
  });

  it("that is interrupted ends after its step, which is kept", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings(SLOW, { maxSteps: 500 })];
    const abort = new AbortController();
    const running = read(adapter.fit(ROWS, { ...settings, signal: abort.signal }));
    running.catch(() => undefined);
    await untilStep(settings.job, 3);
    abort.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    const taken = await steps(adapter);
    expect(taken).toBeGreaterThanOrEqual(3);
    expect(await stepsIn(adapter)).toBe(taken);
  });

  it("that is interrupted while the model loads ends at once, and nothing is changed", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings({ load: 600_000 })];
    const abort = new AbortController();
    const running = read(adapter.fit(ROWS, { ...settings, signal: abort.signal }));
    running.catch(() => undefined);
    await vi.waitFor(() => expect(existsSync(join(settings.job, "launched.jsonl"))).toBe(true), { timeout: 20_000 });
    const begun = performance.now();
    abort.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([0, 0]);
    expect(await adapter.run()).toMatchObject({ state: "stopped", step: 0, taken: true });
  });

  it("that was interrupted before it was started leaves nothing", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await expect(
      read(adapter.fit(ROWS, { ...settings, signal: AbortSignal.abort(new Error("enough")) })),
    ).rejects.toThrow();
    expect(existsSync(settings.job)).toBe(false);
    expect(await adapter.run()).toBeUndefined();
  });
});

describe("a job that nobody watches", LONG, () => {
  it("is attached to by the adapter's name, from its start, and comes back once", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings({ step: 30 }, { maxSteps: 30 })];
    expect(await adapter.startFit(ROWS, settings)).toMatchObject({ engine: "torchrun", state: "running", steps: 30 });
    await read(adapter.attach(), 2);
    // To leave does nothing to it.
    expect(await adapter.run()).toMatchObject({ state: "running", taken: false });
    const events = await read(adapter.attach());
    expect(stepEvents(events)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(await stepsIn(adapter)).toBe(30);
    expect(await read(adapter.attach())).toEqual(events);
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([30, 30]);
  });

  it("is stopped by the adapter's name, and comes back", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings(SLOW, { maxSteps: 500 })];
    await adapter.startFit(ROWS, settings);
    await untilStep(settings.job, 2);
    const { state, step, taken } = await adapter.stopFit();
    expect([state, taken]).toEqual(["stopped", true]);
    expect(step).toBeGreaterThanOrEqual(2);
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([step, step]);
    await expect(adapter.stopFit()).rejects.toThrow("expected a run of training that runs, got none");
  });

  it("and has ended meanwhile comes back when it is asked for", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await adapter.startFit(ROWS, settings);
    await vi.waitFor(() => expect(existsSync(join(settings.job, "ended"))).toBe(true), { timeout: 20_000 });
    expect(await adapter.run()).toMatchObject({ state: "done", step: 4, taken: false });
    expect(await steps(adapter)).toBe(0);
    expect(await adapter.stopFit()).toMatchObject({ state: "done", taken: true });
    expect(await stepsIn(adapter)).toBe(4);
  });

  it("keeps others from training, replacing or deleting its adapter", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings(SLOW, { maxSteps: 500 })];
    await adapter.startFit(ROWS, settings);
    const { name } = adapter;
    const isTrained = new RegExp(`adapter ${name} is being trained.*${settings.job}`);
    await expect(read(adapter.fit(ROWS, { maxSteps: 1 }))).rejects.toThrow(isTrained);
    await expect(read(adapter.fit(ROWS, await jobSettings()))).rejects.toThrow(isTrained);
    await expect(glm.createAdapter(name, lora({ r: 2 }))).rejects.toThrow(isTrained);
    await expect(adapter.dispose()).rejects.toThrow(isTrained);
    await adapter.stopFit();
    await read(adapter.fit(ROWS, { maxSteps: 1 }));
    expect(await adapter.run()).toMatchObject({ engine: "local", state: "done" });
    await adapter.dispose();
  });

  it("is interrupted where what ran it was killed, which its folder tells", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await read(adapter.fit(ROWS, settings));
    await rm(join(settings.job, "ended"));
    const old = new Date(Date.now() - 3_600_000);
    for (const name of ["alive", "job.json"]) await utimes(join(settings.job, name), old, old);
    expect(await adapter.run()).toMatchObject({ state: "interrupted", step: 4, taken: true });
    await rename(settings.job, `${settings.job}-elsewhere`);
    const { state, why } = (await adapter.run()) as RunInfo;
    expect([state, why]).toEqual(["interrupted", `its folder ${settings.job} is not there any more`]);
  });

  it("whose adapter was changed here meanwhile does not replace that", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await adapter.startFit(ROWS, settings);
    await adapter.write(await adapter.read());
    await expect(read(adapter.attach())).rejects.toMatchObject({ code: "adapter-changed" });
    expect(await stepsIn(adapter)).toBe(0);
    expect((await adapter.run())?.taken).toBe(false);
    // As the message says.
    const other = await glm.loadAdapter(`${adapter.name}-trained`, join(settings.job, "result"));
    expect(await stepsIn(other)).toBe(4);
  });

  it("whose checkpoint is half written leaves the adapter as it is, and is fetched when it is whole", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await adapter.startFit(ROWS, settings);
    await vi.waitFor(() => expect(existsSync(join(settings.job, "ended"))).toBe(true), { timeout: 20_000 });
    const file = join(settings.job, "result", "adapter_model.safetensors");
    const whole = await readFile(file);
    await truncate(file, whole.length - 8);
    await expect(read(adapter.attach())).rejects.toThrow(file);
    await writeFile(join(settings.job, "result", "state.json"), '{"st');
    await expect(read(adapter.attach())).rejects.toThrow("state.json: expected the step whose values lie beside it");
    expect([await stepsIn(adapter), await steps(adapter), (await adapter.run())?.taken]).toEqual([0, 0, false]);
    expect((await adapter.run())?.state).toBe("damaged");
    await writeFile(file, whole);
    await writeFile(join(settings.job, "result", "state.json"), '{"step":4}');
    await read(adapter.attach());
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([4, 4]);
  });
});

describe("a job that fails", LONG, () => {
  it("says why, and keeps what was kept before", async () => {
    const fault = { code: "loss-not-finite", message: "the loss is NaN." };
    const [adapter, settings] = [await newAdapter(), await jobSettings({ failsAt: 2, fault })];
    const failing = read(adapter.fit(ROWS, settings));
    await expect(failing).rejects.toMatchObject({ code: "loss-not-finite" });
    await expect(failing).rejects.toThrow(
      `job ${settings.job}: the loss is NaN. Logs: ${join(settings.job, "log")} ${adapter.name} has the values of step 2, which were kept last.`,
    );
    expect([await stepsIn(adapter), await steps(adapter)]).toEqual([2, 2]);
    const { state, why } = (await adapter.run()) as RunInfo;
    expect(state).toBe("failed");
    expect(why).toContain("the loss is NaN.");
  });

  it("without a word of its own shows the end of its log", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings({ ends: { 0: 9 } })];
    const failing = read(adapter.fit(ROWS, settings));
    await expect(failing).rejects.toMatchObject({ code: "job-failed" });
    await expect(failing).rejects.toThrow(
      /its processes ended with status 9\. The log ends:\nthe last thing that it says/,
    );
    expect(await steps(adapter)).toBe(0);
  });
});

describe("is refused", LONG, () => {
  it("a folder that is in use, which stays as it is", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await mkdir(settings.job);
    await writeFile(join(settings.job, "thesis.txt"), "mine");
    await expect(read(adapter.fit(ROWS, settings))).rejects.toThrow(
      `job: ${settings.job}: expected a new or empty folder, got one with thesis.txt. Choose another folder.`,
    );
    expect(await readFile(join(settings.job, "thesis.txt"), "utf8")).toBe("mine");
    await rm(join(settings.job, "thesis.txt"));
    await read(adapter.fit(ROWS, settings));
    await expect(read(adapter.fit(ROWS, settings))).rejects.toThrow("got one with a job. Watch that job");
  });

  it("a machine that cannot run it, after which nothing is left", async () => {
    const adapter = await newAdapter();
    const settings = await jobSettings({ versions: { torch: null } });
    await expect(read(adapter.fit(ROWS, settings))).rejects.toThrow("has no torch");
    expect(existsSync(settings.job)).toBe(false);
    expect(await adapter.run()).toBeUndefined();
  });

  it("a job of another adapter, of another model, and what is no job", async () => {
    const [adapter, other, settings] = [await newAdapter(), await newAdapter(), await jobSettings()];
    await read(adapter.fit(ROWS, settings));
    await expect(read(other.attachJob(settings.job))).rejects.toThrow(
      `attachJob: ${settings.job}: expected a job of the adapter ${other.name}, got one of ${adapter.name}.`,
    );
    await writeOtherModel(join(home, "other"));
    const another = await load(join(home, "other"), { runtime: "none" });
    try {
      const namesake = await another.createAdapter(adapter.name, lora({ r: 2 }));
      await expect(read(namesake.attachJob(settings.job))).rejects.toThrow(
        `expected a job of the loaded model ${join(home, "other")}, got one of ${join(home, "model")}.`,
      );
      expect(await steps(namesake)).toBe(0);
    } finally {
      await another.dispose();
    }
    await expect(read(adapter.attachJob(home))).rejects.toThrow("expected the folder of a job, with job.json");
    await writeFile(join(settings.job, "job.json"), '{"version": 1}');
    await expect(read(adapter.attachJob(settings.job))).rejects.toThrow("got another or a damaged one");
  });

  it("to go on with a job, here or there", async () => {
    const [adapter, settings] = [await newAdapter(), await jobSettings()];
    await read(adapter.fit(ROWS, settings));
    await expect(read(adapter.fit(ROWS, { resume: true }))).rejects.toThrow(
      `expected a run of ${adapter.name} that was trained here, got a job, in ${settings.job}`,
    );
    await expect(read(adapter.fit(ROWS, { ...(await jobSettings()), resume: true }))).rejects.toThrow(
      "resume: a job is not taken up again",
    );
  });

  it("what is trained on this machine only", async () => {
    const prefix = await glm.createAdapter(`adapter${made++}`, pTuning({ length: 2 }));
    await expect(read(prefix.fit(ROWS, await jobSettings()))).rejects.toMatchObject({ code: "unsupported" });
    const adapter = await newAdapter();
    const failing = read(adapter.fit(ROWS, await jobSettings({}, { rehearse: ["hello"], offload: true })));
    await expect(failing).rejects.toThrow(/rehearse: .*; offload: it is a matter of ZeRO/);
    expect(() => adapter.fit(ROWS, { hosts: "a" })).toThrow('expected engine: "torchrun"');
  });
});
