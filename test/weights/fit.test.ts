import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { rotaryFrequencies } from "../../src/models/rotary.ts";
import { tensor as tensorOf } from "../../src/tensor.ts";
import { type Checkpoint, openCheckpoint } from "../../src/weights/checkpoint.ts";
import { readHeader } from "../../src/weights/header.ts";
import { modelTensors, type PublishedBits } from "../../src/weights/model-tensors.ts";
import { readTensor, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import type { StoredTensor } from "../../src/weights/stored.ts";
import { oracleConfig, oracleFolder } from "../oracle.ts";

const expectationOf = (family: string) => {
  const config = oracleConfig(family);
  return { parameters: parametersOf(config), modules: modulesOf(config), bits: config.quantization };
};

const expectations = { "chatglm-6b": expectationOf("chatglm-6b"), "chatglm2-6b": expectationOf("chatglm2-6b") };

test.each(
  readdirSync(oracleFolder(""), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])),
)("%s: weights and config.json are of one model", async (family) => {
  const expected = expectationOf(family);
  const fitted = await modelTensors(await openCheckpoint(oracleFolder(family)), expected);
  expect(fitted.size).toBe(expected.parameters.length + (expected.bits ? expected.modules.length : 0));
});

describe.each(["chatglm-6b", "chatglm2-6b"] as const)("%s", (family) => {
  const { parameters, modules } = expectations[family];
  const names = parameters.map(({ name }) => name);

  test.each(["", "-fp16-bin"])("%s: the parameters, in the model's order", async (form) => {
    const fitted = await modelTensors(await openCheckpoint(oracleFolder(family + form)), { parameters, modules });
    expect([...fitted.keys()]).toEqual(names);
    expect([...fitted.values()].map(({ name }) => name)).toEqual(names);
  });

  test.each([8, 4] as const)("int%i: each packed weight has its scale beside it", async (bits) => {
    const checkpoint = await openCheckpoint(oracleFolder(`${family}-int${bits}`));
    const fitted = await modelTensors(checkpoint, { parameters, modules, bits });
    const expected = parameters.flatMap(({ name, shape: [out, width] }): [string, unknown][] =>
      modules.some((module) => `${module.name}.weight` === name)
        ? [
            [name, [out, ((width as number) * bits) / 8]],
            [`${name}_scale`, [out]],
          ]
        : [[name, checkpoint.tensors.get(name)?.shape]],
    );
    expect([...fitted].map(([name, { shape }]) => [name, shape])).toEqual(expected);
  });

  test.each([
    ["", 8, "quantization_bit 8, but 8 of 8 linear weights are floats", "should give no quantization_bit"],
    [
      "-int8",
      undefined,
      "no quantization_bit, but 8 of 8 linear weights are 8-bit integers",
      "give quantization_bit 8",
    ],
    ["-int4", undefined, "no quantization_bit, but 8 of 8 linear weights are 4-bit", "give quantization_bit 4"],
    ["-int8", 4, "quantization_bit 4, but 8 of 8 linear weights are 8-bit", "give quantization_bit 8"],
    ["-int4", 8, "quantization_bit 8, but 8 of 8 linear weights are 4-bit", "give quantization_bit 4"],
  ] as [string, PublishedBits | undefined, string, string][])(
    "weights%s with a config.json of %s bits contradict it, said once",
    async (form, bits, said, remedy) => {
      const faults = await faultsOf(await openCheckpoint(oracleFolder(family + form)), { parameters, modules, bits });
      expect(faults).toHaveLength(1);
      expect(faults[0]).toContain(said);
      expect(faults[0]).toContain(remedy);
    },
  );
});

/** The lines of the report. */
async function faultsOf(
  checkpoint: Pick<Checkpoint, "folder" | "tensors">,
  expected: Parameters<typeof modelTensors>[1],
): Promise<string[]> {
  const error = await modelTensors(checkpoint, expected).catch((e: unknown) => e as Error);
  expect(error).toMatchObject({ name: "GlmError", code: "model-invalid" });
  const [head, ...faults] = (error as Error).message.split("\n- ");
  expect(head).toBe(`${checkpoint.folder}: the weights do not fit config.json; take both from one model:`);
  return faults;
}

