/** @file Prepared weights on disk: made once, found again, made again when damaged, shared by processes, removed at last. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { compileForCpu, cpu } from "../../src/backend/cpu.ts";
import { scale } from "../../src/graph/ops.ts";
import { Graph } from "../../src/graph/value.ts";
import { tryLock } from "../../src/lock.ts";
import { planWeights, type Wanted } from "../../src/quantization/plan.ts";
import { findPrepared } from "../../src/quantization/prepare.ts";
import { preparedWeights, removeUnused, roomFor } from "../../src/quantization/prepared-cache.ts";
import { bindStore } from "../../src/quantization/weight-store.ts";
import { filled, type Tensor, tensor } from "../../src/tensor.ts";
import { readHeader } from "../../src/weights/header.ts";
import { sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { killAll, type Running, run } from "../engine/process.ts";
import { oracleConfig, oracleFolder } from "../oracle.ts";
import { givenBy, heldModel } from "../quantized-model.ts";
import { writeSmallModel } from "../small-model.ts";
import { works } from "../works.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "glmlab-prepared-"));
});
afterEach(async () => {
  killAll();
  await rm(home, { recursive: true, force: true });
});

const FAMILY = "chatglm2-6b";
const config = oracleConfig(FAMILY);
const fast4: Wanted = { quantize: "int4", precision: "fast" };
const weightFile = "transformer.encoder.layers.1.mlp.dense_4h_to_h.weight.safetensors";

async function prepare(
  wanted: Wanted = fast4,
  onStage: (stage: string, done: number, total: number) => void = () => undefined,
) {
  return heldModel(oracleFolder(FAMILY), config, wanted, join(home, "cache"), onStage);
}

/** When each file was last written. */
async function times(folder: string): Promise<Map<string, number>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  return new Map(
    await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).mtimeMs] as const)),
  );
}

const hidden = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith(".") || name.startsWith("claim"));

