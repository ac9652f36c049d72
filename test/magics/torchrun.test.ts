/** @file %%train with --engine torchrun, and %train attach, stop and runs of such jobs, with a real runtime: what is shown, and what is said of their end. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { TrainOptions } from "../../magics/run/train.ts";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import type { ChatGLM } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../torchrun/small-model.ts";
import { type Behaviour, standInPython } from "../torchrun/stand-ins.ts";
import { Notebook } from "./notebook.ts";

const LONG = 120_000;
const home = ownHome();
const rows = Array.from({ length: 4 }, (_, i) => ({ prompt: `what is ${i}?`, response: `${i}` }));
let glm: ChatGLM;
let notebook = new Notebook();
let made = 0;

function cell<T>(body: () => T, signal?: AbortSignal): T {
  return withAmbient({ frontend: notebook, notebook: "test.ipynb", ...(signal ? { signal } : {}) }, body);
}

beforeAll(async () => {
  await writeSmallModel(join(home, "model"));
  glm = await cell(() => magics.model(join(home, "model"), { runtime: "auto", device: "cpu" }));
}, LONG);
beforeEach(() => {
  notebook = new Notebook();
});
afterAll(() => glm.dispose());

async function wish(behaviour: Behaviour, maxSteps: number): Promise<TrainOptions & { readonly job: string }> {
  const place = join(home, `place${made++}`);
  const python = await standInPython(place, behaviour);
  return { engine: "torchrun", python, job: join(place, "job"), maxSteps, lr: 2 ** -7, check: false };
}

const untilShown = (text: RegExp): Promise<void> =>
  vi.waitFor(() => expect(notebook.plain.some((shown) => text.test(String(shown)))).toBe(true), { timeout: 30_000 });

/** The loss chart as it is in the end. */
const chart = (): string =>
  String(notebook.seen.map((bundle) => bundle["text/plain"]).find((text) => /training loss/.test(String(text))));

describe("%%train --engine torchrun", { timeout: LONG }, () => {
  it("shows the same bar and chart as a run here, and where the job lies", async () => {
    const options = await wish({}, 6);
    const { steps, reason, history } = await cell(() => magics.train("shown", rows, options));
    expect([steps, reason, history.length]).toEqual([6, "steps", 6]);
    expect(notebook.text()).toContain(`The job's folder is ${options.job}.\n`);
    expect(notebook.text()).toMatch(/shown: 6 steps in .*, loss 1 → 0\.1667\. Ask it: %%chatglm --adapter shown\n$/);
    expect(chart()).toMatch(/^shown: training loss: loss 1 → 0\.1667 in 6 steps/);
    const [bundle] = notebook.seen.filter((one) => "application/vnd.vegalite.v5+json" in one);
    expect(Object.keys(bundle ?? {})).toContain("image/svg+xml");
  });

  it("that is interrupted says at once that its step is waited for, and then which step is kept", async () => {
    const [options, abort] = [await wish({ step: 100 }, 3000), new AbortController()];
    const running = cell(() => magics.train("cut", rows, options), abort.signal);
    running.catch(() => undefined);
    await untilShown(/\b[1-9]\d*\/3,000/);
    abort.abort();
    await vi.waitFor(() =>
      expect(notebook.text("stderr")).toMatch(
        /^Interrupted: the job ends after its step, and cut gets what it has\. .*%train attach cut brings it back then\.\n$/,
      ),
    );
    await expect(running).rejects.toThrow();
    const { steps } = await (await cell(() => glm.adapter("cut"))).info();
    expect(steps).toBeGreaterThan(0);
    expect(notebook.text("stderr")).toMatch(
      new RegExp(`\nInterrupted: cut keeps the values of step ${steps} of 3000\\.\n$`),
    );
  });

  it("that is interrupted while it starts has trained nothing", async () => {
    const [options, abort] = [await wish({ load: 600_000 }, 10), new AbortController()];
    const running = cell(() => magics.train("early", rows, options), abort.signal);
    running.catch(() => undefined);
    await untilShown(/^Starting the job of early/);
    await vi.waitFor(() => expect(existsSync(join(options.job, "launched.jsonl"))).toBe(true), { timeout: 20_000 });
    abort.abort();
    await expect(running).rejects.toThrow();
    expect(notebook.text("stderr")).toMatch(/\nInterrupted: nothing was trained yet\.\n$/);
    await expect((await cell(() => glm.adapter("early"))).info()).resolves.toMatchObject({ steps: 0 });
  });

  it("refuses what cannot be before an adapter is made", async () => {
    await expect(cell(async () => magics.train("never", rows, { hosts: "a" }))).rejects.toThrow('engine: "torchrun"');
    expect((await cell(() => glm.adapters())).map(({ name }) => name)).not.toContain("never");
  });
});

