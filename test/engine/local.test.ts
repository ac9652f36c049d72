/** @file The engine in this process: the published numbers, and adapters that several use at once. */

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { ownHome } from "../home.ts";
import { copyOracleModel, oracleFolder } from "../oracle.ts";
import { loadModel, oracleSuite } from "./oracle-suite.ts";

const scratch = ownHome();

const modelWithTokenizer = (family: string): string => copyOracleModel(family, join(scratch, family));

oracleSuite("in this process", { device: "cpu", scratch, open: async () => new LocalEngine(only(cpu)) });

it("finds adapters on disk when another engine loads the model", async () => {
  const name = modelWithTokenizer("chatglm2-6b");
  const [engine, other] = [new LocalEngine(only(cpu)), new LocalEngine(only(cpu))];
  const model = (await loadModel(engine, name)).key;
  const ref = (adapter: string) => ({ owner: "test", name: adapter });
  const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] } as const;
  await engine.call("createAdapter", { model, adapter: ref("fresh"), config, seed: 1 });
  await engine.call("loadAdapter", { model, adapter: ref("loaded"), folder: oracleFolder("chatglm2-6b", "lora-qkv") });
  await engine.call("writeAdapter", { model, adapter: ref("fresh"), tensors: {} });
  const again = await loadModel(other, name);
  const names = (await other.call("adapters", { model: again.key, owner: "test" })).map((adapter) => adapter.name);
  expect(names).toEqual(expect.arrayContaining(["loaded", "fresh"]));
  expect(await other.call("adapters", { model: again.key, owner: "somebody else" })).toEqual([]);
  await engine.close();
  await other.close();
});

describe("adapters under concurrency", () => {
  const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] } as const;

  it("has one live adapter, however many ask for it at once after a restart", async () => {
    const name = modelWithTokenizer("chatglm2-6b");
    const adapter = { owner: "concurrent", name: "one" };
    const first = new LocalEngine(only(cpu));
    await first.call("createAdapter", { model: (await loadModel(first, name)).key, adapter, config, seed: 1 });
    await first.close();
    const engine = new LocalEngine(only(cpu));
    const model = (await loadModel(engine, name)).key;
    const batch = { inputIds: [[5, 6, 7]], labels: [[-100, 6, 7]] };
    const handles = await Promise.all(
      [0, 1, 2].map(async (seed) => (await engine.call("gradients", { model, adapter, batch, seed })).handle),
    );
    // Gradients of another copy of the adapter would be refused.
    const step = { model, adapter, optimizer: "o", config: adamWConfig({ lr: 0.1 }), handles };
    expect((await engine.call("optimizerStep", step)).step).toBe(1);
    await engine.close();
  });

  it("is not saved over the files that it is mapped from, nor over another model's", async () => {
    const engine = new LocalEngine(only(cpu));
    const [own, other] = ["chatglm2-6b", "chatglm3-6b"].map(modelWithTokenizer) as [string, string];
    const model = (await loadModel(engine, own)).key;
    await loadModel(engine, other);
    for (const folder of [own, `${own}/`, other]) {
      const saving = engine.call("saveModel", { model, adapter: null, folder, maxShardBytes: 1e9 });
      await expect(saving).rejects.toMatchObject({ code: "option-invalid" });
    }
    await engine.close();
  });

  it("ends what it streams when its model is unloaded meanwhile", async () => {
    const engine = new LocalEngine(only(cpu));
    const model = (await loadModel(engine, modelWithTokenizer("chatglm2-6b"))).key;
    const sampling = { ...GREEDY, stop: [] };
    const rows = [{ ids: [5, 6, 7], adapter: null }];
    const answer = engine.stream("generate", { model, rows, options: { ...sampling, maxNewTokens: 50 } });
    await answer.next();
    await engine.call("unload", { model });
    await expect(answer.next()).rejects.toMatchObject({ code: "model-not-loaded" });
    await engine.close();
  });

  const options = {
    epochs: 5,
    lr: 1e-3,
    batchSize: 1,
    accumulate: 1,
    clip: 1,
    weightDecay: 0,
    scheduler: "constant" as const,
    warmup: 0,
    patience: 0,
    rehearse: [],
    rehearsePerBatch: 1,
    maxLength: 64,
    seed: 0,
    stop: [],
  };

  it("refuses a second training and a merge while one is under way", async () => {
    const engine = new LocalEngine(only(cpu));
    const model = (await loadModel(engine, modelWithTokenizer("chatglm2-6b"))).key;
    const adapter = { owner: "concurrent", name: "busy" };
    await engine.call("createAdapter", { model, adapter, config, seed: 1, existing: "replace" as const });
    const training = () =>
      engine.stream("fit", { model, adapter, rows: [{ prompt: "a", response: "b" }], validation: [], options });
    const running = training();
    await running.next();
    const refused = { code: "adapter-invalid", message: expect.stringContaining("being trained") };
    await expect(training().next()).rejects.toMatchObject(refused);
    await expect(engine.call("mergeAdapter", { model, adapter })).rejects.toMatchObject(refused);
    const anew = { model, adapter, config, seed: 2, existing: "replace" as const };
    await expect(engine.call("createAdapter", anew)).rejects.toMatchObject(refused);
    await expect(engine.call("disposeAdapter", { model, adapter })).rejects.toMatchObject(refused);
    const saved = join(mkdtempSync(join(scratch, "busy-")), "busy");
    await engine.call("saveAdapter", { model, adapter, folder: saved });
    await expect(
      engine.call("loadAdapter", { model, adapter, folder: saved, existing: "replace" as const }),
    ).rejects.toMatchObject(refused);
    expect((await engine.call("adapterInfo", { model, adapter })).name).toBe("busy");
    await running.return();
    await expect(training().next()).resolves.toMatchObject({ done: false });
    await engine.close();
  });

  it("waits for the last step of training that was given up, whatever comes next", async () => {
    const engine = new LocalEngine(only(cpu));
    const model = (await loadModel(engine, modelWithTokenizer("chatglm2-6b"))).key;
    const adapter = { owner: "concurrent", name: "given-up" };
    const anew = { model, adapter, config, seed: 1, existing: "replace" as const };
    await engine.call("createAdapter", anew);
    const again = async (): Promise<void> => {
      const running = training();
      await running.next();
      await running.return();
    };
    for (const next of [
      again,
      () => engine.call("createAdapter", anew),
      () => engine.call("mergeAdapter", { model, adapter }),
      () => engine.call("disposeAdapter", { model, adapter }),
    ]) {
      const abort = new AbortController();
      const running = training(abort.signal);
      await running.next();
      const step = running.next();
      abort.abort();
      // Whether the reader sees that step or the abort, what comes next waits until it is over.
      const over = step.then(
        () => running.return(),
        () => undefined,
      );
      await next();
      await over;
      if (next.toString().includes("merge")) await engine.call("createAdapter", anew);
    }
    await engine.close();

    function training(signal?: AbortSignal) {
      return engine.stream(
        "fit",
        { model, adapter, rows: [{ prompt: "a", response: "b" }], validation: [], options },
        signal ? { signal } : {},
      );
    }
  });
});
