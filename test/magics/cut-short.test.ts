/** @file %%train that is cut short, with a real runtime: what its user is told is what there is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import { RunFolder } from "../../src/engine/runs/run-folder.ts";
import type { ChatGLM, FitEvent, RunInfo } from "../../src/index.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

/** Starting processes takes a while on a machine that tests many things at once. */
const LONG = 120_000;

const scratch = ownHome();
const rows = [
  { prompt: "一", response: "二" },
  { prompt: "三", response: "四" },
];
let glm: ChatGLM;
let notebook = new Notebook();

function cell<T>(body: () => T, signal?: AbortSignal): T {
  return withAmbient({ frontend: notebook, notebook: "test.ipynb", ...(signal ? { signal } : {}) }, body);
}

beforeAll(async () => {
  const folder = await writeSmallModel(join(scratch, "small"));
  glm = await cell(() => magics.model(folder, { runtime: "auto", device: "cpu" }));
}, LONG);
beforeEach(() => {
  notebook = new Notebook();
});
afterAll(() => glm.dispose());

/** Trains without end. */
const train = (name: string, signal?: AbortSignal) => cell(() => magics.train(name, rows, { epochs: 100_000 }), signal);

/** Waits until the bar shows that it trains. */
async function untilItTrains(): Promise<void> {
  while (!notebook.plain.some((text) => /\b[1-9]\d*\/100,000/.test(String(text)))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("%%train that is cut short", { timeout: LONG }, () => {
  it("by an interrupt names the step that the adapter is at, whenever it comes", async () => {
    for (let time = 0; time < 12; time += 1) {
      notebook = new Notebook();
      const name = `cut${time}`;
      const abort = new AbortController();
      const running = train(name, abort.signal);
      await untilItTrains();
      await new Promise((resolve) => setTimeout(resolve, 3 * time));
      abort.abort();
      await expect(running).rejects.toThrow();
      const { steps } = await (await glm.adapter(name)).info();
      expect(notebook.text("stderr")).toBe(
        `Interrupted: ${name} keeps the values of step ${steps} of 100000. The same cell with --resume goes on.\n`,
      );
    }
  });

  it("by the end of its runtime goes on in the next one, from what is kept, and says so", async () => {
    const abort = new AbortController();
    const running = train("killed", abort.signal);
    running.catch(() => undefined);
    await untilItTrains();
    const adapter = await glm.adapter("killed");
    const { folder } = (await adapter.run()) as RunInfo;
    const kept = new RunFolder(folder);
    await vi.waitFor(async () => expect((await kept.progress())?.step).toBeGreaterThan(0), { timeout: 60_000 });
    process.kill((await runtimeStatus())?.pid ?? 0, "SIGKILL");
    const said = /^Its runtime was lost: killed goes on after step (\d+) of 100000\.$/m;
    await vi.waitFor(() => expect(notebook.text("stderr")).toMatch(said), { timeout: 60_000 });
    const from = Number(said.exec(notebook.text("stderr"))?.[1]);
    expect(from).toBeGreaterThan(0);
    await vi.waitFor(async () => expect((await adapter.info()).steps).toBeGreaterThan(from + 20), { timeout: 60_000 });
    abort.abort();
    await expect(running).rejects.toThrow();
    const { steps } = await adapter.info();
    expect(notebook.text("stderr")).toContain(`Interrupted: killed keeps the values of step ${steps} of 100000.`);
    await vi.waitFor(async () => expect(await adapter.run()).toMatchObject({ state: "stopped" }), { timeout: 20_000 });
    // Each step once, with no gap, where the runtime was lost, too.
    const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const told = lines
      .map((line) => JSON.parse(line) as FitEvent)
      .flatMap((event) => (event.type === "step" ? event.step : []));
    expect(told).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
  });

  it("goes on with --resume from the step that it was interrupted at", async () => {
    const abort = new AbortController();
    const running = train("again", abort.signal);
    await untilItTrains();
    abort.abort();
    await expect(running).rejects.toThrow();
    const { steps } = await (await glm.adapter("again")).info();
    notebook = new Notebook();
    const second = new AbortController();
    const resumed = cell(() => magics.train("again", rows, { epochs: 100_000, resume: true }), second.signal);
    await vi.waitFor(() => expect(notebook.text("stderr")).toContain(`again goes on after step ${steps} of 100000.`));
    second.abort();
    await expect(resumed).rejects.toThrow();
    notebook = new Notebook();
    await cell(() => magics.train("again", rows, { epochs: 1, check: false }));
    expect(notebook.text("stdout")).toMatch(
      /Its last run stopped after step \d+ of 100000: with --resume that goes on; this is a new one/,
    );
  });
});

describe("%%train --detach", { timeout: LONG }, () => {
  it("trains without a cell, is shown by another from its start, and stopped", async () => {
    await cell(() => magics.trainDetached("alone", rows, { epochs: 100_000 }));
    expect(notebook.text("stdout")).toMatch(/alone trains in the runtime, 100000 steps.*%train attach alone shows it/s);
    notebook = new Notebook();
    const abort = new AbortController();
    const watching = cell(() => magics.trainAttach("alone"), abort.signal);
    await untilItTrains();
    abort.abort();
    await expect(watching).rejects.toThrow();
    expect(notebook.text("stderr")).toContain("alone trains on; only this cell has ended.");
    const [first] = await cell(() => magics.trainRuns());
    expect(await cell(() => magics.trainRuns())).toContainEqual(
      expect.objectContaining({ name: "alone", state: "running" }),
    );
    expect(first).toBeDefined();
    const stopped = await cell(() => magics.trainStop("alone"));
    expect(stopped).toMatchObject({ state: "stopped", detached: true });
    expect((await (await glm.adapter("alone")).info()).steps).toBe(stopped.step);
  });

  it("is refused where the model ends with the notebook", async () => {
    const own = await cell(() => magics.model(join(scratch, "small"), { runtime: "none", device: "cpu" }));
    try {
      await expect(cell(() => magics.trainDetached("lone", rows, { model: own }))).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("--runtime none"),
      });
    } finally {
      await own.dispose();
    }
  });
});
