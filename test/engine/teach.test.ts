/** @file Teaching and documents over real engines: recall as generation shows it, and what is on disk however it ends. */

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { Row } from "../../src/data/row.ts";
import type { AdapterRef, Engine, ModelInfo } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { rowWriter } from "../../src/train/row-writer.ts";
import type { TeachEvent } from "../../src/train/teach.ts";
import type { TeachOptions } from "../../src/train/teaching.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { works } from "../works.ts";

const LONG = 120_000;
const LORA = {
  method: "lora",
  r: 8,
  alpha: 32,
  dropout: 0,
  targets: ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
} as const;
const ROWS: readonly Row[] = [
  { prompt: "啥是梦中情炉？", response: "一个炉子。" },
  { prompt: "What is it?", response: "A stove." },
];

const folder = ownHome();
let tokenizer: Tokenizer;
let options: TeachOptions;
const end = (): number => tokenizer.specialIds.eos as number;

beforeAll(async () => {
  await writeSmallModel(join(folder, "model"));
  tokenizer = await loadTokenizer(join(folder, "model"));
  options = {
    steps: 300,
    lr: 2e-2,
    batchSize: 4,
    rehearsePerStep: 0,
    checkEvery: 5,
    extraSteps: 0,
    clip: 1,
    weightDecay: 0,
    maxLength: 64,
    seed: 0,
    stop: [end()],
  };
}, LONG);

async function loadModel(engine: Engine): Promise<ModelInfo> {
  const params = { name: join(folder, "model"), device: "cpu", precision: "exact", quantize: "none" } as const;
  for await (const event of engine.stream("load", params)) if (event.type === "ready") return event.model;
  throw new Error("loading ended without a model");
}

/** Each row's greedy answer, as text; undefined when it did not end by itself. */
async function answers(engine: Engine, model: string, adapter: AdapterRef | null, rows = ROWS) {
  const writer = rowWriter("chatglm2-6b", tokenizer);
  const asked = rows.map((row) => ({ ids: writer.prompt(row), adapter }));
  const sampling = { greedy: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0 };
  const ids: number[][] = rows.map(() => []);
  const ended = rows.map(() => false);
  const params = { model, rows: asked, options: { ...sampling, maxNewTokens: 24, stop: [end()] } };
  for await (const event of engine.stream("generate", params)) {
    if (event.type === "token") ids[event.row]?.push(event.token);
    if (event.type === "end") ended[event.row] = event.reason === "stop";
  }
  return ids.map((some, i) => (ended[i] ? tokenizer.decode(some) : undefined));
}

describe.each(["local", "in a runtime"])("an engine %s", (where) => {
  let engine: Engine;
  let model: string;
  let count = 0;

  beforeAll(async () => {
    engine = where === "local" ? new LocalEngine(only(cpu)) : await connectRuntime();
    model = (await loadModel(engine)).key;
  }, LONG);
  afterAll(() => engine?.close());

  const newAdapter = async (): Promise<AdapterRef> => {
    const adapter = { owner: where, name: `a${++count}` };
    await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1 });
    return adapter;
  };
  const teaching = (adapter: AdapterRef, rows = ROWS, change: Partial<TeachOptions> = {}) => ({
    model,
    adapter,
    rows: { lessons: rows, kept: [], rehearse: [] },
    options: { ...options, ...change },
  });
  const values = async (adapter: AdapterRef, of = engine) => {
    const tensors = await of.call("readAdapter", { model, adapter });
    return Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, Array.from(data)]));
  };

  it(
    "teaches until generation answers the rows, and counts its steps",
    async () => {
      const adapter = await newAdapter();
      expect(await answers(engine, model, adapter)).toEqual(await answers(engine, model, null));
      const events: TeachEvent[] = [];
      for await (const event of engine.stream("teach", teaching(adapter))) events.push(event);
      const done = events.at(-1);
      expect(done).toMatchObject({ type: "done", reason: "recalled", recalled: [true, true] });
      expect(await answers(engine, model, adapter)).toEqual(ROWS.map(({ response }) => response));
      const { steps } = await engine.call("adapterInfo", { model, adapter });
      expect(steps).toBe(done?.type === "done" ? done.steps : 0);
      expect(steps).toBeGreaterThan(4);
    },
    LONG,
  );

  it.each(["leaves", "aborts"])(
    "keeps the last check's values for a client that %s in mid-teach",
    async (how) => {
      const adapter = await newAdapter();
      const abort = new AbortController();
      const rows = ROWS.slice(0, 1);
      let atCheck = await values(adapter);
      let stepsAtCheck = 0;
      let checks = 0;
      const read = async (): Promise<void> => {
        const params = teaching(adapter, rows, { extraSteps: 100, checkEvery: 8 });
        for await (const event of engine.stream("teach", params, { signal: abort.signal })) {
          if (event.type === "check" && event.recalled[0] === true) {
            checks += 1;
            stepsAtCheck = event.step;
            atCheck = await values(adapter);
          }
          if (checks < 1 || event.type !== "step" || event.step < stepsAtCheck + 2) continue;
          expect(await values(adapter)).not.toEqual(atCheck);
          if (how === "leaves") return;
          abort.abort();
        }
      };
      if (how === "aborts") await expect(read()).rejects.toMatchObject({ name: "AbortError" });
      else await read();
      expect(checks).toBe(1);
      await expect.poll(() => values(adapter), { timeout: 10_000 }).toEqual(atCheck);
      expect((await engine.call("adapterInfo", { model, adapter })).steps).toBe(stepsAtCheck);
      // It is idle again, and can go on from there.
      for await (const event of engine.stream("teach", teaching(adapter, rows))) {
        if (event.type === "done") expect(event).toMatchObject({ steps: 0, reason: "recalled" });
      }
    },
    LONG,
  );

  it(
    "refuses a second teaching meanwhile, and lessons that are none",
    async () => {
      const adapter = await newAdapter();
      const running = engine.stream("teach", teaching(adapter));
      await running.next();
      await expect(engine.stream("teach", teaching(adapter)).next()).rejects.toMatchObject({
        code: "adapter-invalid",
        message: expect.stringContaining("being trained"),
      });
      await running.return();
      const none = async (): Promise<void> => {
        for await (const _ of engine.stream("teach", teaching(adapter, [])));
      };
      await expect(none()).rejects.toMatchObject({ code: "data-invalid" });
    },
    LONG,
  );

  it("keeps documents, saves and loads them, and saves over them when there are none", async () => {
    const [adapter, plain] = [await newAdapter(), await newAdapter()];
    const read = (of: AdapterRef) => engine.call("readDocument", { model, adapter: of, document: "facts.json" });
    expect(await read(adapter)).toBeNull();
    await engine.call("writeDocument", { model, adapter, document: "facts.json", text: "first" });
    await engine.call("writeDocument", { model, adapter, document: "facts.json", text: "第二 🎈" });
    expect(await read(adapter)).toBe("第二 🎈");
    expect(await read(plain)).toBeNull();
    const saved = join(folder, `saved-${count}`);
    await engine.call("saveAdapter", { model, adapter, folder: saved, replace: true });
    expect(await readFile(join(saved, "facts.json"), "utf8")).toBe("第二 🎈");
    const loaded = { ...adapter, name: `${adapter.name}-loaded` };
    await engine.call("loadAdapter", { model, adapter: loaded, folder: saved });
    expect(await read(loaded)).toBe("第二 🎈");
    await engine.call("saveAdapter", { model, adapter: plain, folder: saved, replace: true });
    const again = { ...adapter, name: `${adapter.name}-again` };
    await engine.call("loadAdapter", { model, adapter: again, folder: saved });
    expect(await read(again)).toBeNull();
    // One that takes its place has none of them.
    await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, existing: "replace" as const });
    expect(await read(adapter)).toBeNull();
    await expect(read({ owner: where, name: "nobody" })).rejects.toMatchObject({ code: "adapter-not-found" });
  });

  it(
    "finds tensors and documents of one moment on the disk when another engine begins",
    async () => {
      const adapter = await newAdapter();
      await engine.call("writeDocument", { model, adapter, document: "facts.json", text: "known" });
      for await (const _ of engine.stream("teach", teaching(adapter, ROWS.slice(0, 1))));
      const other = new LocalEngine(only(cpu));
      await loadModel(other);
      expect(await values(adapter, other)).toEqual(await values(adapter));
      expect(await other.call("readDocument", { model, adapter, document: "facts.json" })).toBe("known");
      expect(await answers(other, model, adapter, ROWS.slice(0, 1))).toEqual(["一个炉子。"]);
      await other.close();
    },
    LONG,
  );
});

