/** @file A run that was begun to go on by itself: past its notebook, past the runtime that is killed, to the same values. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { RunFolder } from "../../src/engine/runs/run-folder.ts";
import { type ChatGLM, type FitEvent, load, lora, withAmbient } from "../../src/index.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import type { FitProgress } from "../../src/train/fitting.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const home = ownHome();
const rows = ["ab", "ba", "bb"].map((prompt) => ({ prompt, response: "a" }));
let [name, other] = ["", ""];

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
  other = await writeSmallModel(join(home, "other"), 1);
}, LONG);
afterEach(async () => {
  await stopRuntime();
});

const open = (folder: string, notebook: string): Promise<ChatGLM> => withAmbient({ notebook }, () => load(folder));

/** @param steps after which it is abandoned */
async function lossesOf(events: AsyncIterable<FitEvent>, steps = Number.POSITIVE_INFINITY): Promise<number[]> {
  const losses: number[] = [];
  for await (const event of events) {
    if (event.type === "step") losses.push(event.loss);
    if (losses.length >= steps) break;
  }
  return losses;
}

describe("a detached run", { timeout: LONG }, () => {
  it("goes on after its notebook has gone and its runtime was killed, to the losses that it would have come to", async () => {
    // It does not end by itself.
    const settings = { epochs: 100_000, lr: 1e-4, scheduler: "linear" } as const;
    const glm = await open(name, "begun.ipynb");
    const dream = await glm.createAdapter("dream", lora({ r: 2, dropout: 0.1 }));
    const { folder } = await dream.startFit(rows, settings);
    await glm.dispose();
    const kept = new RunFolder(folder);
    await vi.waitFor(async () => expect((await kept.progress())?.step).toBeGreaterThan(0), { timeout: 60_000 });
    process.kill((await runtimeStatus())?.pid ?? 0, "SIGKILL");
    await vi.waitFor(async () => expect(await runtimeStatus()).toBeUndefined(), { timeout: 30_000, interval: 50 });

    // Whoever starts the next runtime wants something else of it.
    const stranger = await open(other, "stranger.ipynb");
    await vi.waitFor(async () => expect((await runtimeStatus())?.models.some(({ runs = 0 }) => runs > 0)).toBe(true), {
      timeout: 30_000,
    });
    await stranger.dispose();
    const again = await open(name, "begun.ipynb");
    const found = await again.adapter("dream");
    const { step: from } = (await kept.progress()) as FitProgress;
    await vi.waitFor(async () => expect((await found.run())?.step).toBeGreaterThan(from + 20), { timeout: 30_000 });
    expect(await found.stopFit()).toMatchObject({ state: "stopped", detached: true, steps: 100_000 });
    const losses = await lossesOf(found.attach());
    const { steps } = await found.info();
    expect(losses).toHaveLength(steps);

    const whole = await again.createAdapter("whole", lora({ r: 2, dropout: 0.1 }));
    expect(await lossesOf(whole.fit(rows, settings), steps)).toEqual(losses);
    expect(await found.read()).toEqual(await whole.read());
    await again.dispose();
  });

  it.each([1, 2])(
    "is taken up once where its notebook comes back at once, and ends with the runtime, %i",
    async (time) => {
      const settings = { epochs: 100_000, lr: 1e-4, scheduler: "constant" } as const;
      const adapter = `swift-${time}`;
      const glm = await open(name, "swift.ipynb");
      const { folder } = await (await glm.createAdapter(adapter, lora({ r: 2 }))).startFit(rows, settings);
      await vi.waitFor(async () => expect((await new RunFolder(folder).progress())?.step).toBeGreaterThan(-1));
      const { pid, log } = (await runtimeStatus()) as { readonly pid: number; readonly log: string };
      process.kill(pid, "SIGKILL");
      await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 30_000, interval: 20 });
      await glm.dispose();

      const again = await open(name, "swift.ipynb");
      const found = await again.adapter(adapter);
      await vi.waitFor(async () => expect(await found.run()).toMatchObject({ state: "running" }), { timeout: 30_000 });
      expect((await runtimeStatus())?.models.map(({ runs }) => runs)).toEqual([1]);
      await again.dispose();
      // In the midst of a step, most likely.
      await stopRuntime();
      const told = readFileSync(log, "utf8");
      expect(told).toMatch(/ends: SIGTERM/);
      expect(told).not.toMatch(/terminate called|does not go on|unexpectedly/);
      expect(existsSync(join(folder, "run.json"))).toBe(true);
    },
  );
});
