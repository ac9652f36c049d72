/** @file Adapters merged into int8 and int4 models that are saved: in float16, quantised again with the error told, or refused. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { AdapterRef, AdapterSelection, MergedForm, ModelInfo } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { toFloat32 } from "../../src/float32.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { scaleName } from "../../src/weights/model-tensors.ts";
import { readTensor } from "../../src/weights/safetensors.ts";
import type { StoredTensor } from "../../src/weights/stored.ts";
import { ownHome } from "../home.ts";
import { copyOracleModel, deviation, oracleFolder } from "../oracle.ts";
import { loadModel } from "./oracle-suite.ts";

const scratch = ownHome();
const ref = (name: string): AdapterRef => ({ owner: "test", name });
const FAMILIES = ["chatglm-6b-int8", "chatglm2-6b-int8", "chatglm-6b-int4", "chatglm2-6b-int4"];

/** Floats of a matrix, as published: codes and scales, or float16. */
async function floatsOf(tensors: ReadonlyMap<string, StoredTensor>, name: string, bits: number): Promise<number[]> {
  const [{ data, shape }, scales] = [
    await readTensor(tensors.get(name)!),
    await readTensor(tensors.get(scaleName(name))!),
  ];
  const out = shape[0]!;
  const half = toFloat32(scales).data;
  const codes =
    bits === 8
      ? Array.from(data as Int8Array)
      : Array.from(data as Int8Array).flatMap((byte) => [byte >> 4, (byte << 28) >> 28]);
  return codes.map((code, i) => code * half[Math.floor(i / (codes.length / out))]!);
}

