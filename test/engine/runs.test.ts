/** @file Runs of training in an engine: kept as they go, taken up again to the same losses, watched, stopped, by themselves. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { Row } from "../../src/data/row.ts";
import { rowFile } from "../../src/data/row-file.ts";
import { allRows, inMemory, type RowFile } from "../../src/data/row-store.ts";
import type { RunInfo, Streams } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { RunFolder } from "../../src/engine/runs/run-folder.ts";
import { unfinishedLoads } from "../../src/engine/runs/unfinished.ts";
import { replaceFiles } from "../../src/files.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import type { FitEvent } from "../../src/train/trainer.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { loadModel } from "./oracle-suite.ts";

const home = ownHome();
const engines: LocalEngine[] = [];
let small: string;
beforeAll(async () => {
  small = await writeSmallModel(join(home, "model"));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const OPTIONS: FitOptions = {
  ...{ epochs: 4, lr: 5e-3, batchSize: 2, accumulate: 1, clip: 1, weightDecay: 0.01, scheduler: "cosine" },
  ...{ warmup: 2, patience: 0, rehearse: [], rehearsePerBatch: 0, maxLength: 32, seed: 7, stop: [2] },
};
const rows: readonly Row[] = ["ab", "ba", "aab", "bba", "abab"].map((prompt, i) => ({
  prompt,
  response: `a${"b".repeat(i)}`,
}));
const validation: readonly Row[] = [{ prompt: "bb", response: "ab" }];
const METHODS: Readonly<Record<string, AdapterConfig>> = {
  lora: { method: "lora", r: 4, alpha: 8, dropout: 0.2, targets: ["query_key_value"] },
  adaLora: {
    ...{ method: "adaLora", r: 1, initR: 3, alpha: 8, dropout: 0, targets: ["query_key_value", "dense"] },
    ...{ tinit: 1, tfinal: 2, deltaT: 1, beta1: 0.85, beta2: 0.85, orthogonality: 0.5 },
  },
  pTuning: { method: "pTuning", length: 3, projection: true, dropout: 0.1 },
};

type Params = Streams["fit"]["params"];

async function open(name: string, config?: AdapterConfig): Promise<{ engine: LocalEngine; params: Params }> {
  const engine = new LocalEngine(only(cpu));
  engines.push(engine);
  const { key: model } = await loadModel(engine, small);
  const target = { model, adapter: { owner: "test", name } };
  if (config) await engine.call("createAdapter", { ...target, config, seed: 1 });
  return { engine, params: { ...target, rows, validation, options: OPTIONS } };
}

/** @param until a step after which it is abandoned */
async function read(events: AsyncIterable<FitEvent>, until = Number.POSITIVE_INFINITY): Promise<FitEvent[]> {
  const seen: FitEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (event.type === "step" && event.step >= until) break;
  }
  return seen;
}

/** All but how long it took. */
const timeless = (events: readonly FitEvent[]): unknown[] =>
  events
    .filter(({ type }) => type !== "start" && type !== "rehearse")
    .map((event) => ("seconds" in event ? { ...event, seconds: 0 } : event));

const infoOf = async (engine: LocalEngine, { model, adapter }: Params): Promise<RunInfo> =>
  (await engine.call("run", { model, adapter })) as RunInfo;

describe.each(Object.entries(METHODS))("%s", (method, config) => {
  it.each([
    ["after a step in the midst of an epoch", 4, { validation: [] as readonly Row[] }],
    ["after the last step of an epoch, which was not judged yet", 6, { validation }],
    ["with patience, by steps", 7, { validation, options: { ...OPTIONS, validateEvery: 2, patience: 50 } }],
    [
      "accumulated, with rehearsal",
      3,
      { options: { ...OPTIONS, batchSize: 1, accumulate: 2, rehearse: rows.slice(0, 3), rehearsePerBatch: 2 } },
    ],
  ])("stopped %s, goes on in another process to the same losses and values", async (_, until, changes) => {
    const whole = await open(`${method}-whole`, config);
    const expected = await read(whole.engine.stream("fit", { ...whole.params, ...changes }));
    const values = await whole.engine.call("readAdapter", whole.params);

    const name = `${method}-${until}-${JSON.stringify(changes).length}`;
    const first = await open(name, config);
    await read(first.engine.stream("fit", { ...first.params, ...changes }), until);
    expect(await infoOf(first.engine, first.params)).toMatchObject({ state: "stopped", step: until, detached: false });
    await first.engine.close();

    const second = await open(name);
    const seen = await read(second.engine.stream("fit", { ...second.params, ...changes, resume: true }));
    expect(seen[0]).toMatchObject({ type: "start", from: until });
    // What it told before comes first, and nothing twice.
    expect(timeless(seen)).toEqual(timeless(expected));
    expect(await second.engine.call("readAdapter", second.params)).toEqual(values);
    const { steps } = await second.engine.call("adapterInfo", second.params);
    expect(steps).toBe(expected.filter(({ type }) => type === "step").length);
    expect(await infoOf(second.engine, second.params)).toMatchObject({ state: "done" });
  });
});

