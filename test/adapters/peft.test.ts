import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BaseModel, LoraConfig, Targets } from "../../src/adapters/adapter.ts";
import { writeAdapter } from "../../src/adapters/files.ts";
import { lora } from "../../src/adapters/lora.ts";
import { readPeft } from "../../src/adapters/peft.ts";
import { parsePeftConfig } from "../../src/adapters/peft-config.ts";
import { GlmError } from "../../src/errors.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { randomStream } from "../../src/random.ts";
import { filled, type Tensor, tensor } from "../../src/tensor.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { deviation, floats, oracleConfig, oracleFolder } from "../oracle.ts";
import { randomConfig } from "../random-weights.ts";

const made = join(import.meta.dirname, "../fixtures/peft");
const noRead = (): never => {
  throw new Error("the base's values are not needed");
};

/** The model of fixtures/peft/make.py. */
const small: BaseModel = {
  parameters: [],
  modules: [0, 1, 2]
    .flatMap((layer) => [
      { name: `transformer.encoder.layers.${layer}.self_attention.query_key_value`, in: 6, out: 10 },
      { name: `transformer.encoder.layers.${layer}.self_attention.dense`, in: 6, out: 6 },
      { name: `transformer.encoder.layers.${layer}.mlp.dense_h_to_4h`, in: 6, out: 16 },
      { name: `transformer.encoder.layers.${layer}.mlp.dense_4h_to_h`, in: 8, out: 6 },
    ])
    .concat({ name: "transformer.output_layer", in: 6, out: 20 }),
  config: randomConfig("glm", 1, 1, 6),
  read: noRead,
};