/** The checkpoint with tensors changed, added (undefined in the original) or removed (undefined here). */
async function changed(
  family: string,
  changes: Readonly<Record<string, Partial<StoredTensor> | undefined>>,
): Promise<Pick<Checkpoint, "folder" | "tensors">> {
  const { folder, tensors } = await openCheckpoint(oracleFolder(family));
  const all = new Map(tensors);
  const any = all.values().next().value as StoredTensor;
  for (const [name, change] of Object.entries(changes)) {
    if (change) all.set(name, { ...(all.get(name) ?? any), name, ...change });
    else all.delete(name);
  }
  return { folder, tensors: all };
}

describe("faults", () => {
  const expected = expectations["chatglm2-6b"];
  const layer = "transformer.encoder.layers.1";

  test("all of them are in one report", async () => {
    const checkpoint = await changed("chatglm2-6b", {
      "transformer.output_layer.weight": { shape: [160, 64] },
      "transformer.encoder.final_layernorm.weight": undefined,
      [`${layer}.mlp.dense_4h_to_h.weight`]: { dtype: "int64" },
      [`${layer}.post_self_attn_layernorm.weight`]: {},
    });
    expect(await faultsOf(checkpoint, expected)).toEqual([
      `${layer}.mlp.dense_4h_to_h.weight: expected float32 or float16 or bfloat16, got int64`,
      "transformer.encoder.final_layernorm.weight: missing, expected [128]",
      "transformer.output_layer.weight: expected [160,128], got [160,64]",
      `"${layer}.post_self_attn_layernorm.weight": the model of config.json has no such tensor`,
    ]);
  });

  test("a packed weight without its scale, and a scale of another size", async () => {
    const module = `${layer}.mlp.dense_4h_to_h.weight`;
    const other = `${layer}.self_attention.dense.weight`;
    const checkpoint = await changed("chatglm2-6b-int4", {
      [`${module}_scale`]: undefined,
      [`${other}_scale`]: { shape: [64] },
    });
    expect((await faultsOf(checkpoint, { ...expected, bits: 4 })).sort()).toEqual([
      `${module}_scale: missing, expected [128]`,
      `${other}_scale: expected [128], got [64]`,
    ]);
  });

  test("more or fewer layers than config.json gives", async () => {
    const checkpoint = await openCheckpoint(oracleFolder("chatglm2-6b"));
    const first = expected.parameters.filter(({ name }) => !name.startsWith(layer));
    expect(await faultsOf(checkpoint, { ...expected, parameters: first })).toEqual([
      "config.json gives 1 layers, but the weights have 2",
    ]);
    const third = expected.parameters.map(({ name, shape }) => ({ name: name.replace("layers.1", "layers.2"), shape }));
    const three = {
      ...expected,
      parameters: [...expected.parameters, ...third.filter(({ name }) => name.includes(".2."))],
    };
    expect(await faultsOf(checkpoint, three)).toEqual(["config.json gives 3 layers, but the weights have 2"]);
  });

  test("a garbled model is reported in twenty lines", async () => {
    const strangers = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`vision.${i}`, {}]));
    const faults = await faultsOf(await changed("chatglm2-6b", strangers), expected);
    expect(faults).toHaveLength(21);
    expect(faults.at(-1)).toBe("and 10 more");
  });
});

