/** @file What training and answering leave in a runtime's memory: little, whatever was tried before. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { type ChatGLM, full, load, lora, withAmbient } from "../../src/index.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 240_000;
const MB = 2 ** 20;
const home = ownHome();
let name: string;

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
}, LONG);

const open = (notebook: string): Promise<ChatGLM> => withAmbient({ notebook }, () => load(name));

async function process(): Promise<{ readonly threads: number; readonly bytes: number }> {
  const status = await runtimeStatus();
  const text = readFileSync(`/proc/${status?.pid}/status`, "utf8");
  const number = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return { threads: number("Threads"), bytes: 1024 * number("VmRSS") };
}

const isLinux = globalThis.process.platform === "linux";

describe.skipIf(!isLinux)("a runtime's memory", { timeout: LONG }, () => {
  it("holds few compiled graphs, however many configurations are trained and asked", async () => {
    const glm = await open("many.ipynb");
    const rows = [{ prompt: "a", response: "b" }];
    const train = async (key: string, config: Parameters<ChatGLM["createAdapter"]>[1]): Promise<number> => {
      const adapter = await glm.createAdapter(key, config);
      const { loss } = await adapter.gradients(rows);
      await glm.ask("a", { adapter, greedy: true, maxNewTokens: 1 });
      return loss;
    };
    await train("first", lora({ r: 2, alpha: 1 }));
    const before = await process();
    const losses: number[] = [];
    for (let alpha = 2; alpha < 14; alpha += 1) losses.push(await train(`alpha${alpha}`, lora({ r: 2, alpha })));
    // Numbers are fed: the graph is one.
    expect((await process()).threads).toBeLessThanOrEqual(before.threads + 2);
    expect(new Set(losses.map((loss) => loss.toFixed(6))).size).toBe(1);
    for (let r = 3; r < 15; r += 1) await train(`r${r}`, lora({ r, dropout: r / 100 }));
    const parts = ["layers.0.input", "layers.1.input", "layers.0.post", "layers.1.post", "final", "dense.weight"];
    for (const part of parts) await train(`part ${part}`.replaceAll(" ", "-"), full({ match: [part] }));
    const after = await process();
    expect(after.threads).toBeLessThanOrEqual(before.threads + 8);
    expect(after.bytes - before.bytes).toBeLessThan(400 * MB);
    await glm.dispose();
  });

  it("is given back after a large batch, and the model's when it is unloaded", async () => {
    const glm = await open("large.ipynb");
    const adapter = await glm.createAdapter("dream", lora({ r: 2 }));
    const batch = (count: number, tokens: number) => {
      const ids = Array.from({ length: count }, (_, row) =>
        Array.from({ length: tokens }, (_, i) => 5 + ((row + i) % 200)),
      );
      return { inputIds: ids, labels: ids.map((row) => row.map((id, i) => (i < tokens - 4 ? -100 : id))) };
    };
    const small = await adapter.gradients(batch(1, 16));
    const before = await process();
    const large = await adapter.gradients(batch(96, 256));
    await vi.waitFor(async () => {
      expect((await process()).bytes - before.bytes).toBeLessThan(250 * MB);
    }, 20_000);
    // The same rows, whichever program they run in.
    const again = await adapter.gradients(batch(1, 16));
    expect(again.loss).toBe(small.loss);
    const parts = await Promise.all([0, 1].map((_, i) => adapter.gradients(slice(batch(96, 256), 48 * i))));
    expect(large.loss).toBeCloseTo((parts[0]!.loss + parts[1]!.loss) / 2, 5);
    await glm.unload();
    expect((await runtimeStatus())?.models).toEqual([]);
    await expect(glm.ask("a")).rejects.toMatchObject({ code: "model-not-loaded" });
    const reopened = await open("large.ipynb");
    expect((await reopened.adapters()).map((one) => one.name)).toEqual(["dream"]);
    await reopened.dispose();
  });
});

const slice = <T extends { readonly inputIds: number[][]; readonly labels: number[][] }>(batch: T, from: number) => ({
  inputIds: batch.inputIds.slice(from, from + 48),
  labels: batch.labels.slice(from, from + 48),
});
