/** @file What every engine does, wherever it lives: one suite for all implementations. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import type { Row } from "../../src/data/row.ts";
import {
  type AdapterRef,
  type AdapterSelection,
  type Batch,
  type Engine,
  type LoadParams,
  type ModelInfo,
  SHARED,
} from "../../src/engine/engine.ts";
import type { SamplingOptions } from "../../src/generate/sampler.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { type FloatTensor, tensor } from "../../src/tensor.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import type { OptimizerConfig } from "../../src/train/optimizer.ts";

export interface Subject {
  readonly engine: Engine;
  readonly load: LoadParams;
  close(): Promise<void>;
}

const sampling: SamplingOptions = {
  maxNewTokens: 6,
  ...GREEDY,
  stop: [],
};
const fitting: FitOptions = {
  epochs: 3,
  lr: 0.01,
  batchSize: 8,
  accumulate: 1,
  clip: 1,
  weightDecay: 0,
  scheduler: "constant",
  warmup: 0,
  patience: 0,
  rehearse: [],
  rehearsePerBatch: 0,
  maxLength: 64,
  seed: 0,
  stop: [],
};
const adamW: OptimizerConfig = { kind: "adamW", lr: 0.05, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, clip: 0 };
const batch: Batch = {
  inputIds: [
    [5, 6, 7, 3],
    [8, 9, 4],
  ],
  labels: [
    [-100, 6, 7, 3],
    [-100, -100, 4],
  ],
};
const rows: Row[] = [{ prompt: "a b", response: "c d" }];
const lora: AdapterConfig = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] };

/** Runs the suite against engines that `open` makes. */
export function engineContract(name: string, open: () => Promise<Subject>): void {
  describe(`engine contract: ${name}`, () => {
    let subject: Subject;
    let engine: Engine;
    let model: ModelInfo;
    let folder: string;
    let count = 0;
    const slug = name.replace(/\W+/g, "-");

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "glmlab-contract-"));
      subject = await open();
      engine = subject.engine;
      model = await load();
    });
    afterAll(async () => {
      await subject?.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function load(): Promise<ModelInfo> {
      let ready: ModelInfo | undefined;
      for await (const event of engine.stream("load", subject.load)) if (event.type === "ready") ready = event.model;
      if (!ready) throw new Error("a load ended without being ready");
      return ready;
    }

    async function newAdapter(owner = "contract"): Promise<AdapterRef> {
      const adapter = { owner, name: `${slug}-${++count}` };
      await engine.call("createAdapter", { model: model.key, adapter, config: lora, seed: count });
      return adapter;
    }

    async function logits(adapter: AdapterSelection): Promise<Float32Array> {
      return (await engine.call("logits", { model: model.key, inputIds: [[5, 6, 7]], adapter })).data;
    }

    async function learn(adapter: AdapterRef): Promise<number> {
      const { handle } = await engine.call("gradients", { model: model.key, adapter, batch, seed: 1 });
      const params = { model: model.key, adapter, optimizer: adapter.name, config: adamW, handles: [handle] };
      return (await engine.call("optimizerStep", params)).gradientNorm;
    }

    async function generate(
      ids: number[],
      options: Partial<SamplingOptions> = {},
      adapter: AdapterSelection = null,
    ): Promise<number[]> {
      const params = { model: model.key, rows: [{ ids, adapter }], options: { ...sampling, ...options } };
      const tokens: number[] = [];
      for await (const event of engine.stream("generate", params)) if (event.type === "token") tokens.push(event.token);
      return tokens;
    }

    it("loads once: the second time the model is resident, under the same key", async () => {
      const again = await load();
      expect(again.key).toBe(model.key);
      expect(again.resident).toBe(true);
      const models = await engine.call("models", {});
      expect(models.map((one) => one.model.key)).toEqual([model.key]);
    });

    it("refuses a model that is not there, by code", async () => {
      const nowhere = async (): Promise<void> => {
        for await (const _ of engine.stream("load", { ...subject.load, name: "/nowhere/at/all" }));
      };
      await expect(nowhere()).rejects.toMatchObject({ name: "GlmError", code: "model-not-found" });
      const unknown = engine.call("adapters", { model: "no such key", owner: "contract" });
      await expect(unknown).rejects.toMatchObject({ name: "GlmError", code: "model-not-loaded" });
      const stream = engine.stream("generate", {
        model: "no such key",
        rows: [{ ids: [5], adapter: null }],
        options: sampling,
      });
      await expect(stream.next()).rejects.toMatchObject({ name: "GlmError", code: "model-not-loaded" });
    });

    it("gives logits of all positions, or of those that are asked for", async () => {
      const all = await engine.call("logits", {
        model: model.key,
        inputIds: [
          [5, 6, 7],
          [8, 9, 4],
        ],
        adapter: null,
      });
      expect(all.shape).toEqual([2, 3, model.config.vocabulary]);
      expect(all.data.every(Number.isFinite)).toBe(true);
      const some = await engine.call("logits", {
        model: model.key,
        inputIds: [
          [5, 6, 7],
          [8, 9, 4],
        ],
        adapter: null,
        positions: [2],
      });
      expect(some.shape).toEqual([2, 1, model.config.vocabulary]);
      const width = model.config.vocabulary;
      const expected = [...all.data.slice(2 * width, 3 * width), ...all.data.slice(5 * width, 6 * width)];
      for (const [i, value] of some.data.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 4);
    });

    it("creates adapters without effect, each under its owner", async () => {
      const mine = await newAdapter("me");
      expect(Array.from(await logits(mine))).toEqual(Array.from(await logits(null)));
      const theirs = { owner: "them", name: mine.name };
      await engine.call("createAdapter", { model: model.key, adapter: theirs, config: lora, seed: 0 });
      await learn(theirs);
      expect(Array.from(await logits(mine))).toEqual(Array.from(await logits(null)));
      const again = { model: model.key, adapter: theirs, config: lora, seed: 0 };
      const refused = engine.call("createAdapter", { ...again, existing: "refuse" });
      await expect(refused).rejects.toMatchObject({ code: "adapter-exists" });
      const learnt = await logits(theirs);
      const { setAside = "" } = await engine.call("createAdapter", again);
      expect(setAside).toBe(`${mine.name}.1`);
      expect(Array.from(await logits({ owner: "them", name: setAside }))).toEqual(Array.from(learnt));
      expect(Array.from(await logits(theirs))).toEqual(Array.from(await logits(null)));
      const names = async (owner: string): Promise<string[]> =>
        (await engine.call("adapters", { model: model.key, owner })).map((info) => info.name);
      expect(await names("me")).toContain(mine.name);
      expect(await names("somebody else")).not.toContain(mine.name);
      await engine.call("disposeAdapter", { model: model.key, adapter: mine });
      await expect(logits(mine)).rejects.toMatchObject({ code: "adapter-not-found" });
    });

    it("answers with several adapters, each counted by its weight, and makes one of them", async () => {
      const [one, two] = [await newAdapter(), await newAdapter()];
      for (const adapter of [one, two, two]) await learn(adapter);
      const base = await logits(null);
      const part = (adapter: AdapterRef, weight: number) => ({ adapter, weight });
      expect(Array.from(await logits([part(one, 1)]))).toEqual(Array.from(await logits(one)));
      expect(Array.from(await logits([part(one, 0), part(two, 0)]))).toEqual(Array.from(base));
      const sum = [part(one, 2), part(two, -0.5)];
      const both = await logits(sum);
      expect(Array.from(both)).not.toEqual(Array.from(base));
      expect(await generate([5, 6], { maxNewTokens: 3 }, sum)).toHaveLength(3);
      const adapter = { owner: "contract", name: `${one.name}-sum` };
      const { steps } = await engine.call("combineAdapters", { model: model.key, adapter, parts: sum });
      expect(steps).toBe(0);
      for (const [i, value] of (await logits(adapter)).entries()) expect(value).toBeCloseTo(both[i] ?? Number.NaN, 4);
      const lost = { owner: "contract", name: "lost" };
      await expect(logits([part(one, 1), part(lost, 1)])).rejects.toMatchObject({ code: "adapter-not-found" });
    });

    it("shows shared adapters to everybody who asks for them", async () => {
      const shared = await newAdapter(SHARED);
      await learn(shared);
      const byName = { owner: "anybody", name: shared.name };
      expect(Array.from(await logits(byName))).toEqual(Array.from(await logits(shared)));
      expect(Array.from(await logits(byName))).not.toEqual(Array.from(await logits(null)));
      const seen = await engine.call("adapters", { model: model.key, owner: "anybody" });
      expect(seen.find(({ name }) => name === shared.name)?.owner).toBe(SHARED);
    });

    it("reads and writes an adapter's tensors", async () => {
      const [trained, fresh] = [await newAdapter(), await newAdapter()];
      for (let i = 0; i < 3; i++) await learn(trained);
      const tensors = await engine.call("readAdapter", { model: model.key, adapter: trained });
      const info = await engine.call("adapterInfo", { model: model.key, adapter: trained });
      expect(Object.keys(tensors).sort()).toEqual(info.parameters.map((one) => one.name).sort());
      await engine.call("writeAdapter", { model: model.key, adapter: fresh, tensors });
      expect(Array.from(await logits(fresh))).toEqual(Array.from(await logits(trained)));
      const [name, { shape, data }] = Object.entries(tensors)[0] as [string, FloatTensor];
      const misfits = [
        { [name]: tensor("float32", [1], Float32Array.of(1)) },
        { nonsense: tensor("float32", shape, data) },
      ];
      for (const misfit of misfits) {
        const wrong = engine.call("writeAdapter", { model: model.key, adapter: fresh, tensors: misfit });
        await expect(wrong).rejects.toMatchObject({ name: "GlmError", code: "adapter-invalid" });
      }
      expect(Array.from(await logits(fresh))).toEqual(Array.from(await logits(trained)));
    });

    it("computes gradients that stay until a step takes them", async () => {
      const adapter = await newAdapter();
      const first = await engine.call("gradients", { model: model.key, adapter, batch, seed: 1 });
      expect(first.tokens).toBe(4);
      expect(first.loss).toBeGreaterThan(0);
      const read = await engine.call("readGradients", { model: model.key, handle: first.handle });
      const norm = Math.hypot(...Object.values(read).flatMap(({ data }) => Array.from(data)));
      const step = { model: model.key, adapter, optimizer: "o", config: adamW, handles: [first.handle] };
      expect((await engine.call("optimizerStep", step)).gradientNorm).toBeCloseTo(norm, 4);
      await expect(engine.call("readGradients", { model: model.key, handle: first.handle })).rejects.toThrow(
        /gradients/i,
      );
      const second = await engine.call("gradients", { model: model.key, adapter, batch, seed: 1 });
      expect(second.loss).toBeLessThan(first.loss);
      await engine.call("releaseGradients", { model: model.key, handle: second.handle });
      await expect(engine.call("readGradients", { model: model.key, handle: second.handle })).rejects.toThrow(
        /gradients/i,
      );
    });

    it("tells the losses that gradients have, of each row and with each row's adapter", async () => {
      const adapter = await newAdapter();
      const lossOf = async () => {
        const { handle, ...rest } = await engine.call("gradients", { model: model.key, adapter, batch, seed: 1 });
        await engine.call("releaseGradients", { model: model.key, handle });
        return rest;
      };
      const before = await lossOf();
      for (let i = 0; i < 3; i++) await learn(adapter);
      const after = await lossOf();
      expect(after.loss).toBeLessThan(before.loss);
      const rowsOf = (one: AdapterRef | null) =>
        batch.inputIds.map((ids, i) => ({ ids, labels: batch.labels[i] as readonly number[], adapter: one }));
      const found: { row: number; loss: number; tokens: number }[] = [];
      const rows = [...rowsOf(null), ...rowsOf(adapter)];
      for await (const event of engine.stream("losses", { model: model.key, rows })) found.push(event);
      const of = (row: number) => found.find((one) => one.row === row) ?? { loss: Number.NaN, tokens: 0 };
      expect(found.map(({ tokens }) => tokens).sort()).toEqual([1, 1, 3, 3]);
      for (const [first, { loss, tokens }] of [
        [0, before],
        [2, after],
      ] as const) {
        expect(of(first).tokens + of(first + 1).tokens).toBe(tokens);
        expect((of(first).loss + of(first + 1).loss) / tokens).toBeCloseTo(loss, 4);
      }
    });

    it("generates the same greedy tokens every time, and stops at a stop id", async () => {
      const tokens = await generate([5, 6]);
      expect(tokens).toHaveLength(6);
      expect(await generate([5, 6])).toEqual(tokens);
      const third = tokens[2] as number;
      expect(await generate([5, 6], { stop: [third] })).toEqual(tokens.slice(0, tokens.indexOf(third)));
    });

    it("answers rows of one batch as if each were alone", async () => {
      const adapter = await newAdapter();
      for (let i = 0; i < 5; i++) await learn(adapter);
      const asked = [
        { ids: [5, 6], adapter: null },
        { ids: [8, 9, 4], adapter },
      ];
      const answers: number[][] = [[], []];
      for await (const event of engine.stream("generate", { model: model.key, rows: asked, options: sampling })) {
        if (event.type === "token") answers[event.row]?.push(event.token);
      }
      expect(answers[0]).toEqual(await generate([5, 6]));
      expect(answers[1]).toEqual(await generate([8, 9, 4], {}, adapter));
    });

    it("ends a generation that is left early or aborted", async () => {
      const params = {
        model: model.key,
        rows: [{ ids: [5], adapter: null }],
        options: { ...sampling, maxNewTokens: 50 },
      };
      let seen = 0;
      for await (const _ of engine.stream("generate", params)) if (++seen === 3) break;
      expect(seen).toBe(3);
      const abort = new AbortController();
      const reason = new Error("enough");
      const read = async (): Promise<void> => {
        for await (const _ of engine.stream("generate", params, { signal: abort.signal })) abort.abort(reason);
      };
      await expect(read()).rejects.toBe(reason);
      await expect(engine.stream("generate", params, { signal: abort.signal }).next()).rejects.toBe(reason);
      await expect(engine.call("models", {}, { signal: abort.signal })).rejects.toBe(reason);
    });

    it("trains in step with its reader", async () => {
      const adapter = await newAdapter();
      const kinds: string[] = [];
      for await (const event of engine.stream("fit", {
        model: model.key,
        adapter,
        rows,
        validation: [],
        options: fitting,
      })) {
        kinds.push(event.type);
        if (event.type !== "step") continue;
        const { steps } = await engine.call("adapterInfo", { model: model.key, adapter });
        expect(steps).toBe(event.step);
      }
      expect(kinds.filter((kind) => kind === "step")).toHaveLength(3);
      expect([kinds[0], kinds.at(-1)]).toEqual(["start", "done"]);
      expect(Array.from(await logits(adapter))).not.toEqual(Array.from(await logits(null)));
    });

    it("keeps the finished steps of a training that is left or aborted", async () => {
      const long = { ...fitting, epochs: 500 };
      for (const how of ["break", "abort"]) {
        const adapter = await newAdapter();
        const abort = new AbortController();
        const read = async (): Promise<void> => {
          const params = { model: model.key, adapter, rows, validation: [], options: long };
          for await (const event of engine.stream("fit", params, { signal: abort.signal })) {
            if (event.type !== "step" || event.step < 2) continue;
            if (how === "break") return;
            abort.abort();
          }
        };
        if (how === "abort") await expect(read()).rejects.toMatchObject({ name: "AbortError" });
        else await read();
        const { steps } = await engine.call("adapterInfo", { model: model.key, adapter });
        expect(steps, how).toBeGreaterThanOrEqual(2);
        expect(steps, how).toBeLessThanOrEqual(3);
        await new Promise((resolve) => setTimeout(resolve, 60));
        expect((await engine.call("adapterInfo", { model: model.key, adapter })).steps, how).toBeLessThanOrEqual(3);
      }
    });

    it("refuses to train on nothing", async () => {
      const adapter = await newAdapter();
      const events = engine.stream("fit", { model: model.key, adapter, rows: [], validation: [], options: fitting });
      const read = async (): Promise<void> => {
        for await (const _ of events);
      };
      await expect(read()).rejects.toMatchObject({ name: "GlmError", code: "data-invalid" });
    });

    it("saves an adapter and loads it under another name", async () => {
      const adapter = await newAdapter();
      for (let i = 0; i < 3; i++) await learn(adapter);
      const saved = join(folder, "saved");
      await engine.call("saveAdapter", { model: model.key, adapter, folder: saved });
      const loaded = { owner: "contract", name: `${slug}-${++count}` };
      const info = await engine.call("loadAdapter", { model: model.key, adapter: loaded, folder: saved });
      expect(info.source).toBe(saved);
      expect(Array.from(await logits(loaded))).toEqual(Array.from(await logits(adapter)));
    });

    it("finds adapters where they were when a model is loaded again", async () => {
      const adapter = await newAdapter();
      for (let i = 0; i < 3; i++) await learn(adapter);
      const before = Array.from(await logits(adapter));
      await engine.call("unload", { model: model.key });
      // One that remembers how it was loaded loads it again by itself.
      const listing = engine.call("adapters", { model: model.key, owner: "contract" });
      if (engine instanceof ReconnectingEngine) expect((await listing).map(({ name }) => name)).toContain(adapter.name);
      else await expect(listing).rejects.toMatchObject({ code: "model-not-loaded" });
      expect((await load()).key).toBe(model.key);
      expect(Array.from(await logits(adapter))).toEqual(before);
    });
  });
}