describe("tensors that the model does not use", () => {
  test("are tolerated when they cannot change what it computes", async () => {
    const checkpoint = await changed("chatglm2-6b", {
      "transformer.encoder.layers.0.self_attention.rotary_emb.inv_freq": {},
      "transformer.encoder.layers.0.attention.bias": { dtype: "bool" },
      "transformer.encoder.layers.0.attn.masked_bias": {},
    });
    const fitted = await modelTensors(checkpoint, expectations["chatglm2-6b"]);
    expect(fitted.size).toBe(expectations["chatglm2-6b"].parameters.length);
  });

  test.each([
    ["transformer.prefix_encoder.embedding.weight"],
    ["transformer.prefix_encoder.trans.0.weight", "transformer.prefix_encoder.embedding.weight"],
    ["prefix_encoder.embedding.weight"],
  ])("are no part of the model where they are a trained prefix: %s", async (...names) => {
    const checkpoint = await changed("chatglm2-6b", Object.fromEntries(names.map((name) => [name, {}])));
    const found = await modelTensors(checkpoint, expectations["chatglm2-6b"]);
    expect([...found.keys()].filter((name) => name.includes("prefix"))).toEqual([]);
    expect(found.size).toBeGreaterThan(0);
  });

  test("and a prefix alone is called that", async () => {
    const { tensors } = await changed("chatglm2-6b", { "transformer.prefix_encoder.embedding.weight": {} });
    const prefix = new Map([...tensors].filter(([name]) => name.includes("prefix")));
    await expect(modelTensors({ folder: "p", tensors: prefix }, expectations["chatglm2-6b"])).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(/^p: expected a model, got a prefix alone .*P-tuning v2.*%adapter load NAME p/),
    });
  });

  test("are refused where they are other frequencies than the model's, which ChatGLM-6B's code takes from the files", async () => {
    const frequencies = rotaryFrequencies(oracleConfig("chatglm-6b"));
    const expected = { ...expectations["chatglm-6b"], frequencies };
    for (const form of ["", "-fp16-bin", "-int4"]) {
      const bits = form === "-int4" ? (4 as const) : undefined;
      const checkpoint = await openCheckpoint(oracleFolder(`chatglm-6b${form}`));
      expect([...checkpoint.tensors.keys()].some((name) => name.endsWith("inv_freq"))).toBe(true);
      expect((await modelTensors(checkpoint, { ...expected, bits })).size).toBeGreaterThan(0);
    }
    const name = "transformer.layers.1.attention.rotary_emb.inv_freq";
    const scaled = tensorOf(
      "float32",
      [frequencies.length],
      frequencies.map((value) => value / 4),
    );
    const file = join(await mkdtemp(join(tmpdir(), "glmlab-frequencies-")), "f.safetensors");
    onTestFinished(() => rm(dirname(file), { recursive: true }));
    await writeSafetensors(file, sourcesOf({ [name]: scaled }));
    const [tensor] = (await readHeader(file)).tensors;
    const said = `${name}: expected the frequencies of positions of config.json, got others: scaled ones are not supported`;
    expect(await faultsOf(await changed("chatglm-6b", { [name]: tensor }), expected)).toEqual([said]);
  });

  describe("a head that is tied to the embedding", () => {
    const expected = expectations["chatglm-6b"];
    const embedding = "transformer.word_embeddings.weight";
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "glmlab-fit-"));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    test("may be there alone", async () => {
      const checkpoint = await changed("chatglm-6b", { [embedding]: undefined });
      const fitted = await modelTensors(checkpoint, expected);
      expect(fitted.get(embedding)).toEqual({ ...checkpoint.tensors.get("lm_head.weight"), name: embedding });
    });

    test("must have its numbers, and its shape", async () => {
      // One number is different, in the middle of the table.
      const { tensors } = await openCheckpoint(oracleFolder("chatglm-6b"));
      const head = tensors.get("lm_head.weight") as StoredTensor;
      const bytes = new Uint8Array((await readTensor(head)).data.buffer);
      const copy = join(folder, "copy.bin");
      const moved = await changed("chatglm-6b", { "lm_head.weight": { file: copy, offset: 0 } });
      await writeFile(copy, bytes);
      expect((await modelTensors(moved, expected)).size).toBe(expected.parameters.length);
      bytes[bytes.length / 2] = (bytes[bytes.length / 2] as number) ^ 1;
      await writeFile(copy, bytes);
      const said = [
        `lm_head.weight: expected the numbers of ${embedding}, with which this model shares it, got others`,
      ];
      expect(await faultsOf(moved, expected)).toEqual(said);
      const shorter = await changed("chatglm-6b", { "lm_head.weight": { shape: [80, 128], bytes: head.bytes / 2 } });
      expect(await faultsOf(shorter, expected)).toEqual(said);
    });
  });
});