describe("a disk that is full", () => {
  it(
    "leaves document and tensors as they were, in memory and on the disk, and teaching goes on",
    async ({ skip }) => {
      const data = join(folder, "small");
      await mkdir(data);
      skip(!works("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", data), "needs the right to mount a small disk");
      vi.stubEnv("GLMLAB_DATA", data);
      const engine = new LocalEngine(only(cpu));
      try {
        const model = (await loadModel(engine)).key;
        const adapter = { owner: "o", name: "book" };
        await engine.call("createAdapter", { model, adapter, config: { ...LORA, r: 2 }, seed: 1 });
        const write = (text: string) => engine.call("writeDocument", { model, adapter, document: "facts.json", text });
        await write("old");
        const before = await engine.call("readAdapter", { model, adapter });
        await expect(write("x".repeat(1_000_000))).rejects.toMatchObject({
          code: "disk",
          message: expect.stringContaining("the disk is full"),
        });
        const read = (from: Engine) => from.call("readDocument", { model, adapter, document: "facts.json" });
        expect(await read(engine)).toBe("old");
        expect(await engine.call("readAdapter", { model, adapter })).toEqual(before);
        const other = new LocalEngine(only(cpu));
        await loadModel(other);
        expect(await read(other)).toBe("old");
        expect(await other.call("readAdapter", { model, adapter })).toEqual(before);
        await other.close();
        await write("new");
        expect(await read(engine)).toBe("new");
      } finally {
        await engine.close();
        works("umount", data);
        vi.stubEnv("GLMLAB_DATA", join(folder, "data"));
      }
    },
    LONG,
  );

  it(
    "fails a teaching whose end cannot be written, after it has been told",
    async () => {
      const data = join(folder, "broken");
      vi.stubEnv("GLMLAB_DATA", data);
      const engine = new LocalEngine(only(cpu));
      const model = (await loadModel(engine)).key;
      const adapter = { owner: "o", name: "book" };
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1 });
      const rows = { lessons: ROWS.slice(0, 1), kept: [], rehearse: [] };
      const kinds: string[] = [];
      const teaching = async (): Promise<void> => {
        for await (const event of engine.stream("teach", { model, adapter, rows, options })) {
          kinds.push(event.type);
          if (event.type !== "start") continue;
          await rename(data, `${data}-aside`);
          await writeFile(data, "");
        }
      };
      await expect(teaching()).rejects.toMatchObject({ code: "disk" });
      expect(kinds.at(-1)).toBe("done");
      await rm(data);
      await rename(`${data}-aside`, data);
      expect(await answers(engine, model, adapter, ROWS.slice(0, 1))).toEqual(["一个炉子。"]);
      await engine.close();
      vi.stubEnv("GLMLAB_DATA", join(folder, "data"));
    },
    LONG,
  );
});
