/** @file %%train that is cut short, with a real runtime: what its user is told is what there is. */
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import type { ChatGLM } from "../../src/index.ts";
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
      expect(notebook.text("stderr")).toBe(`Interrupted: ${name} keeps the values of step ${steps} of 100000.\n`);
    }
  });

  it("by the end of its runtime says which steps are lost, and to which one the adapter is kept", async () => {
    const running = train("killed");
    running.catch(() => undefined);
    await untilItTrains();
    // Long enough for something to be written.
    const adapter = await glm.adapter("killed");
    await new Promise((resolve) => setTimeout(resolve, 2500));
    process.kill((await runtimeStatus())?.pid ?? 0, "SIGKILL");
    await expect(running).rejects.toMatchObject({
      code: "runtime-lost",
      message: expect.stringContaining("which is every 2 seconds while they learn"),
    });
    const { steps } = await adapter.info();
    expect(steps).toBeGreaterThan(0);
    const said =
      /^killed had taken (\d+) steps\. It is kept as it was after step (\d+), when it was last written; (\d+) steps? after it (?:is|are) lost\. /;
    const [, taken, kept, lost] = (said.exec(notebook.text("stderr")) ?? []).map(Number);
    expect([kept, lost]).toEqual([steps, (taken ?? 0) - steps]);
  });
});
