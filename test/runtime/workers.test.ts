/** @file Models in processes of their own: what they compute, and every way in which they end. No GPU is needed for that. */
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { ModelInfo } from "../../src/engine/engine.ts";
import { RemoteEngine } from "../../src/rpc/client.ts";
import { startWorker, type WorkerHandle } from "../../src/runtime/workers.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const home = ownHome();
const started: WorkerHandle[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((worker) => worker.stop()));
});

async function connected() {
  const lines: string[] = [];
  const worker = startWorker("it", "process", (line) => void lines.push(line));
  started.push(worker);
  const engine = await RemoteEngine.connect(worker.channel, "the worker is gone");
  return { worker, engine, lines };
}

async function loaded(engine: RemoteEngine): Promise<ModelInfo> {
  const name = await writeSmallModel(join(home, "model"));
  for await (const event of engine.stream("load", { name, device: "cpu", precision: "exact", quantize: "none" })) {
    if (event.type === "ready") return event.model;
  }
  throw new Error("loading ended without a model");
}

describe("a worker process", () => {
  it("answers with tensors", async () => {
    const { engine } = await connected();
    const { key } = await loaded(engine);
    const { data, shape } = await engine.call("logits", { model: key, inputIds: [[5, 6]], adapter: null });
    expect(shape).toEqual([1, 2, 4160]);
    expect(data).toBeInstanceOf(Float32Array);
    await engine.close();
  });

  it("that is killed tells who waits, and who asks next", async () => {
    const { engine, worker, lines } = await connected();
    const { key } = await loaded(engine);
    const asked = engine.call("logits", { model: key, inputIds: [[5, 6]], adapter: null });
    asked.catch(() => undefined);
    await worker.stop();
    await expect(asked).rejects.toMatchObject({ code: "runtime-lost", message: expect.stringContaining("is gone") });
    await expect(engine.call("models", {})).rejects.toMatchObject({ code: "runtime-lost" });
    expect(lines.at(-1)).toBe("[it] worker ended");
  });

  it("ends when the channel is closed: nobody would tell it anything any more", async () => {
    const { engine, worker } = await connected();
    await engine.close();
    await worker.exited;
  });

  it("that cannot be started is gone at once", async () => {
    const { execPath } = process;
    process.execPath = join(home, "no-such-node");
    try {
      const worker = startWorker("it", "process", () => undefined);
      await expect(RemoteEngine.connect(worker.channel, "the worker is gone")).rejects.toThrow("the worker is gone");
      await worker.exited;
    } finally {
      process.execPath = execPath;
    }
  });
});