describe("prepared weights", () => {
  it("are made once, a file for each weight, with what the kernels made of it", async () => {
    const stages: string[] = [];
    const { folder, plan } = await prepare(fast4, (stage, done, total) => stages.push(`${stage} ${done}/${total}`));
    expect(stages).toHaveLength(plan.matrices.size);
    const bytes = [...plan.matrices.values()].reduce((sum, { matrix }) => sum + matrix.weight.bytes, 0);
    expect(stages.at(-1)).toBe(`preparing int4 weights (once) ${bytes}/${bytes}`);
    const before = await times(folder);
    expect(before.size).toBe(plan.matrices.size);
    const { tensors, metadata } = await readHeader(join(folder, weightFile));
    expect(tensors.map(({ name }) => name)).toEqual(expect.arrayContaining(["scales", "codes", "packed.0.0"]));
    expect(metadata["packed.0"]).toMatch(/^MatMulNBits\+\d+$/);
    for (const { name, offset } of tensors) if (name.startsWith("packed")) expect(offset % 4096, name).toBe(0);
    expect(await hidden(folder)).toEqual([]);
    stages.length = 0;
    await prepare(fast4, (stage) => stages.push(stage));
    expect(stages).toEqual([]);
    expect(await times(folder)).toEqual(before);
  });

  it.each(["cut", "garbled", "gone"])("are made again where a file is %s, and only there", async (damage) => {
    const { folder } = await prepare();
    const file = join(folder, weightFile);
    const [before, whole] = [await times(folder), readFileSync(file)];
    if (damage === "cut") await truncate(file, whole.length - 1);
    if (damage === "garbled") await writeFile(file, whole.fill(0x20, 8, 100));
    if (damage === "gone") await rm(file);
    await prepare();
    const after = await times(folder);
    expect([...after.keys()].filter((name) => after.get(name) !== before.get(name))).toEqual([weightFile]);
    expect((await readHeader(file)).tensors.length).toBeGreaterThan(2);
  });

  it("go on where they were stopped, and leave nothing behind", async () => {
    const stop = new AbortController();
    const plan = planWeights("the model", await givenBy(oracleFolder(FAMILY), config), fast4, cpu.can);
    const folder = join(home, "stopped");
    let calls = 0;
    const stopping = preparedWeights(
      plan,
      folder,
      cpu.packer,
      () => {
        calls += 1;
        if (calls === 4) stop.abort();
      },
      stop.signal,
    );
    await expect(stopping).rejects.toThrow("abort");
    const made = await times(folder);
    expect(made.size).toBeGreaterThan(0);
    expect(made.size).toBeLessThan(plan.matrices.size);
    expect(await hidden(folder)).toEqual([]);
    const leftOver = join(folder, ".packing.0123456789ab.part");
    await mkdir(leftOver);
    await utimes(leftOver, 0, 0);
    await preparedWeights(plan, folder, cpu.packer, () => undefined);
    const after = await times(folder);
    expect(after.size).toBe(plan.matrices.size);
    for (const [name, time] of made) expect(after.get(name), name).toBe(time);
    expect(await hidden(folder)).toEqual([]);
  });

  it("are made by one of those who want them at once", async () => {
    const stages: [string[], string[]] = [[], []];
    const both = await Promise.all(stages.map((mine) => prepare(fast4, (stage) => mine.push(stage))));
    expect(both[0]?.folder).toBe(both[1]?.folder);
    const makers = stages.filter((mine) => mine.some((stage) => stage.startsWith("preparing")));
    const waiters = stages.filter((mine) => mine.some((stage) => stage.startsWith("waiting")));
    expect([makers.length, waiters.length]).toEqual([1, 1]);
    expect(makers[0]).not.toBe(waiters[0]);
  });

  it("need no files where the checkpoint has floats to map", async () => {
    const { folder, weightStore } = await prepare({ quantize: "none", precision: "exact" });
    expect(weightStore.matrices.size).toBe(0);
    expect([...weightStore.floats.values()].every(({ range }) => range.file.startsWith(oracleFolder(FAMILY)))).toBe(
      true,
    );
    await expect(stat(folder)).rejects.toThrow("ENOENT");
  });

  it("keep the embeddings of a half-precision checkpoint in its own type, where nothing is multiplied by them", async () => {
    const halves = oracleConfig("chatglm2-6b-fp16-bin");
    const held = await heldModel(
      oracleFolder("chatglm2-6b-fp16-bin"),
      halves,
      { quantize: "none", precision: "exact" },
      home,
    );
    const dtypes = Object.fromEntries([...held.weightStore.floats].map(([name, { dtype }]) => [name, dtype]));
    expect(dtypes["transformer.embedding.word_embeddings.weight"]).toBe("float16");
    expect(new Set(Object.values(dtypes))).toEqual(new Set(["float16", "float32"]));
    expect(Object.values(dtypes).filter((dtype) => dtype === "float16")).toHaveLength(1);
    // ChatGLM-6B's table is its head: it is multiplied by, unless it has 8 bits for that.
    const tied = async (wanted: Wanted) => {
      const folder = oracleFolder("chatglm-6b-fp16-bin");
      return heldModel(folder, oracleConfig("chatglm-6b-fp16-bin"), wanted, join(home, "tied"));
    };
    const table = "transformer.word_embeddings.weight";
    const floats = await tied({ quantize: "none", precision: "exact" });
    expect(floats.weightStore.floats.get(table)?.dtype).toBe("float32");
    const fast = await tied(fast4);
    expect(fast.weightStore.floats.get(table)?.dtype).toBe("float16");
    expect(fast.weightStore.matrices.get(table)?.form.name).toBe("int8-fast");
  });
});

it("two processes prepare a model once, and answer alike", { timeout: 120_000 }, async () => {
  const model = await writeSmallModel(join(home, "model"));
  const env = { GLMLAB_DATA: join(home, "data"), GLMLAB_CACHE: join(home, "cache") };
  const listen = async ({ next }: ReturnType<typeof run>) => {
    const stages: string[] = [];
    for (;;) {
      const line = await next();
      if (line.logits) return { stages, logits: line.logits };
      stages.push(String(line.stage));
    }
  };
  const started = [1, 2].map(() => run("prepare", [model, "int4", "fast"], env));
  const [one, two] = await Promise.all(started.map(listen));
  expect(one?.logits).toEqual(two?.logits);
  const preparing = [one, two].filter((each) => each?.stages.some((stage) => stage.startsWith("preparing")));
  expect(preparing).toHaveLength(1);
});

