import { mkdtemp, rm, stat, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRandomCheckpoint } from "../../bench/models/random-checkpoint.ts";
import { chatglm3, type ModelShape, randomTensors } from "../../bench/models/random-model.ts";
import { RandomWeights } from "../../bench/models/random-weights.ts";
import { toFloat32 } from "../../src/float32.ts";
import { load } from "../../src/index.ts";
import { sizeOf } from "../../src/tensor.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";

const shape: ModelShape = { layers: 2, hidden: 128, ffn: 192, heads: 4, groups: 2, vocabulary: 4224 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-random-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("random weights", () => {
  const what = { name: "a", shape: [300, 257], distribution: { mean: 0, deviation: 2 } };

  it("are the same whether made whole or in pieces, as float16 or float32", () => {
    const weights = new RandomWeights(7);
    const whole = new Float32Array(2000);
    weights.floats(what, 0, whole);
    const piece = new Float32Array(501);
    weights.floats(what, 800, piece);
    expect(piece).toEqual(whole.subarray(800, 1301));
    const halves = new Uint16Array(2000);
    new RandomWeights(7).halves(what, 0, halves);
    expect(toFloat32({ dtype: "float16", shape: [2000], data: halves }).data).toEqual(whole);
  });

  it("have the mean and deviation asked for, and no correlation between tensors, seeds or neighbours", () => {
    const size = 200_000;
    const made = (seed: number, name: string): Float32Array => {
      const values = new Float32Array(size);
      new RandomWeights(seed).floats({ ...what, name }, 0, values);
      return values;
    };
    const [a, b, c] = [made(1, "a"), made(1, "b"), made(2, "a")];
    const product = (x: Float32Array, y: Float32Array): number =>
      x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0) / size / 4;
    expect(a.reduce((sum, value) => sum + value, 0) / size).toBeCloseTo(0, 1);
    expect(product(a, a)).toBeCloseTo(1, 1);
    // Six deviations of the mean of 200,000 products.
    for (const other of [b, c, a.subarray(1)]) expect(Math.abs(product(a, other))).toBeLessThan(6 / Math.sqrt(size));
  });
});

describe("random checkpoints", () => {
  it("of the 6B shape have ChatGLM3's number of parameters", () => {
    const count = randomTensors(chatglm3).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    expect(count).toBe(6_243_584_000);
  });

  it("load and answer", async () => {
    await writeRandomCheckpoint(folder, shape, { seed: 3 });
    const glm = await load(folder, { runtime: "none" });
    expect(glm.family).toBe("chatglm3-6b");
    const ids = glm.prompt([{ role: "user", content: "Hello" }]);
    const { data } = await glm.logits(ids, { positions: [-1] });
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
    expect(deviation).toBeGreaterThan(0.5);
    expect(deviation).toBeLessThan(2);
    const tokens: number[] = [];
    for await (const token of glm.generate(ids, { greedy: true, maxNewTokens: 3, stop: [] })) tokens.push(token);
    expect(tokens).toHaveLength(3);
    expect(tokens[0]).toBe(data.indexOf(Math.max(...data)));
    await glm.dispose();
  });

  it("complete what an interrupted run left, and keep whole files", async () => {
    const before = await openCheckpoint(folder);
    const files = [...new Set([...before.tensors.values()].map((tensor) => tensor.file))];
    expect(files).toHaveLength(shape.layers + 3);
    const lost = files[1] as string;
    const written = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
    const name = [...before.tensors.values()].find((tensor) => tensor.file === lost)?.name as string;
    const value = await before.read(name);
    await unlink(lost);
    await writeRandomCheckpoint(folder, shape, { seed: 3 });
    const after = await openCheckpoint(folder);
    expect(await after.read(name)).toEqual(value);
    const changed = await Promise.all(files.map(async (file, i) => (await stat(file)).mtimeMs !== written[i]));
    expect(changed).toEqual(files.map((file) => file === lost));
    await writeRandomCheckpoint(folder, shape, { seed: 4 });
    expect(await (await openCheckpoint(folder)).read(name)).not.toEqual(value);
  });

  it.each([8, 4] as const)("quantised to %i bits are within half a step of the float16 ones", async (bits) => {
    const [exact, coded] = [join(folder, "float16"), join(folder, `int${bits}`)];
    await writeRandomCheckpoint(exact, shape, { seed: 5 });
    await writeRandomCheckpoint(coded, shape, { seed: 5, bits });
    const [from, to] = [await openCheckpoint(exact), await openCheckpoint(coded)];
    const name = "transformer.encoder.layers.1.mlp.dense_4h_to_h.weight";
    const weights = toFloat32(await from.read(name));
    const scales = toFloat32(await to.read(`${name}_scale`)).data;
    const codes = (await to.read(name)).data as Int8Array;
    const [rows, columns] = weights.shape as [number, number];
    // Two columns a byte: the even one in the high half.
    const code = (at: number): number =>
      bits === 8
        ? (codes[at] as number)
        : at % 2 === 0
          ? (codes[at >> 1] as number) >> 4
          : ((codes[at >> 1] as number) << 28) >> 28;
    let worst = 0;
    for (let at = 0; at < rows * columns; at += 1) {
      const scale = scales[Math.floor(at / columns)] as number;
      worst = Math.max(worst, Math.abs(code(at) * scale - (weights.data[at] as number)) / scale);
    }
    // Half a step, and what the published scheme's float16 quotients lose: 2^-5 near 127.
    expect(worst).toBeLessThan(0.5 + 2 ** -5 + 1e-3);
    expect(worst).toBeGreaterThan(0.45);
    const head = "transformer.output_layer.weight";
    expect(await to.read(head)).toEqual(await from.read(head));
  });
});
