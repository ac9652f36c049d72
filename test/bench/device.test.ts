import { open, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { acrossLayers, extrapolated } from "../../bench/device/extrapolate.ts";
import { countedCases, KernelCounter, keyOf, marker, NOTHING_COUNTED } from "../../bench/device/kernel-cases.ts";
import { rowsOf } from "../../bench/device/kernels.ts";
import { metered } from "../../bench/device/meter.ts";
import { ALIGNMENT, type Kind, Places, type Scratch, scratchFiles } from "../../bench/device/scratch.ts";
import { measuredLayers, shapeOf } from "../../bench/device/shapes.ts";
import { loraOf, randomIds, training } from "../../bench/device/training.ts";
import {
  bytesRead,
  type FormName,
  forms,
  largestWeight,
  planOf,
  promptOperations,
  randomWeights,
} from "../../bench/device/weights.ts";
import { cpu } from "../../src/backend/cpu.ts";
import type { Capabilities, Device } from "../../src/backend/device.ts";
import type { DeviceTensor } from "../../src/backend/program.ts";
import { generate } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { add } from "../../src/graph/ops.ts";
import { type FileRange, Graph } from "../../src/graph/value.ts";
import { parameterCount } from "../../src/models/architectures.ts";
import { plannedBytes } from "../../src/quantization/plan.ts";
import { bindStore } from "../../src/quantization/weight-store.ts";
import { type DType, filled, tensor } from "../../src/tensor.ts";

/** As a GPU has it: nothing is mapped or packed. */
const uploads: Capabilities = {
  ...{ ...cpu.can, graph: { feedsWeights: true }, float16: true, mapsFiles: false, ownMemory: true },
};

describe("shapes", () => {
  it("6b has ChatGLM3-6B's parameters", () => {
    expect(parameterCount(shapeOf("6b"))).toBe(6_243_584_000);
    expect(() => shapeOf("7b")).toThrow("--shape: expected one of tiny, small, 6b");
  });

  it("fewer layers are measured with half as many, too", () => {
    expect(measuredLayers(28, undefined)).toEqual([28]);
    expect(measuredLayers(28, "28")).toEqual([28]);
    expect(measuredLayers(28, "5")).toEqual([2, 5]);
    expect(() => measuredLayers(28, "1")).toThrow("--layers");
    expect(() => measuredLayers(6, "7")).toThrow("--layers: the shape has 6, got 7");
  });

  it("numbers are extrapolated on the line through both", () => {
    const at = (layers: number) => ({ layers, figures: { load: 3 + 2 * layers, failed: Number.NaN } });
    expect(extrapolated(at(2), at(5), 28)).toEqual({ load: 59, failed: Number.NaN });
  });

  it("models are measured one after the other, and what each says besides its numbers is kept", async () => {
    const measure = async (layers: number) => ({ figures: { load: 3 + 2 * layers }, note: `of ${layers}` });
    const both = await acrossLayers<"load", Awaited<ReturnType<typeof measure>>>(28, [2, 5], measure);
    expect(both.figures).toEqual({ load: 59 });
    expect(both.seen.map(({ note }) => note)).toEqual(["of 2", "of 5"]);
    const all = await acrossLayers<"load", Awaited<ReturnType<typeof measure>>>(28, [28], measure);
    expect(all.figures).toEqual({ load: 59 });
  });
});

describe("places in scratch files", () => {
  it("are within the file, aligned, and never the same", () => {
    const size = 10_000;
    const places = new Places(size);
    const lengths = Array.from({ length: 60 }, (_, i) => [1000, 4000, 36][i % 3] as number);
    const offsets = lengths.map((bytes) => places.next(bytes));
    expect(new Set(offsets).size).toBe(lengths.length);
    for (const [i, offset] of offsets.entries()) {
      expect(offset % ALIGNMENT).toBe(0);
      expect(offset + (lengths[i] as number)).toBeLessThanOrEqual(size);
    }
    expect(() => places.next(size + 1)).toThrow("do not fit");
    expect(() => {
      for (;;) places.next(size);
    }).toThrow("no place is left");
  });
});

describe("random weights", () => {
  const config = { ...shapeOf("tiny"), layers: 2 };
  let scratch: Scratch;
  beforeAll(async () => {
    scratch = await scratchFiles(largestWeight(config));
  });
  afterAll(() => scratch.dispose());

  it("are floats within 0.02 of zero, and codes of all kinds, in files little larger than the largest", async () => {
    const [floats, codes] = [scratch.place("floats", 64), scratch.place("codes", 64)];
    expect((await stat(floats.file)).size - 4160 * 256 * 4).toBe(2 ** 20);
    const file = await open(floats.file);
    const { buffer } = await file.read(new Float32Array(10_000), 0, 40_000, 3 * 2 ** 20);
    await file.close();
    expect(Math.max(...buffer.map(Math.abs))).toBeLessThanOrEqual(0.02);
    expect(buffer.reduce((sum, value) => sum + Math.abs(value), 0) / 10_000).toBeCloseTo(0.01, 3);
    const other = await open(codes.file);
    const bytes = (await other.read(new Uint8Array(10_000), 0, 10_000, 0)).buffer;
    await other.close();
    expect(new Set(bytes).size).toBe(256);
  });

  it.each(Object.keys(forms) as FormName[])(
    "%s: places have the plan's bytes, of which a run reads all but the table",
    (form) => {
      const plan = planOf(config, form, uploads);
      expect(plan.packs).toBe(false);
      const store = randomWeights(plan, scratch);
      const ranges = [
        ...[...store.floats.values()].map(({ range }) => range),
        ...[...store.matrices.values()].flatMap(({ prepared }) => [prepared.codes, prepared.scales]),
      ];
      const all = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
      const rows = 256 * 4160 * (form === "float16" ? 2 : 4);
      // Plans count groups that are not full by the part that is.
      expect(all / plannedBytes(plan)).toBeCloseTo(1, 1);
      expect(bytesRead(config, store)).toBe(all - rows);
      expect(new Set(ranges.map(({ file, offset }) => `${file} ${offset}`)).size).toBe(ranges.length);
    },
  );

  it("float32 reads four bytes a parameter", () => {
    const store = randomWeights(planOf(config, "float32", uploads), scratch);
    expect(bytesRead(config, store)).toBe(4 * (parameterCount(config) - 256 * 4160));
  });

  it("a prompt takes two operations a weight and token, and the head once", () => {
    const layer = 256 * (8 * 32 + 2 * 2 * 32) + 256 * 256 + 3 * 256 * 688;
    expect(promptOperations(config, 10)).toBe(2 * (2 * layer * 10 + 256 * 4160));
  });

  it("answer and learn, and what crosses is counted", async () => {
    const meter = metered(cpu);
    const weights = bindStore(randomWeights(planOf(config, "float32", cpu.can), scratch));
    const model = new ForwardModel(config, weights, meter.device);
    const prompt = { ids: randomIds(config, 5), effect: undefined };
    for await (const _ of generate(model, [prompt], { ...GREEDY, stop: [], maxNewTokens: 1 }));
    // Logits, and the keys and values of five tokens, which the processor keeps where the host does.
    expect(meter.taken().toHost).toBe(4 * (4160 + 2 * 2 * 2 * 32 * 5));
    await model.dispose();
    const { step, close } = await training(config, loraOf(config), weights, meter.device);
    await step();
    // The loss, and the gradients of both matrices of two modules.
    expect(meter.taken().toHost).toBe(4 * (1 + 2 * 8 * (256 + 384)));
    expect(meter.taken()).toEqual({ toDevice: 0, toHost: 0 });
    await close();
  });
});

it("tensors that are on the device, and stay there, do not cross", async () => {
  const there = (shape: readonly number[]): DeviceTensor => ({ dtype: "float32", shape, dispose: () => undefined });
  const device: Device = {
    ...cpu,
    can: uploads,
    compile: async () => ({ run: async () => ({ z: filled([3]) }), dispose: async () => undefined }),
    upload: async ({ shape }) => there(shape),
  };
  const meter = metered(device);
  const graph = new Graph();
  graph.output(add(graph.input("x", "float32", [5]), graph.input("y", "float32", [5])), "z");
  const program = await meter.device.compile(graph);
  await program.run({ x: filled([5]), y: await meter.device.upload(filled([5])) }, { w: there([9]) });
  expect(meter.taken()).toEqual({ toDevice: 20, toHost: 12 });
});

describe("what crosses at ChatGLM2-6B's and ChatGLM3-6B's shape", () => {
  const config = shapeOf("6b");
  const there = (dtype: DType, shape: readonly number[]): DeviceTensor => ({ dtype, shape, dispose: () => undefined });
  /** A GPU that computes nothing: what stays there is nowhere, what comes back is zeros. */
  const dry: Device = {
    name: "webgpu",
    can: { ...uploads, cacheInPlace: true, emptyTensors: false },
    compile: async ({ outputs }) => ({
      run: async ({ select }, into = {}) =>
        Object.fromEntries(
          outputs
            .filter(({ name }) => !into[name])
            .map(({ name, value: { dtype, shape } }) => {
              const zeros = filled(shape.map((dim) => (dim === "chosen" ? select?.shape[0] : dim) as number));
              const whole = () => tensor("int64", zeros.shape, new BigInt64Array(zeros.data.length));
              return [name, dtype === "int64" ? whole() : zeros];
            }),
        ),
      dispose: async () => undefined,
    }),
    upload: async ({ dtype, shape }) => there(dtype, shape),
    allocate: async (dtype, shape) => there(dtype, shape),
    download: async ({ shape }) => filled(shape),
    bytes: 0,
  };
  const place = (_: Kind, bytes: number): FileRange => ({ file: "/nowhere", offset: 0, bytes });
  const weights = bindStore(randomWeights(planOf(config, "int4", dry.can), { place }));

  it.each([
    [1, "drawn", false, 4 * 65024],
    [8, "drawn", false, 4 * 65024],
    [1, "the likeliest", true, 16 * 127],
    [8, "the likeliest", true, 16 * 127],
  ])(
    "%i rows' token, %s: ids, positions, lengths and which logits; the logits or leaders",
    async (rows, _, greedy, back) => {
      const meter = metered(dry);
      const model = new ForwardModel(config, weights, meter.device);
      const prompts = Array.from({ length: rows }, () => ({ ids: randomIds(config, 64), effect: undefined }));
      const answer = generate(model, prompts, { ...GREEDY, greedy, stop: [], maxNewTokens: 3 });
      for (let tokens = 0; tokens <= rows; ) if ((await answer.next()).value?.type === "token") tokens += 1;
      meter.taken();
      for (let tokens = 0; tokens < rows; ) if ((await answer.next()).value?.type === "token") tokens += 1;
      expect(meter.taken()).toEqual({ toDevice: 28 * rows + 4, toHost: back * rows });
      await answer.return();
    },
  );

  it("a LoRA step: what the batch is, angles, and the step's numbers; the loss and the gradient's norm", async () => {
    const meter = metered(dry);
    const { step, close } = await training(config, loraOf(config), weights, meter.device);
    meter.taken();
    await step();
    const [tokens, labels] = [8 * 64, 8 * 63];
    const batch = 2 * 8 * tokens + 4 * 64 * 64 + (8 + 8 + 4) * labels;
    expect(meter.taken()).toEqual({ toDevice: batch + 2 * 4 * 64 * 32 + 4 * 28 + 4 + 4 * 7, toHost: 8 });
    await close();
  });
});

describe("kernels", () => {
  it("are those between a marker and the next", () => {
    const counter = new KernelCounter();
    const one = { ...(countedCases()[0] as ReturnType<typeof countedCases>[number]), work: "token" } as const;
    const started =
      '2026-11-28 13:00:00.1 [V:onnxruntime:, webgpu_context.cc:142 Run] Starting program "Gemm" (1, 2, 1)';
    for (const line of [started, marker(one), started, "else", started, NOTHING_COUNTED, started]) counter.read(line);
    expect([...counter.counts]).toEqual([[keyOf(one), 2]]);
  });

  it("of one layer are told from those of all", () => {
    const counts = new Map(
      countedCases().map((one) => [keyOf({ ...one, work: "token" }), 7 + 12 * one.layers] as const),
    );
    const [row] = rowsOf(counts);
    expect(row?.kernels.token).toEqual({ layer: 12, rest: 7 });
    expect(row?.kernels["training step"].layer).toBeNaN();
  });
});