describe.each(FAMILIES)("%s", (family) => {
  const engine = new LocalEngine(only(cpu));
  const bits = Number(family.slice(-1));
  /** Of ChatGLM-6B, with [gMASK] and <sop>. */
  const inputIds = [
    family.startsWith("chatglm-6b") ? [5, 90, 31, 7, 151, 154, 40, 41] : [5, 90, 31, 7, 100, 11, 40, 41],
  ];
  let info: ModelInfo;
  const sum: AdapterSelection = [
    { adapter: ref("qkv"), weight: 1 },
    { adapter: ref("dense"), weight: 0.5 },
  ];
  const logits = async (adapter: AdapterSelection, of = info): Promise<Float32Array> =>
    (await engine.call("logits", { model: of.key, inputIds, adapter })).data;
  const folderOf = (name: string): string => join(scratch, `${family}-${name}`);
  const save = (folder: string, adapter: AdapterSelection, quantized?: MergedForm) =>
    engine.call("saveModel", {
      ...{ model: info.key, adapter, folder, maxShardBytes: 1e9 },
      ...(quantized ? { quantized } : {}),
    });
  const reloaded = async (folder: string): Promise<Float32Array> => {
    const model = await loadModel(engine, folder);
    const found = await logits(null, model);
    await engine.call("unload", { model: model.key });
    return found;
  };
  const settings = (folder: string): object => JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));

  beforeAll(async () => {
    info = await loadModel(engine, copyOracleModel(family, join(scratch, family)));
    for (const [name, target] of [
      ["qkv", "query_key_value"],
      ["dense", "dense_h_to_4h"],
    ] as const) {
      const config = { method: "lora", r: 4, alpha: 8, dropout: 0, targets: [target] } as const;
      const of = { model: info.key, adapter: ref(name) };
      await engine.call("createAdapter", { ...of, config, seed: 1 });
      const batch = { inputIds, labels: inputIds };
      const { handle } = await engine.call("gradients", { ...of, batch, seed: 0 });
      const step = { optimizer: "o", config: adamWConfig({ lr: 0.02 }), handles: [handle] };
      await engine.call("optimizerStep", { ...of, ...step });
    }
  });
  afterAll(() => engine.close());

  it("stacks adapters beside codes as beside floats", async () => {
    const stacked = await logits(sum);
    expect(deviation(stacked, await logits(null))).toBeGreaterThan(1e-3);
    await engine.call("mergeAdapter", { model: info.key, adapter: ref("qkv") });
    expect(deviation(await logits(sum), stacked)).toBeLessThan(1e-4);
    await engine.call("unmergeAdapter", { model: info.key, adapter: ref("qkv") });
    expect(await logits(sum)).toEqual(stacked);
  });

  it("is written in float16 unless it is said otherwise, and says what that rounds off", async () => {
    const folder = folderOf("floats");
    const { rewritten } = await save(folder, sum);
    expect(rewritten).toMatchObject({ form: "float16", matrices: info.config.layers * 4 });
    expect(rewritten!.relative).toBeLessThan(2 ** -11);
    expect(settings(folder)).not.toHaveProperty("quantization_bit");
    expect(deviation(await reloaded(folder), await logits(sum))).toBeLessThan(2e-3);
    expect(await save(folderOf("default"), sum, "dequantize")).toEqual({ rewritten });
  });

  it("is quantised again where it changes, with the error that the files have", async () => {
    const folder = folderOf("again");
    const { rewritten } = await save(folder, sum, "requantize");
    expect(rewritten).toMatchObject({ form: `int${bits}`, matrices: info.config.layers * 2 });
    expect(settings(folder)).toMatchObject({ quantization_bit: bits });
    // What was meant: the codes' floats with the updates, as another path has them.
    const meant = folderOf("meant");
    await save(meant, sum);
    const [again, floats, before] = await Promise.all(
      [folder, meant, oracleFolder(family)].map(async (at) => (await openCheckpoint(at)).tensors),
    );
    let [max, difference, norm] = [0, 0, 0];
    for (const { name } of info.parameters.filter((one) => again!.has(scaleName(one.name)))) {
      if (!/query_key_value|dense_h_to_4h/.test(name)) {
        expect((await readTensor(again!.get(name)!)).data, name).toEqual((await readTensor(before!.get(name)!)).data);
        continue;
      }
      const written = await floatsOf(again!, name, bits);
      toFloat32(await readTensor(floats!.get(name)!)).data.forEach((value, i) => {
        const gap = Math.abs(written[i]! - value);
        [max, difference, norm] = [Math.max(max, gap), difference + gap ** 2, norm + value ** 2];
      });
    }
    expect(max / rewritten!.max).toBeCloseTo(1, 1);
    expect(Math.sqrt(difference / norm) / rewritten!.relative).toBeCloseTo(1, 1);
    // Half a step of the coarsest row at most, and the update is larger than that.
    expect(rewritten!.relative).toBeLessThan(bits === 8 ? 0.01 : 0.15);
    const [adapted, base, loaded] = [await logits(sum), await logits(null), await reloaded(folder)];
    // As much of what was learnt is gone as is said: in 8 bits little, in 4 bits most of a small change.
    expect(deviation(loaded, adapted)).toBeLessThan(2 * rewritten!.ofChange! * deviation(base, adapted));
    if (bits === 8) expect(rewritten!.ofChange).toBeLessThan(0.6);
  });

  it("is refused where that is said, before anything is written", async () => {
    await expect(save(folderOf("none"), sum, "refuse")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/matrices that are held in int[48] would .*"dequantize".*"requantize"/),
    });
    expect(existsSync(folderOf("none"))).toBe(false);
    // Without what changes codes, nothing is lost and nothing told.
    for (const form of ["refuse", "requantize"] as const) {
      expect(await save(folderOf(form), null, form)).toEqual({});
      expect(await reloaded(folderOf(form))).toEqual(await logits(null));
    }
    await save(folderOf("floats"), null, "dequantize");
    expect(JSON.parse(readFileSync(join(folderOf("floats"), "config.json"), "utf8"))).not.toHaveProperty(
      "quantization_bit",
    );
    expect(deviation(await reloaded(folderOf("floats")), await logits(null))).toBeLessThan(2e-3);
  });
});