describe("rows in a file", () => {
  const config = METHODS.lora as AdapterConfig;
  const stored = async (name: string, given: readonly Row[]): Promise<RowFile> => {
    await replaceFiles(home, [rowFile(name, inMemory(given))]);
    return { path: join(home, name), rows: given.length };
  };

  it("are trained on as those in memory are, and those that are meant of them", async () => {
    const whole = await open("memory", config);
    const expected = await read(whole.engine.stream("fit", whole.params));
    const file = await stored("all.jsonl", [validation[0] as Row, ...rows]);
    const { engine, params } = await open("file", config);
    const sent = {
      rows: { ...file, only: Uint32Array.of(1, 2, 3, 4, 5) },
      validation: { ...file, only: Uint32Array.of(0) },
    };
    expect(timeless(await read(engine.stream("fit", { ...params, ...sent })))).toEqual(timeless(expected));
  });

  it("are kept with a run that goes on by itself, whatever becomes of the file", async () => {
    const whole = await open("kept-whole", config);
    const expected = await read(whole.engine.stream("fit", whole.params));
    const values = await whole.engine.call("readAdapter", whole.params);
    const first = await open("kept", config);
    const [train, judged] = [await stored("train.jsonl", rows), await stored("judged.jsonl", validation)];
    const { folder } = await first.engine.call("startRun", { ...first.params, rows: train, validation: judged });
    rmSync(train.path);
    rmSync(judged.path);
    // As killed: it is not told that it ends.
    const kept = join(home, "kept-run");
    cpSync(folder, kept, { recursive: true });
    await vi.waitFor(async () => expect(await infoOf(first.engine, first.params)).toMatchObject({ state: "done" }));
    expect(await first.engine.call("readAdapter", first.params)).toEqual(values);
    const input = await new RunFolder(kept).input();
    expect([allRows(input.rows), allRows(input.validation)]).toEqual([rows, validation]);
    expect(expected.at(-1)).toMatchObject({ type: "done" });
  });

  it("that are gone are an error before anything is done", async () => {
    const { engine, params } = await open("gone", config);
    const before = await engine.call("readAdapter", params);
    const gone = { path: join(home, "gone.jsonl"), rows: 5 };
    await expect(read(engine.stream("fit", { ...params, rows: gone }))).rejects.toThrow(/gone.jsonl: expected a file/);
    expect(await engine.call("readAdapter", params)).toEqual(before);
  });
});