it("go on after a process that was killed while it wrote", { timeout: 120_000 }, async () => {
  const model = await writeSmallModel(join(home, "model"));
  const env = { GLMLAB_DATA: join(home, "data"), GLMLAB_CACHE: join(home, "cache") };
  const stage = "preparing int4 weights (once)";
  const killed = run("prepare", [model, "int4", "fast", stage], env);
  await until(killed, (line) => line.stage === stage);
  const [folder = ""] = await planFolders();
  expect((await hidden(folder)).some((name) => name.endsWith(".part"))).toBe(true);
  const second = run("prepare", [model, "int4", "fast"], env);
  await until(second, (line) => String(line.stage).startsWith("waiting"));
  killed.child.kill("SIGKILL");
  await until(second, (line) => line.stage === stage);
  const { logits } = await until(second, (line) => "logits" in line);
  expect(logits).toHaveLength(20);
  expect(await hidden(folder)).toEqual([]);
});

/** Reads what a process prints up to a line. */
async function until(process: Running, isIt: (line: Record<string, unknown>) => boolean) {
  for (;;) {
    const line = await process.next();
    if (isIt(line)) return line;
  }
}

/** Those of all checkpoints. */
async function planFolders(): Promise<string[]> {
  const root = join(home, "cache", "weights");
  const forms = await Promise.all(
    (await readdir(root)).map(async (checkpoint) =>
      (await readdir(join(root, checkpoint))).map((form) => join(root, checkpoint, form)),
    ),
  );
  return forms.flat();
}

describe("left-over parts", () => {
  const part = ".floats.safetensors.0123456789ab.part";

  it.each([
    ["another machine, which may go on", "elsewhere", [part]],
    ["a process that died here", undefined, []],
  ])("of %s", async (_, host, left) => {
    const { folder } = await prepare();
    await rm(join(folder, weightFile));
    const [held = ""] = (await readdir(folder)).filter((name) => name.startsWith("lock."));
    const holder = JSON.parse(readFileSync(join(folder, held), "utf8")) as object;
    await writeFile(join(folder, held), JSON.stringify({ ...holder, pid: 2 ** 22 + 1, ...(host ? { host } : {}) }));
    // Silent for long enough, but what it wrote last is younger.
    if (host) await utimes(join(folder, held), 0, 0);
    await writeFile(join(folder, part), "");
    await writeFile(join(folder, ".old.0123456789ab.part"), "");
    await utimes(join(folder, ".old.0123456789ab.part"), 0, 0);
    await prepare();
    expect(await hidden(folder)).toEqual(left);
  });
});

describe("room on the disk", () => {
  const roomOf = async (name: string, wanted: Wanted) => {
    const plan = planWeights("the model", await givenBy(oracleFolder(name), oracleConfig(name)), wanted, cpu.can);
    const { missing } = await findPrepared(plan, home);
    const bytes = missing.map((file) => file.bytes);
    return { room: roomFor(missing), sum: bytes.reduce((sum, each) => sum + each, 0), largest: Math.max(...bytes) };
  };

  it("is needed once for floats, and for the largest weight twice where kernels pack", async () => {
    const floats = await roomOf("chatglm2-6b-fp16-bin", { quantize: "none", precision: "exact" });
    expect(floats.sum).toBeGreaterThan(0);
    expect(floats.room).toBe(floats.sum);
    const packed = await roomOf(FAMILY, fast4);
    expect(packed.room).toBe(packed.sum + packed.largest);
  });
});

it("says which folder takes no files, and what to set", async ({ skip }) => {
  const wrong = expect.stringMatching(/was not written:.*\$GLMLAB_CACHE/);
  await writeFile(join(home, "file"), "");
  const below = heldModel(oracleFolder(FAMILY), config, fast4, join(home, "file", "cache"));
  await expect(below).rejects.toMatchObject({ code: "disk", message: wrong });
  const cache = join(home, "read-only");
  await mkdir(cache);
  const plan = planWeights("the model", await givenBy(oracleFolder(FAMILY), config), fast4, cpu.can);
  skip(!works("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", cache), "needs the right to mount a disk that is read-only");
  try {
    await expect(preparedWeights(plan, cache, cpu.packer, () => undefined)).rejects.toMatchObject({
      code: "disk",
      message: wrong,
    });
  } finally {
    works("umount", cache);
  }
});