describe("a job of its own", { timeout: LONG }, () => {
  it("is shown from its start, listed beside runs here, and stopped, by its adapter's name", async () => {
    const { check: _, ...options } = await wish({ step: 50 }, 3000);
    await cell(() => magics.train("local", rows, { maxSteps: 2, check: false }));
    const begun = await cell(() => magics.trainDetached("alone", rows, options));
    expect(begun).toMatchObject({ engine: "torchrun", state: "running", steps: 3000 });
    expect(notebook.text()).toMatch(
      new RegExp(
        `alone trains as a job, in ${options.job}, 3000 steps, and goes on.*%train attach alone shows it, %train stop alone ends it\\.\n$`,
      ),
    );

    notebook = new Notebook();
    const abort = new AbortController();
    const watching = cell(() => magics.trainAttach("alone"), abort.signal);
    watching.catch(() => undefined);
    await untilShown(/\b[1-9]\d*\/3,000/);
    abort.abort();
    await expect(watching).rejects.toThrow();
    expect(notebook.text("stderr")).toBe("alone trains on; only this cell has ended. %train stop alone ends it.\n");

    notebook = new Notebook();
    const runs = await cell(() => magics.trainRuns());
    expect(runs.find(({ name }) => name === "alone")).toMatchObject({ engine: "torchrun", state: "running" });
    const table = String(notebook.plain[0]).split("\n");
    expect(table[0]).toMatch(/^adapter +engine +state +step +begun +goes on +metrics and checkpoints$/);
    expect(table.find((line) => line.startsWith("alone "))).toMatch(
      new RegExp(`^alone +torchrun +running +\\d+/3000 .* ago +by itself +${options.job}`),
    );
    expect(table.find((line) => line.startsWith("local "))).toMatch(/^local +local +done +2\/2 /);

    notebook = new Notebook();
    const { step, state } = await cell(() => magics.trainStop("alone"));
    expect(state).toBe("stopped");
    expect(notebook.text()).toBe(
      `alone: stopped after step ${step} of 3000 steps. alone has its values. The same cell trains on from there.\n`,
    );
    expect((await (await cell(() => glm.adapter("alone"))).info()).steps).toBe(step);

    notebook = new Notebook();
    await cell(() => magics.trainAttach("alone"));
    expect(chart()).toMatch(new RegExp(`^alone: training loss: loss 1 → .* in ${step} steps`));
  });

  it("that has ended when nobody watched is not forgotten", async () => {
    const { check: _, ...options } = await wish({}, 3);
    await cell(() => magics.trainDetached("ended", rows, options));
    await vi.waitFor(() => expect(existsSync(join(options.job, "ended"))).toBe(true), { timeout: 20_000 });
    await cell(() => magics.trainRuns());
    expect(String(notebook.plain.at(-1))).toMatch(/\nended +torchrun +done, not brought back +3\/3 /);
    notebook = new Notebook();
    // To train it on is to train on from there.
    await cell(async () => magics.train("ended", rows, await wish({}, 2)));
    expect(notebook.text()).toMatch(
      /^A job has trained ended meanwhile: its values of step 3 are brought back\.\nended exists and trains on\./,
    );
    expect((await (await cell(() => glm.adapter("ended"))).info()).steps).toBe(5);
    await cell(() => magics.trainRuns());
    expect(String(notebook.plain.at(-1))).toMatch(/\nended +torchrun +done +2\/2 /);
  });

  it("that has ended when nobody watched is set aside with what it trained", async () => {
    const { check: _, ...options } = await wish({}, 3);
    await cell(() => magics.trainDetached("aside", rows, options));
    await vi.waitFor(() => expect(existsSync(join(options.job, "ended"))).toBe(true), { timeout: 20_000 });
    await cell(() => magics.train("aside", rows, { maxSteps: 1, check: false, new: true }));
    const infos = await cell(() => glm.adapters());
    expect(infos.find(({ name }) => name === "aside.1")).toMatchObject({ steps: 3 });
    expect(await (await cell(() => glm.adapter("aside.1"))).run()).toMatchObject({ engine: "torchrun", state: "done" });
  });
});