describe("a run that goes on", () => {
  const config = METHODS.lora as AdapterConfig;

  it("has the rows and options that it had, or what differs is said and nothing is done", async () => {
    const { engine, params } = await open("other", config);
    await read(engine.stream("fit", params), 3);
    const before = await engine.call("readAdapter", params);
    const others = rows.map((row, i) => (i === 1 ? { ...row, response: "bbbb" } : row));
    const changed = { ...params, rows: others, validation: [], options: { ...OPTIONS, lr: 1e-3 }, resume: true };
    await expect(read(engine.stream("fit", changed))).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringMatching(
        /lr was 0\.005 and is 0\.001; row 2 is another.*; there were 1 rows to validate on and are 0.*--resume/s,
      ),
    });
    expect(await engine.call("readAdapter", params)).toEqual(before);
    expect(await infoOf(engine, params)).toMatchObject({ state: "stopped", step: 3 });
  });

  it("is not taken up when the adapter was changed since", async () => {
    const { engine, params } = await open("changed", config);
    await read(engine.stream("fit", params), 3);
    await engine.call("writeAdapter", { ...params, tensors: await engine.call("readAdapter", params) } as never);
    await expect(read(engine.stream("fit", { ...params, resume: true }))).rejects.toMatchObject({
      code: "adapter-changed",
      message: expect.stringMatching(/changed since its run ended.*without resume/s),
    });
  });

  it("is not taken up, either, where it was killed and the adapter was changed by others since", async () => {
    const { engine, params } = await open("killed", config);
    await read(engine.stream("fit", params), 3);
    const { folder } = await infoOf(engine, params);
    const path = join(folder, "run.json");
    // Whoever is killed does not say that it ends.
    const { revision, ...record } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    expect(revision).toBeGreaterThan(0);
    const asKilled = (): void => writeFileSync(path, JSON.stringify({ ...record, state: "running" }));
    asKilled();
    await engine.close();
    const second = await open("killed");
    expect(await infoOf(second.engine, params)).toMatchObject({ state: "interrupted" });
    const seen = await read(second.engine.stream("fit", { ...params, resume: true }), 5);
    expect(seen[0]).toMatchObject({ from: 3 });
    asKilled();
    await second.engine.close();

    const third = await open("killed");
    const batch = { inputIds: [[5, 6, 7]], labels: [[5, 6, 7]] };
    const { handle } = await third.engine.call("gradients", { ...params, batch, seed: 0 });
    const optimizer = { kind: "adamW", lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, clip: 1 } as const;
    await third.engine.call("optimizerStep", { ...params, optimizer: "own", config: optimizer, handles: [handle] });
    await expect(read(third.engine.stream("fit", { ...params, resume: true }))).rejects.toMatchObject({
      code: "adapter-changed",
    });
  });

  it("that breaks down leaves a checkpoint of before, and a broken one changes nothing", async () => {
    const { engine, params } = await open("broken", config);
    const wild = { ...params, validation: [], options: { ...OPTIONS, lr: 1e25, clip: 0 } };
    await expect(read(engine.stream("fit", wild))).rejects.toMatchObject({ code: "loss-not-finite" });
    const values = await engine.call("readAdapter", params);
    await expect(read(engine.stream("fit", { ...wild, resume: true }))).rejects.toMatchObject({
      code: "loss-not-finite",
    });
    expect(await engine.call("readAdapter", params)).toEqual(values);
  });

  it("begins where there is none, and is over at once where it was done", async () => {
    const { engine, params } = await open("finished", config);
    const first = await read(engine.stream("fit", { ...params, resume: true }));
    expect(first[0]).not.toHaveProperty("from");
    const values = await engine.call("readAdapter", params);
    const again = await read(engine.stream("fit", { ...params, resume: true }));
    expect(again[0]).toMatchObject({ from: 12 });
    expect(timeless(again)).toEqual(timeless(first));
    expect(await engine.call("readAdapter", params)).toEqual(values);
  });

  it.each<[file: string, how: string, damage: (bytes: Buffer) => Buffer | undefined, isTold: boolean]>([
    ["last.safetensors", "cut", (bytes) => bytes.subarray(0, 500), true],
    ["last.safetensors", "gone", () => undefined, false],
    ["last.safetensors", "of no numbers", (bytes) => bytes.fill(255, bytes.length - 64), false],
    ["run.json", "cut", (bytes) => bytes.subarray(0, 20), true],
    ["run.json", "gone", () => undefined, true],
    ["run.json", "of no text", (bytes) => bytes.fill(255, 4, 20), true],
    ["identity.json", "gone", () => undefined, false],
    ["identity.json", "of no text", (bytes) => bytes.fill(255, 4, 20), false],
    ["metrics.jsonl", "gone", () => undefined, false],
    ["metrics.jsonl", "of no text", (bytes) => bytes.fill(255, 4, 20), false],
  ])("is told to be damaged where its %s is %s, and a new one begins without", async (file, how, damage, isTold) => {
    const { engine, params } = await open(`damaged-${file}-${how}`.replaceAll(" ", "-"), config);
    await read(engine.stream("fit", params), 3);
    const { folder } = await infoOf(engine, params);
    const path = join(folder, file);
    const damaged = damage(readFileSync(path));
    if (damaged) writeFileSync(path, damaged);
    else rmSync(path);
    const info = await infoOf(engine, params);
    expect(info.state).toBe(isTold ? "damaged" : "stopped");
    if (isTold) expect(info.why).toContain(path);
    await expect(read(engine.stream("fit", { ...params, resume: true }))).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(new RegExp(`^${path}: expected a file of a run.*train without resume`, "s")),
    });
    const anew = await read(engine.stream("fit", params));
    expect(anew.at(-1)).toMatchObject({ type: "done" });
  });

  it("goes with its adapter's name, and ends with its adapter", async () => {
    const { engine, params } = await open("named", config);
    await read(engine.stream("fit", params), 3);
    const { folder } = await infoOf(engine, params);
    const { setAside } = await engine.call("createAdapter", { ...params, config, seed: 2 } as never);
    expect(setAside).toBe("named.1");
    expect(await engine.call("run", params)).toBeNull();
    const aside = { ...params, adapter: { owner: "test", name: "named.1" } };
    expect(await infoOf(engine, aside)).toMatchObject({ state: "stopped", step: 3 });
    await engine.call("disposeAdapter", aside);
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(join(folder, "..")).filter((name) => name.startsWith("named.1"))).toEqual([]);
  });
});