it("says how much room it needs before it begins", async ({ skip }) => {
  const small = join(home, "small");
  await mkdir(small);
  skip(!works("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small), "needs the right to mount a disk of 64 kB");
  try {
    const preparing = heldModel(oracleFolder(FAMILY), config, fast4, small);
    await expect(preparing).rejects.toMatchObject({
      code: "disk",
      message: expect.stringMatching(/needs .*B of disk, but .* are free.*GLMLAB_CACHE/),
    });
  } finally {
    works("umount", small);
  }
});

it("removes what nobody used for a month", async () => {
  const day = 24 * 3600 * 1000;
  for (const [name, age] of [
    ["a/int4-fast", 40],
    ["a/int8-exact", 1],
    ["b/float32", 31],
  ] as const) {
    await mkdir(join(home, name), { recursive: true });
    await writeFile(join(home, name, "used"), "");
    const then = new Date(Date.now() - age * day);
    await utimes(join(home, name, "used"), then, then);
  }
  await mkdir(join(home, "c/never-marked"), { recursive: true });
  const then = new Date(Date.now() - 40 * day);
  await utimes(join(home, "c/never-marked"), then, then);
  expect((await removeUnused(home)).sort()).toEqual([
    join(home, "a/int4-fast"),
    join(home, "b/float32"),
    join(home, "c/never-marked"),
  ]);
  expect(await readdir(join(home, "a"))).toEqual(["int8-exact"]);
  expect(await removeUnused(join(home, "nowhere"))).toEqual([]);
});

it("does not remove what is being worked on", async () => {
  const { folder } = await prepare();
  const root = join(home, "root");
  await mkdir(join(root, "checkpoint"), { recursive: true });
  const place = join(root, "checkpoint", "int4-fast");
  await rename(folder, place);
  const later = Date.now() + 40 * 24 * 3600 * 1000;
  const turn = tryLock(place);
  expect(await removeUnused(root, later)).toEqual([]);
  turn?.end();
  expect(await removeUnused(root, later)).toEqual([place]);
  expect(await readdir(root)).toEqual([]);
});

it("marks weights as used, every day while somebody has them", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const { folder, weightStore } = await prepare();
    const mark = join(folder, "used");
    for (const _ of [1, 2]) {
      await utimes(mark, 0, 0);
      await vi.advanceTimersByTimeAsync(24 * 3600 * 1000);
      await vi.waitFor(async () => expect((await stat(mark)).mtimeMs).toBeGreaterThan(Date.now() - 60_000));
    }
    expect(weightStore.matrices.size).toBeGreaterThan(0);
  } finally {
    vi.useRealTimers();
  }
});

describe.skipIf(process.platform !== "linux")("memory", () => {
  const privateBytes = (): number =>
    1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

  it.each([
    ["int8", "exact"],
    ["int8", "fast"],
    ["int4", "exact"],
    ["int4", "fast"],
  ] as const)("every session maps the same %s (%s) weights, head included", async (quantize, precision) => {
    const [width, count] = [2048, 10];
    let seed = 1;
    const next = (): number => {
      seed = Math.imul(seed, 1664525) + 1013904223;
      return seed / 2 ** 31;
    };
    const random = (): Tensor => tensor("float32", [width, width], new Float32Array(width * width).map(next));
    const names = Array.from({ length: count }, (_, layer) => `layers.${layer}.linear`);
    const weights = Object.fromEntries([...names, "head"].map((name) => [`${name}.weight`, random()]));
    const file = join(home, "model.safetensors");
    await writeSafetensors(file, sourcesOf(weights));
    const stored = new Map((await readHeader(file)).tensors.map((one) => [one.name, one]));
    const modules = names.map((name) => ({ name, in: width, out: width }));
    const given = { parameters: [...stored.values()], modules, embedding: "table", head: "head", stored };
    const plan = planWeights("the model", given, { quantize, precision }, cpu.can);
    const bind = bindStore(await preparedWeights(plan, join(home, "cache"), cpu.packer, () => undefined));
    const session = async () => {
      const graph = new Graph();
      const context = bind(graph);
      let x = graph.input("x", "float32", ["tokens", width]);
      for (const name of [...names, "head"]) x = scale(context.linear(x, name), 0.02);
      graph.output(x, "y");
      const program = await compileForCpu(graph);
      return { program, y: (await program.run({ x: filled([1, width], 0.01) })).y };
    };
    const first = await session();
    const before = privateBytes();
    // Several, since the first copies could fill memory that is free already.
    const others = [];
    for (let i = 0; i < 6; i += 1) others.push(await session());
    const grown = privateBytes() - before;
    for (const { y } of others) expect(y).toEqual(first.y);
    for (const { program } of [first, ...others]) await program.dispose();
    // onnxruntime packs a weight before it finds it packed, and keeps that memory for activations: a few of these, not all.
    const one = (width * width * (quantize === "int8" ? 8 : 4)) / 8;
    expect(grown).toBeLessThan(count * one);
  });
});
