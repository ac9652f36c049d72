/** @file AdaLoRA against PEFT: losses with the orthogonality term, gradients, fourteen steps, and which singular values stay. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { adaLora } from "../../src/adapters/ada-lora.ts";
import type { AdaLoraConfig, AdapterTensors, BaseModel } from "../../src/adapters/adapter.ts";
import { readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import { adaLoraNames, budgetAt } from "../../src/adapters/rank-allocator.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { floatWeights } from "../../src/models/context.ts";
import { adamW, adamWConfig, totalNorm } from "../../src/train/optimizer.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { readSafetensors } from "../../src/weights/safetensors.ts";
import { deviation, oracleConfig, oracleFolder, oracleJson, oracleTensors, rowsOf } from "../oracle.ts";

interface Expected {
  readonly adalora: {
    readonly loss_with_orth: number;
    readonly init_r: number;
    readonly target_r: number;
    readonly tinit: number;
    readonly tfinal: number;
    readonly deltaT: number;
    readonly total_step: number;
    readonly orth_reg_weight: number;
    readonly alpha: number;
    readonly targets: string[];
    readonly trainable: number;
    readonly steps: readonly {
      readonly loss: number;
      readonly grad_norm: number;
      readonly kept: Record<string, number[]>;
    }[];
  };
}

describe.each(["chatglm-6b", "chatglm2-6b", "chatglm3-6b"])("%s", (family) => {
  it("learns, and gives up singular values, as PEFT does", async () => {
    const { adalora: expected } = oracleJson(family, "expected.json") as Expected;
    const model = oracleConfig(family);
    const checkpoint = await openCheckpoint(oracleFolder(family));
    const weights = floatWeights((graph, name) => {
      const { dtype, shape, ...range } = checkpoint.tensors.get(name)!;
      return graph.weight(name, dtype, shape, range);
    });
    const base: BaseModel = {
      parameters: parametersOf(model),
      modules: modulesOf(model),
      config: model,
      read: () => Promise.reject(new Error("AdaLoRA reads no base weights")),
    };
    const config: AdaLoraConfig = {
      ...{ method: "adaLora", r: expected.target_r, initR: expected.init_r, alpha: expected.alpha, dropout: 0 },
      ...{ targets: expected.targets, tinit: expected.tinit, tfinal: expected.tfinal, deltaT: expected.deltaT },
      ...{ beta1: 0.85, beta2: 0.85, orthogonality: expected.orth_reg_weight },
    };
    const adapter = adaLora(config, base);
    const tensors = (await oracleTensors(family, "adalora/adapter_model")) as AdapterTensors;
    expect(Object.keys(tensors).sort()).toEqual(adapter.parameters.map(({ name }) => name).sort());
    expect(adapter.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0)).toBe(
      expected.trainable,
    );

    const program = await trainingProgram(model, adapter, weights, cpu);
    const forward = await oracleTensors(family, "forward");
    const first = await program.gradients(
      { inputIds: rowsOf(forward.input_ids!), labels: rowsOf(forward.labels!) },
      tensors,
      0,
    );
    expect(first.loss).toBeCloseTo(expected.loss_with_orth, 4);
    for (const [name, { data }] of Object.entries(await oracleTensors(family, "adalora-gradients"))) {
      expect(deviation(first.gradients[name]!.data, data as Float32Array), name).toBeLessThan(1e-4);
    }

    const batches = await oracleTensors(family, "train-batches");
    const state = adamW.init(tensors);
    const optimizer = adamWConfig({ lr: 5e-3 });
    let memory: AdapterTensors | undefined;
    for (const [k, step] of expected.steps.entries()) {
      const batch = { inputIds: rowsOf(batches[`${k}.input_ids`]!), labels: rowsOf(batches[`${k}.labels`]!) };
      const { loss, gradients } = await program.gradients(batch, tensors, 0);
      expect(Math.abs(loss - step.loss), `step ${k}`).toBeLessThan(1e-3 * Math.max(1, step.loss));
      // The reference's first step still held the gradients above.
      if (k === 0) {
        for (const [name, { data }] of Object.entries(gradients)) {
          const held = first.gradients[name]!.data;
          for (let i = 0; i < data.length; i += 1) data[i] = data[i]! + held[i]!;
        }
      }
      const norm = totalNorm(gradients);
      expect(Math.abs(norm - step.grad_norm) / step.grad_norm, `step ${k}`).toBeLessThan(1e-2);
      const clipped = Math.min(1, 1 / (norm + 1e-6));
      for (const { data } of Object.values(gradients))
        for (let i = 0; i < data.length; i += 1) data[i] = data[i]! * clipped;
      adamW.update({ ...optimizer, clip: 0 }, state, tensors, gradients);
      memory = adapter.afterStep!({ tensors, gradients, memory, step: k, steps: expected.total_step });
      // Between two choices, what was given up grows again until the next: that is no rank.
      const isChoice = budgetAt(config, adapter.mergeTargets.size, k, expected.total_step) !== undefined;
      const ranks = Object.values(step.kept).map((kept) => kept.reduce((sum, one) => sum + one));
      if (isChoice) expect(adapter.ranks!(tensors, memory).map(({ rank }) => rank)).toEqual(ranks);
      expect(adapter.ranks!(tensors).map(({ rank }) => rank)).toEqual(ranks);
      for (const [name, kept] of Object.entries(step.kept)) {
        const module = name.slice(0, -".lora_E".length);
        const values = tensors[adaLoraNames(module).e]!.data;
        expect(
          [...values].map((value) => Number(value !== 0)),
          `step ${k}, ${name}`,
        ).toEqual(kept);
      }
    }
    await program.dispose();
  });
});

it("shrinks the budget with the cube of what is left of the time", () => {
  const config = { r: 2, initR: 6, tinit: 2, tfinal: 3, deltaT: 2 } as AdaLoraConfig;
  expect([0, 2, 3].map((step) => budgetAt(config, 10, step, 14))).toEqual([undefined, undefined, undefined]);
  expect(budgetAt(config, 10, 4, 14)).toBe(Math.trunc(40 * (1 - 2 / 9) ** 3 + 20));
  expect(budgetAt(config, 10, 12, 14)).toBe(20);
});

describe.each(["chatglm-6b", "chatglm2-6b", "chatglm3-6b"])("%s: files", (family) => {
  const model = oracleConfig(family);
  const base: BaseModel = {
    parameters: parametersOf(model),
    modules: modulesOf(model),
    config: model,
    read: () => Promise.reject(new Error("AdaLoRA reads no base weights")),
  };

  it("are PEFT's: what was given up is left out, and comes back as 0", async () => {
    const read = await readAdapter(join(oracleFolder(family), "adalora-after"), base);
    const { adalora } = oracleJson(family, "expected.json") as Expected;
    const last = adalora.steps.at(-1)!.kept;
    for (const [name, kept] of Object.entries(last)) {
      const e = read.tensors[`base_model.model.${name}`]!;
      expect(
        [...e.data].map((value) => Number(value !== 0)),
        name,
      ).toEqual(kept);
      expect(e.shape).toEqual([adalora.init_r, 1]);
    }
    expect(read.config).toMatchObject({ method: "adaLora", r: adalora.target_r, initR: adalora.init_r, totalStep: 14 });
    const folder = await mkdtemp(join(tmpdir(), "glmlab-adalora-"));
    try {
      await writeAdapter(folder, read, "base");
      expect(await readAdapter(folder, base)).toEqual(read);
      const [ours, theirs] = [folder, join(oracleFolder(family), "adalora-after")].map((place) =>
        readSafetensors(join(place, "adapter_model.safetensors")),
      );
      expect((await ours!).values).toEqual((await theirs!).values);
      const json = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
      const reference = JSON.parse(
        await readFile(join(oracleFolder(family), "adalora-after", "adapter_config.json"), "utf8"),
      );
      for (const key of [
        "rank_pattern",
        "init_r",
        "target_r",
        "tinit",
        "tfinal",
        "deltaT",
        "orth_reg_weight",
        "total_step",
      ]) {
        expect(json[key], key).toEqual(reference[key]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("of a new one have all of it", async () => {
    const read = await readAdapter(join(oracleFolder(family), "adalora"), base);
    expect(read.tensors).toEqual(await oracleTensors(family, "adalora/adapter_model"));
  });
});

describe("what cannot be", () => {
  const model = oracleConfig("chatglm2-6b");
  const base: BaseModel = {
    parameters: parametersOf(model),
    modules: modulesOf(model),
    config: model,
    read: () => Promise.reject(new Error("AdaLoRA reads no base weights")),
  };
  const config: AdaLoraConfig = {
    ...{ method: "adaLora", r: 2, initR: 4, alpha: 8, dropout: 0, targets: ["query_key_value"] },
    ...{ tinit: 0, tfinal: 0, deltaT: 1, beta1: 0.85, beta2: 0.85, orthogonality: 0.5 },
  };

  it.each([
    [{ r: 5 }, "r: expected at most initR (4), got 5"],
    [{ initR: 0 }, "initR: expected a whole number of 1 or more, got 0"],
    [{ beta1: 1 }, "beta1: expected 0 or more and less than 1, got 1"],
    [{ beta2: Number.NaN }, "beta2: expected 0 or more and less than 1, got NaN"],
    [{ deltaT: 0.5 }, "deltaT: expected a whole number of 1 or more, got 0.5"],
    [{ totalStep: 0 }, "totalStep: expected a whole number of 1 or more, got 0"],
    [{ alpha: Number.NaN }, "alpha: expected a number above 0, got NaN"],
    [{ targets: ["nothing"] }, "AdaLoRA targets nothing"],
  ])("options %j", (change, said) => {
    expect(() => adaLora({ ...config, ...change }, base)).toThrow(
      expect.objectContaining({ code: "adapter-invalid", message: expect.stringContaining(said) }),
    );
  });

  it("a schedule without steps in which something is given up, of a new one", async () => {
    await expect(adaLora({ ...config, tinit: 4, tfinal: 6, totalStep: 10 }, base).initialize(0)).rejects.toThrow(
      /tinit \+ tfinal \(4 \+ 6\).*got 10\./,
    );
    await expect(adaLora({ ...config, tinit: 4, tfinal: 6, totalStep: 11 }, base).initialize(0)).resolves.toBeDefined();
  });

  const qkv = "transformer.encoder.layers.0.self_attention.query_key_value.lora_E";
  const six = [true, false, true, true, false, false];
  it.each([
    [
      { rank_pattern: { [qkv]: [...six, false] } },
      [`rank_pattern: ${qkv}: expected 6 of true and false, as many as init_r, got 7`],
    ],
    [{ rank_pattern: { [qkv]: six.slice(1) } }, ["expected 6 of true and false, as many as init_r, got 5"]],
    [
      { rank_pattern: { [qkv]: [...six.slice(1), 1] } },
      ["expected a list of true and false, got [false,true,true,false,false,1]"],
    ],
    [{ rank_pattern: { [qkv]: 3 } }, ["expected a list of true and false, got 3"]],
    [{ rank_pattern: [six] }, ["rank_pattern: expected lists of true and false by module, got [["]],
    [
      { rank_pattern: { "transformer.encoder.layers.9.mlp.nowhere.lora_E": six, [qkv]: [] } },
      ["layers.9.mlp.nowhere.lora_E: this adapter has no such module", "as many as init_r, got 0"],
    ],
    [
      { init_r: null, target_r: "2", total_step: "soon", target_modules: 5 },
      [
        'target_r: expected a number, got "2"',
        'total_step: expected a number or null, got "soon"',
        "target_modules: expected names",
      ],
    ],
  ])("files with %j", async (change, said) => {
    const folder = await mkdtemp(join(tmpdir(), "glmlab-adalora-"));
    try {
      await cp(join(oracleFolder("chatglm2-6b"), "adalora-after"), folder, { recursive: true });
      const file = join(folder, "adapter_config.json");
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
      const error = await readAdapter(folder, base).then(
        () => undefined,
        (refused: unknown) => refused,
      );
      expect(error).toMatchObject({ code: "adapter-invalid" });
      for (const part of [`${file} cannot be used:`, ...said]) expect((error as Error).message).toContain(part);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
