/** @file The estimate of memory at the published models' sizes, and what is said when it does not fit. */
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import type { LoadParams } from "../../src/engine/engine.ts";
import { fittingPlan } from "../../src/engine/fitting-plan.ts";
import { memoryNeed, memoryThere, mustFitMemory, mustFitTraining, neededBytes } from "../../src/engine/memory-fit.ts";
import { architectureOf, modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import { type CheckpointContent, planWeights, type Wanted } from "../../src/quantization/plan.ts";
import { sizeOf } from "../../src/tensor.ts";
import type { StepOptions } from "../../src/train/step-memory.ts";
import { scaleName } from "../../src/weights/model-tensors.ts";
import type { StoredTensor } from "../../src/weights/stored.ts";
import { publishedGlm } from "../published-config.ts";

const GB = 1e9;
const shape = { ...publishedGlm, seq_length: 8192 };
const config = readConfig(shape, "ChatGLM2-6B");

/** A checkpoint in float16, or published quantised, without its files. */
function published(of: ChatGLMConfig, bits?: 4 | 8): CheckpointContent {
  const [parameters, modules] = [parametersOf(of), modulesOf(of)];
  const packed = new Set(bits ? modules.map(({ name }) => `${name}.weight`) : []);
  const tensor = (name: string, dims: readonly number[], size: number): StoredTensor => ({
    name,
    dtype: size === 1 ? "int8" : "float16",
    shape: dims,
    file: "/model",
    offset: 0,
    bytes: sizeOf(dims) * size,
  });
  const stored = parameters.flatMap(({ name, shape: dims }) =>
    bits && packed.has(name)
      ? [
          tensor(name, [dims[0] as number, ((dims[1] as number) * bits) / 8], 1),
          tensor(scaleName(name), [dims[0] as number], 2),
        ]
      : [tensor(name, dims, 2)],
  );
  const { embedding, head } = architectureOf(of);
  return { parameters, modules, embedding, head, stored: new Map(stored.map((one) => [one.name, one])), bits };
}

const given = published(config);
const plan = (wanted: Wanted) => planWeights("the model", given, wanted, cpu.can);
const floats: Wanted = { quantize: "none", precision: "exact" };

describe("a 6B model", () => {
  it.each([
    [floats, 24.4],
    [{ quantize: "int8", precision: "exact" }, 7.3],
    [{ quantize: "int4", precision: "exact" }, 4.8],
    [{ quantize: "int4", precision: "fast" }, 4.0],
  ] as const)("needs with %j about %f GB for its weights", (wanted, weights) => {
    expect(memoryNeed(plan(wanted), config).weights / GB).toBeCloseTo(weights, 1);
  });

  it("needs what its cache holds: keys and values of two groups in 28 layers", () => {
    expect(memoryNeed(plan(floats), config)).toMatchObject({ tokens: 2048, cache: 2048 * 28 * 2 * 2 * 128 * 4 });
  });

  it("is loaded without a word where it fits", () => {
    expect(
      mustFitMemory("m", given, plan(floats), config, cpu.can, { total: 64 * GB, available: 40 * GB }),
    ).toBeUndefined();
  });

  it("is loaded with a warning where it fits, but other programs use the memory", () => {
    const warning = mustFitMemory("m", given, plan(floats), config, cpu.can, { total: 32 * GB, available: 9 * GB });
    expect(warning).toMatch(
      /^m may be slow: it needs about 24\.\d GB of memory \(24\.4 GB for float32 weights, 117 MB/,
    );
    expect(warning).toMatch(/9\.00 GB of 32\.0 GB are free\. With quantize: "int8" it would fit\.$/);
  });

  it("is refused where it never fits, with the most precise form that would", () => {
    const refusal =
      (total: number, wanted: Wanted = floats) =>
      () =>
        mustFitMemory("m", given, plan(wanted), config, cpu.can, { total: total * GB, available: total * GB });
    expect(refusal(16)).toThrow(/m does not fit here: .* there are 16\.0 GB\. With quantize: "int8" it would fit\.$/);
    expect(refusal(6.5)).toThrow('With quantize: "int4" it would fit.');
    expect(refusal(5)).toThrow('With quantize: "int4", precision: "fast" it would fit.');
    expect(refusal(3)).toThrow("a machine with more memory");
    expect(refusal(6.5, { quantize: "int8", precision: "exact" })).toThrow('With quantize: "int4" it would fit.');
  });

  it("published in int4 can only be computed with faster", () => {
    const small = published(config, 4);
    const exact = planWeights("m", small, floats, cpu.can);
    const fitting = () => mustFitMemory("m", small, exact, config, cpu.can, { total: 5 * GB, available: 5 * GB });
    expect(fitting).toThrow('With precision: "fast" it would fit.');
  });
});

describe("a 6B model on a GPU that has float16", () => {
  const gpu = { ...cpu.can, mapsFiles: false, ownMemory: true, float16: true };
  const load = (total: number, wanted: Partial<Pick<LoadParams, "quantize" | "precision">> = {}, can = gpu) =>
    fittingPlan(given, { name: "m", quantize: "none", precision: "auto", ...wanted }, config, can, {
      total: total * GB,
      available: total * GB,
    });

  it("is exact where that fits", () => {
    const { plan, precision, remark } = load(32);
    expect([plan.name, precision, remark]).toEqual(["float32", "exact", undefined]);
  });

  it("is held in float16 where only that fits, and says so", () => {
    const { plan, precision, remark } = load(16);
    expect([plan.name, precision]).toEqual(["float16", "fast"]);
    expect(remark).toBe("in float16: in float32, which is exact, it would not fit into the GPU's memory.");
    expect(memoryNeed(plan, config).weights / GB).toBeCloseTo(12.5, 1);
  });

  it("is refused where float32 was asked for, or the GPU has no float16, with what would fit", () => {
    expect(() => load(16, { precision: "exact" })).toThrow(/float32 weights.*With precision: "fast" it would fit\.$/s);
    expect(() => load(16, {}, { ...gpu, float16: false })).toThrow('With quantize: "int8" it would fit.');
    expect(() => load(10)).toThrow(/float16 weights.*With quantize: "int8" it would fit\.$/s);
  });

  it("is not rounded further where it is quantised", () => {
    expect(() => load(4.5, { quantize: "int4" })).toThrow('With quantize: "int4", precision: "fast" it would fit.');
  });
});

it("knows this machine", () => {
  const { total, available } = memoryThere();
  expect(available).toBeGreaterThan(50e6);
  expect(total).toBeGreaterThanOrEqual(available);
  expect(total).toBeLessThan(1e14);
  expect(neededBytes({ weights: 1, cache: 2, activations: 3, tokens: 1 })).toBe(6);
});

describe("a training step", () => {
  const tiny = { ...config, layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, headSize: 32, vocabulary: 4096 };
  const batch = (rows: number, tokens: number) => {
    const ids = Array.from({ length: rows }, () => Array.from({ length: tokens }, () => 5));
    return { inputIds: ids, labels: ids.map((row) => row.map((id, i) => (i < tokens - 16 ? -100 : id))) };
  };
  const there = () => ({ total: 2 * GB, available: GB });
  const parameters = [{ name: "a", shape: [8, 256] }];

  it("that needs more than is free is refused before it starts, with what to do", () => {
    const large = batch(16, 450);
    expect(() => mustFitTraining("training dream", tiny, parameters, large, there, 3)).toThrow(
      /^training dream: a step over 16 rows of up to 450 tokens takes about 2\.09 GB.*1\.00 GB of 2\.00 GB are free.*batchSize.*maxLength/s,
    );
    expect(() => mustFitTraining("it", tiny, parameters, batch(4, 450), there, 3)).not.toThrow();
    // Gradients and moments of all parameters, however small the batch.
    const all = [{ name: "a", shape: [100_000, 1000] }];
    expect(() => mustFitTraining("it", tiny, all, batch(1, 32), there, 3)).toThrow(
      /1\.\d\d GB for gradients and the optimiser/,
    );
  });

  it("that would fit with gradient checkpointing is refused with that as the remedy, and not with it", () => {
    const large = batch(16, 450);
    const remedy = /With gradientCheckpointing: true \(--gradient-checkpointing\) it takes \d+ MB, and more time\.$/;
    expect(() => mustFitTraining("it", tiny, parameters, large, there, 3)).toThrow(remedy);
    const checkpointed = { gradientCheckpointing: true };
    expect(() => mustFitTraining("it", tiny, parameters, large, there, 3, checkpointed)).not.toThrow();
    // Where it would not be enough, it is not told, nor where it is on already.
    const refused = (options: StepOptions, rows = large) => {
      try {
        mustFitTraining("it", tiny, parameters, rows, there, 3, options);
      } catch (error) {
        return String(error);
      }
      return "";
    };
    expect(refused({}, batch(64, 450))).toMatch(/unload other models\.$/);
    expect(refused(checkpointed, batch(64, 450))).toMatch(/unload other models\.$/);
    // Masks of dropout are kept either way.
    expect(refused({ masked: 100_000 })).toMatch(/unload other models\.$/);
  });

  it("that is small does not ask the system", () => {
    const asked = (): never => {
      throw new Error("asked");
    };
    expect(() => mustFitTraining("it", tiny, parameters, batch(8, 64), asked, 3)).not.toThrow();
  });
});