describe("what a run leaves", () => {
  it("is every event as a line of JSON, and numbers for TensorBoard", async () => {
    const { engine, params } = await open("logged", METHODS.lora);
    const seen = await read(engine.stream("fit", params));
    const { folder } = await infoOf(engine, params);
    const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const told = lines.map((line) => JSON.parse(line) as FitEvent & { time?: number });
    for (const event of told) delete event.time;
    expect(told).toEqual(seen);
    const [file] = readdirSync(folder).filter((name) => name.startsWith("events.out.tfevents."));
    const text = readFileSync(join(folder, file as string), "latin1");
    expect(text).toContain("brain.Event:2");
    expect(text.split("train/loss")).toHaveLength(13);
    expect(text.split("eval/loss")).toHaveLength(5);
    // Beside the adapter where it is saved, too.
    const saved = join(home, "saved");
    await engine.call("saveAdapter", { model: params.model, adapter: params.adapter, folder: saved });
    expect(readdirSync(saved)).toEqual(expect.arrayContaining(["adapter_model.safetensors", "metrics.jsonl", file]));
  });
});

describe("a run that goes by itself", () => {
  const long: FitOptions = { ...OPTIONS, epochs: 400 };

  it("is watched from its start by whoever wants to, and stopped by anybody", async () => {
    const { engine, params } = await open("alone", METHODS.lora);
    const begun = await engine.call("startRun", { ...params, options: long });
    expect(begun).toMatchObject({ state: "running", detached: true, steps: 1200 });
    const some = await read(engine.stream("watchRun", params), 20);
    expect(some.filter(({ type }) => type === "step")).toHaveLength(20);
    // Nobody reads it, and it goes on.
    await vi.waitFor(async () => expect((await infoOf(engine, params)).step).toBeGreaterThan(40), { timeout: 20_000 });
    expect((await engine.call("models", {}))[0]).toMatchObject({ runs: 1 });
    await expect(read(engine.stream("fit", params))).rejects.toMatchObject({ code: "adapter-invalid" });
    const watched = read(engine.stream("watchRun", params)).catch((error: unknown) => error);
    const stopped = await engine.call("stopRun", params);
    expect(stopped).toMatchObject({ state: "stopped" });
    expect(await watched).toMatchObject({ code: "training-stopped" });
    const { steps } = await engine.call("adapterInfo", params);
    expect(steps).toBe(stopped.step);
    await expect(engine.call("stopRun", params)).rejects.toMatchObject({ code: "data-invalid" });
    // What it told can still be read.
    expect((await read(engine.stream("watchRun", params))).filter(({ type }) => type === "step")).toHaveLength(steps);
  });

  it("lets those who ask how it stands in between its steps", async () => {
    const { engine, params } = await open("asked", METHODS.lora);
    await engine.call("startRun", { ...params, validation: [], options: long });
    const steps = [await infoOf(engine, params)].map(({ step }) => step);
    for (let i = 0; i < 8; i += 1) steps.push((await infoOf(engine, params)).step);
    await engine.call("stopRun", params);
    expect((steps.at(-1) as number) - (steps[0] as number)).toBeLessThan(20);
  });

  it("may be one that was begun in a cell: then it has its rows, and goes on when its model is loaded again", async () => {
    const first = await open("from-a-cell", METHODS.lora);
    await read(first.engine.stream("fit", { ...first.params, options: long }), 4);
    expect(await first.engine.call("startRun", { ...first.params, options: long, resume: true })).toMatchObject({
      ...{ state: "running", detached: true },
    });
    await read(first.engine.stream("watchRun", first.params), 9);
    await first.engine.close();
    expect(await unfinishedLoads()).toHaveLength(1);
    const second = await open("from-a-cell");
    await second.engine.call("resumeRuns", { model: second.params.model });
    expect(await infoOf(second.engine, second.params)).toMatchObject({ state: "running", detached: true });
    await second.engine.call("stopRun", second.params);
    expect(await unfinishedLoads()).toEqual([]);
  });

  it("tells at once what keeps it from beginning", async () => {
    const { engine, params } = await open("wrong", METHODS.lora);
    const wrong = { ...params, rows: [{ prompt: "a", response: "" }] };
    await expect(engine.call("startRun", wrong)).rejects.toMatchObject({ code: "data-invalid" });
    expect(await engine.call("run", params)).toBeNull();
  });

  it("is given up where whoever ran it ended twice before it came any further", async () => {
    const first = await open("hopeless", METHODS.lora);
    const { folder } = await first.engine.call("startRun", { ...first.params, options: long });
    const begun = join(home, "hopeless-run");
    await vi.waitFor(() => expect(existsSync(join(folder, "last.safetensors"))).toBe(true));
    await first.engine.call("stopRun", first.params);
    cpSync(folder, begun, { recursive: true });
    await first.engine.close();
    const { revision: _, ...record } = JSON.parse(readFileSync(join(begun, "run.json"), "utf8")) as object & {
      readonly revision: number;
    };
    const progress = await new RunFolder(begun).progress();
    for (const resumedAt of [undefined, progress?.step]) {
      const again = { ...record, state: "running", ...(resumedAt === undefined ? {} : { resumedAt }) };
      writeFileSync(join(folder, "run.json"), JSON.stringify(again));
      const next = await open("hopeless");
      await next.engine.call("resumeRuns", { model: next.params.model });
      const info = await infoOf(next.engine, next.params);
      if (resumedAt === undefined) {
        expect(info).toMatchObject({ state: "running" });
        await next.engine.call("stopRun", next.params);
        cpSync(join(begun, "last.safetensors"), join(folder, "last.safetensors"));
      } else expect(info).toMatchObject({ state: "failed", why: expect.stringContaining("ended twice after step") });
      await next.engine.close();
    }
  });

  it("goes on when its model is loaded again, and comes to what it would have come to", async () => {
    const whole = await open("at-once", METHODS.lora);
    const options: FitOptions = { ...OPTIONS, epochs: 60 };
    const expected = await read(whole.engine.stream("fit", { ...whole.params, options }));
    const first = await open("by-itself", METHODS.lora);
    await first.engine.call("startRun", { ...first.params, options });
    await read(first.engine.stream("watchRun", first.params), 9);
    await first.engine.close();
    expect(await unfinishedLoads()).toHaveLength(1);

    const second = await open("by-itself");
    expect(await infoOf(second.engine, second.params)).toMatchObject({ state: "interrupted" });
    await second.engine.call("resumeRuns", { model: second.params.model });
    await vi.waitFor(async () => expect((await infoOf(second.engine, second.params)).state).toBe("done"), {
      timeout: 30_000,
    });
    const seen = await read(second.engine.stream("watchRun", second.params));
    expect(timeless(seen)).toEqual(timeless(expected));
    expect(await second.engine.call("readAdapter", second.params)).toEqual(
      await whole.engine.call("readAdapter", whole.params),
    );
    expect(await unfinishedLoads()).toEqual([]);
  });
});