function oracleBase(family: string): BaseModel {
  const config = oracleConfig(family);
  return { parameters: parametersOf(config), modules: modulesOf(config), config, read: noRead };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-peft-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("PEFT's adapters change the weights as they do there", () => {
  test.each(["plain", "rslora", "patterns", "rslora-patterns", "regex", "layers", "excluded"])("%s", async (name) => {
    const { config, tensors } = await readPeft(join(made, name), small);
    const adapter = lora(config, small);
    const { values: deltas } = await readSafetensors(join(made, name, "delta.safetensors"));
    expect(Object.keys(deltas).length).toBeGreaterThan(1);
    for (const module of small.modules) {
      const weight = `${module.name}.weight`;
      const zero = filled([module.out, module.in]);
      expect(adapter.mergeTargets.has(weight), weight).toBe(deltas[weight] !== undefined);
      if (!deltas[weight]) continue;
      const merged = adapter.merge(tensors, weight, zero);
      expect(deviation(merged.data, floats(deltas[weight])), weight).toBeLessThan(1e-6);
    }
    // What is written and read again is the same adapter.
    await writeAdapter(folder, { config, tensors, documents: {} }, "a/model");
    expect(await readPeft(folder, small)).toEqual({ config, tensors });
  });
});

describe("round trip", () => {
  test.each([
    ["chatglm2-6b", "lora-qkv"],
    ["chatglm2-6b", "lora-all"],
    ["chatglm3-6b", "lora-all-after"],
  ])("%s %s", async (family, name) => {
    const source = oracleFolder(family, name);
    const { config, tensors } = await readPeft(source, oracleBase(family));
    expect(config).toMatchObject({ method: "lora", r: 4, alpha: 16, dropout: 0 });
    await writeAdapter(folder, { config, tensors, documents: {} }, "");
    expect((await readdir(folder)).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    const [before, after] = await Promise.all(
      [source, folder].map((path) => readSafetensors(join(path, "adapter_model.safetensors"))),
    );
    expect(after?.values).toEqual(before?.values);
    expect(after?.metadata).toEqual({ format: "pt" });
    const [theirs, ours] = [source, folder].map(
      (path) => JSON.parse(readFileSync(join(path, "adapter_config.json"), "utf8")) as Record<string, unknown>,
    );
    // All that PEFT wrote and that is not empty.
    for (const [key, value] of Object.entries(theirs ?? {})) {
      if (key !== "loftq_config" && key !== "megatron_core" && value !== null) expect(ours?.[key], key).toEqual(value);
    }
  });

  test("half precision is read as float32; an old adapter_model.bin goes", async () => {
    await writeFile(join(folder, "adapter_model.bin"), "old");
    const config: LoraConfig = { method: "lora", r: 1, alpha: 1, dropout: 0, targets: ["output_layer"] };
    const half: Record<string, Tensor> = {
      "base_model.model.transformer.output_layer.lora_A.weight": tensor(
        "float16",
        [1, 6],
        new Uint16Array(6).fill(0x3c00),
      ),
      "base_model.model.transformer.output_layer.lora_B.weight": tensor(
        "bfloat16",
        [20, 1],
        new Uint16Array(20).fill(0xbf80),
      ),
    };
    const zeros = lora(config, small).parameters.map(({ name, shape }) => [name, filled(shape)]);
    await writeAdapter(folder, { config, tensors: Object.fromEntries(zeros), documents: {} }, "");
    expect(await readdir(folder)).not.toContain("adapter_model.bin");
    await writeSafetensors(join(folder, "adapter_model.safetensors"), sourcesOf(half));
    const { tensors } = await readPeft(folder, small);
    expect(Object.values(tensors).map(({ data }) => [...new Set(data)])).toEqual([[1], [-1]]);
  });
});

test("an adapter_model.bin is read where there is nothing newer", async () => {
  await cp(join(made, "plain"), folder, { recursive: true });
  const { tensors } = await readPeft(folder, small);
  await rename(join(folder, "adapter_model.safetensors"), join(folder, "aside"));
  await cp(join(made, "plain.bin"), join(folder, "adapter_model.bin"));
  expect((await readPeft(folder, small)).tensors).toEqual(tensors);
});

describe("what PEFT loads is loaded", () => {
  const written = async (change: Record<string, unknown>, without: readonly string[] = []): Promise<void> => {
    await cp(join(made, "plain"), folder, { recursive: true });
    const path = join(folder, "adapter_config.json");
    const json = { ...JSON.parse(await readFile(path, "utf8")), ...change };
    await writeFile(
      path,
      JSON.stringify(Object.fromEntries(Object.entries(json).filter(([k]) => !without.includes(k)))),
    );
  };

  test("targets of which some match nothing, with a note", async () => {
    await written({ target_modules: ["q_proj", "query_key_value", "dense_4h_to_h", "v_proj"] });
    const { config, note } = await readPeft(folder, small);
    expect(config.targets).toEqual(["query_key_value", "dense_4h_to_h"]);
    expect(note).toBe("This model has no module q_proj, v_proj, which the adapter names.");
  });

  test("what a file leaves out is as in PEFT", async () => {
    await written({});
    const { config: full, tensors } = await readPeft(folder, small);
    await written({}, [
      "lora_alpha",
      "lora_dropout",
      "bias",
      "rank_pattern",
      "alpha_pattern",
      "use_rslora",
      "task_type",
    ]);
    expect(await readPeft(folder, small)).toEqual({ config: { ...full, alpha: 8, dropout: 0 }, tensors });
    const { config } = parsePeftConfig({ peft_type: "LORA" }, "x", small.modules);
    expect(config).toEqual({ method: "lora", r: 8, alpha: 8, dropout: 0, targets: ["query_key_value"] });
  });

  test.each(["eva", "gaussian", "orthogonal", true, false])("starting values of %s", async (start) => {
    await written({ init_lora_weights: start, eva_config: { rho: 2, tau: 0.99 } });
    expect((await readPeft(folder, small)).config.r).toBe(3);
  });

  test("a rank beyond the smallest side", async () => {
    const config: LoraConfig = { method: "lora", r: 40, alpha: 1, dropout: 0, targets: ["dense_4h_to_h"] };
    const values = lora(config, small).parameters.map(({ name, shape }) => [name, filled(shape)]);
    await writeAdapter(folder, { config, tensors: Object.fromEntries(values), documents: {} }, "");
    expect((await readPeft(folder, small)).config).toEqual(config);
    // A new one of that rank would only be slow.
    await expect(lora(config, small).initialize(0)).rejects.toThrow("expected at most 6");
  });

  test("layers by the last number of two levels, or by the pattern that names their list", () => {
    const parse = (change: object): Targets =>
      parsePeftConfig({ peft_type: "LORA", target_modules: ["dense"], ...change }, "x", small.modules).config.targets;
    const dense = (layer: number): string => `transformer.encoder.layers.${layer}.self_attention.dense`;
    expect(parse({ layers_to_transform: [0, 2] })).toEqual([dense(0), dense(2)]);
    expect(parse({ layers_to_transform: 1, layers_pattern: "layers" })).toEqual([dense(1)]);
    expect(parse({ layers_to_transform: 1, layers_pattern: ["h", "la.*s"] })).toEqual([dense(1)]);
  });
});

describe("patterns that would never end", () => {
  const hostile = "(?:(?:[a-z_.0-9]+)+)+!";
  test.each([
    ["target_modules", { target_modules: hostile }],
    ["exclude_modules", { exclude_modules: hostile }],
    ["layers_pattern", { layers_to_transform: [1], layers_pattern: hostile }],
    ["rank_pattern", { rank_pattern: { [hostile]: 2 } }],
    ["alpha_pattern", { alpha_pattern: { [hostile]: 2 } }],
  ])("%s", (_, change) => {
    const start = performance.now();
    const json = { peft_type: "LORA", target_modules: ["dense"], ...change };
    try {
      const { config } = parsePeftConfig(json, "x", small.modules);
      expect(lora(config, small).mergeTargets.size).toBe(3);
    } catch (error) {
      expect(error).toMatchObject({ code: "adapter-invalid", message: expect.stringContaining("fits none") });
    }
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test("what cannot be matched in linear time is refused by name", () => {
    const json = { peft_type: "LORA", target_modules: ".*(?<!h)dense", rank_pattern: { "(?=x)d": 1 } };
    expect(() => parsePeftConfig(json, "x", small.modules)).toThrow(
      expect.objectContaining({
        code: "unsupported",
        message: expect.stringMatching(
          /rank_pattern\["\(\?=x\)d"\]: .*lookahead[\s\S]*target_modules: .*negative lookbehind/,
        ),
      }),
    );
  });
});

describe("what cannot be used is refused", () => {
  const refusal = async (base = small): Promise<Error & { code?: string }> => {
    const error = await readPeft(folder, base).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GlmError);
    return error as GlmError;
  };
  const copy = (name: string): Promise<void> => cp(join(made, name), folder, { recursive: true });
  const config = async (change: Record<string, unknown>): Promise<void> => {
    const path = join(folder, "adapter_config.json");
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...change }));
  };

  test.each([["pissa", 'init_lora_weights: "pissa"']])("%s, as PEFT writes it", (name, said) => {
    const json = JSON.parse(readFileSync(join(made, "refused", `${name}.json`), "utf8"));
    expect(() => parsePeftConfig(json, "x/adapter_config.json", small.modules)).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining(said) }),
    );
  });

  test("other methods and options of later releases, by name", async () => {
    await copy("plain");
    await config({ peft_type: "PROMPT_TUNING" });
    expect(await refusal()).toMatchObject({
      code: "unsupported",
      message: expect.stringContaining('peft_type "PROMPT_TUNING"'),
    });
    await config({ peft_type: "LORA", use_magic: true, spell_config: { a: 1 }, new_number: 3 });
    expect((await refusal()).message).toMatch(/use_magic: true\n- spell_config: \{"a":1\}$/);
  });

  test("every fault of the configuration at once", async () => {
    await copy("plain");
    await config({ r: "8", lora_alpha: null, rank_pattern: [1], target_modules: 5 });
    expect(await refusal()).toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(
        /rank_pattern: .*\n- r: expected a number, got "8"\n- lora_alpha: .*\n- target_modules: expected names or a pattern, got 5/,
      ),
    });
    await config({ r: 3, lora_alpha: 7, rank_pattern: {}, target_modules: "(" });
    expect((await refusal()).message).toMatch(/target_modules: the pattern cannot be read/);
    await config({ target_modules: "nothing.*" });
    expect((await refusal()).message).toMatch(/which fits none/);
    await config({ target_modules: ["qkv", "o_proj"] });
    expect((await refusal()).message).toMatch(
      /got \["qkv","o_proj"\], which fits none. It has query_key_value, dense,/,
    );
    await config({ target_modules: ["query_key_value"], r: 0.5, lora_alpha: -1 });
    expect((await refusal()).message).toMatch(/r: .*got 0.5\n- alpha: .*got -1/);
  });

  test.each(["lora_A.default.weight", "lora_B.default.weight"])(
    "%s has the suggestion for its own name",
    async (end) => {
      await copy("plain");
      const path = join(folder, "adapter_model.safetensors");
      const { values } = await readSafetensors(path);
      const named = (name: string): string => name.replace(/(lora_[AB])\.weight$/, "$1.default.weight");
      await writeSafetensors(
        path,
        sourcesOf(Object.fromEntries(Object.entries(values).map(([k, v]) => [named(k), v]))),
      );
      const { message } = await refusal();
      const module = "base_model.model.transformer.encoder.layers.2.mlp.dense_4h_to_h";
      expect(message).toContain(
        `${module}.${end} belongs to nothing in this model. Did you mean ${module}.${end.replace(".default", "")}?`,
      );
    },
  );

  test.each([
    ["float32", Number.NaN, "NaN"],
    ["float16", 0xfc00, "-Infinity"],
    ["bfloat16", 0x7f80, "Infinity"],
  ] as const)("%s with %s, by name and place", async (dtype, value, said) => {
    await copy("plain");
    const path = join(folder, "adapter_model.safetensors");
    const { values } = await readSafetensors(path);
    const name = "base_model.model.transformer.encoder.layers.1.mlp.dense_4h_to_h.lora_B.weight";
    const { shape, data } = values[name]!;
    const numbers = dtype === "float32" ? new Float32Array(data.length) : new Uint16Array(data.length);
    numbers[7] = value;
    await writeSafetensors(path, sourcesOf({ ...values, [name]: { dtype, shape, data: numbers } as Tensor }));
    expect(await refusal()).toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(`${name}: expected finite numbers, got ${said} at [2,1]`),
    });
  });

  test("every tensor that does not fit, in one report", async () => {
    await copy("plain");
    const path = join(folder, "adapter_model.safetensors");
    const { values } = await readSafetensors(path);
    const [first, second, third] = Object.keys(values).sort() as [string, string, string];
    const { [first]: lost, ...others } = values;
    const wrong = {
      ...others,
      [second]: filled([2, 2]),
      [third]: tensor("int8", values[third]!.shape, new Int8Array(values[third]!.data.length)),
      "base_model.model.other.lora_A.weight": filled([1]),
    };
    await writeSafetensors(path, sourcesOf(wrong));
    const { code, message } = await refusal();
    expect(code).toBe("adapter-invalid");
    for (const part of [
      `${first} is missing: expected [${lost!.shape}]`,
      `${second}: expected [${values[second]!.shape}], got [2,2]`,
      `${third}: expected numbers of a float type, got int8`,
      "base_model.model.other.lora_A.weight belongs to nothing",
    ]) {
      expect(message).toContain(part);
    }
  });

  test("another model's adapter", async () => {
    await cp(oracleFolder("chatglm2-6b", "lora-qkv"), folder, { recursive: true });
    expect((await refusal()).message).toMatch(
      /does not fit the model.*\n- .*layers\.0.*query_key_value\.lora_A\.weight: expected \[4,6\], got \[4,128\]/,
    );
  });

  test("folders without an adapter", async () => {
    expect(await refusal()).toMatchObject({
      code: "adapter-not-found",
      message: expect.stringMatching(/got an empty folder/),
    });
    await copy("plain");
    await rm(join(folder, "adapter_model.safetensors"));
    expect(await refusal()).toMatchObject({
      code: "adapter-not-found",
      message: expect.stringMatching(/expected adapter_model.safetensors or adapter_model.bin beside/),
    });
    await writeFile(join(folder, "adapter_model.bin"), "");
    expect(await refusal()).toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/adapter_model\.bin/),
    });
    await rm(folder, { recursive: true });
    expect(await refusal()).toMatchObject({
      code: "adapter-not-found",
      message: expect.stringMatching(/Check the path/),
    });
    await mkdir(folder);
  });

  test("mutated files are refused, or read with the shapes that the model needs", async () => {
    await copy("patterns");
    const files = await Promise.all(
      ["adapter_config.json", "adapter_model.safetensors"].map(async (name) => ({
        path: join(folder, name),
        bytes: await readFile(join(folder, name)),
      })),
    );
    const random = randomStream(3, "peft mutations");
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const { path, bytes } = files[random.integer(2)]!;
      const mutated = Uint8Array.from(bytes);
      // In the tensors' file only the header is of interest: any value is a value.
      const span = path.endsWith(".json") ? bytes.length : Number(bytes.readBigUInt64LE(0));
      for (let n = random.integer(3); n >= 0; n--) mutated[random.integer(span)] = 32 + random.integer(95);
      await writeFile(path, random.integer(10) === 0 ? mutated.subarray(0, random.integer(bytes.length)) : mutated);
      try {
        const { config: read, tensors } = await readPeft(folder, small);
        for (const { name, shape } of lora(read, small).parameters) expect(tensors[name]?.shape).toEqual(shape);
      } catch (error) {
        if (!(error instanceof GlmError)) throw error;
        refused++;
      }
      await writeFile(path, bytes);
    }
    expect(refused).toBeGreaterThan(150);
  });
});
