/** @file What a job's folder holds is what a run here would do: rows, labels, order, rates, values; and what DeepSpeed is told. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AdapterConfig,
  type ChatGLM,
  type FitEvent,
  type FitSettings,
  freeze,
  load,
  lora,
} from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "./small-model.ts";
import { standInPython } from "./stand-ins.ts";

const home = ownHome();
let glm: ChatGLM;
let python: string;
let made = 0;
beforeAll(async () => {
  await writeSmallModel(join(home, "model"));
  python = await standInPython(join(home, "programs"));
  glm = await load(join(home, "model"), { runtime: "none" });
});
afterAll(() => glm.dispose());

const ROWS = Array.from({ length: 9 }, (_, i) => ({
  ...{ prompt: `what is ${"a long ".repeat(i % 4)}number ${i}?`, response: `it is ${i * i}.` },
  ...(i % 3 === 0 ? { history: [["say hello", "hello"] as [string, string]] } : {}),
}));
const VALIDATION = [{ prompt: "what is number 12?", response: "it is 144." }];

type Steps = Extract<FitEvent, { type: "step" }>;

async function stepsOf(stream: AsyncIterable<FitEvent>): Promise<readonly Steps[]> {
  const steps: Steps[] = [];
  for await (const event of stream) if (event.type === "step") steps.push(event);
  return steps;
}

interface Line {
  readonly ids: number[];
  readonly labels: number[];
}

async function jobOf(settings: FitSettings, config: AdapterConfig = lora({ r: 2, targets: ["q_proj"] })) {
  const name = `adapter${made++}`;
  const adapter = await glm.createAdapter(name, config);
  const folder = join(home, "jobs", name);
  await stepsOf(adapter.fit(ROWS, { engine: "torchrun", python, job: folder, ...settings }));
  const text = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
  const lines = async <T>(file: string): Promise<readonly T[]> =>
    (await text(file))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as T);
  return { adapter, folder, text, lines, json: async (file: string) => JSON.parse(await text(file)) };
}

const batchOf = (lines: readonly Line[]) => ({
  inputIds: lines.map(({ ids }) => ids),
  labels: lines.map(({ labels }) => labels),
});

describe("rows", () => {
  it("have the ids and labels that are learnt here: the same loss over the same tokens", async () => {
    const { lines } = await jobOf({ maxSteps: 1, validation: VALIDATION });
    const rows = await lines<Line>("rows.jsonl");
    expect(rows).toHaveLength(ROWS.length);
    const adapter = await glm.createAdapter(`judge${made++}`, lora({ r: 2 }));
    for (const [i, row] of ROWS.entries()) {
      const own = await adapter.gradients([row]);
      const theirs = await adapter.gradients(batchOf([rows[i] as Line]));
      expect([theirs.loss, theirs.tokens]).toEqual([own.loss, own.tokens]);
    }
    const [validating] = await lines<Line>("validation.jsonl");
    const own = await adapter.gradients(VALIDATION);
    expect((await adapter.gradients(batchOf([validating as Line]))).loss).toBe(own.loss);
  });

  it("come in the order, with the rates and the epochs of a run here", async () => {
    const settings: FitSettings = {
      ...{ epochs: 3, batchSize: 2, accumulate: 2, lr: 0.01, scheduler: "cosine", warmup: 2, seed: 11 },
    };
    const { lines } = await jobOf(settings);
    const rows = await lines<Line>("rows.jsonl");
    const plan = await lines<{ epoch: number; lr: number; parts: number[][] }>("steps.jsonl");
    const here = await glm.createAdapter(`here${made++}`, lora({ r: 2 }));
    const steps = await stepsOf(here.fit(ROWS, settings));
    const learnt = (row: number): number => (rows[row] as Line).labels.slice(1).filter((label) => label >= 0).length;
    const tokens = (parts: number[][]): number => parts.flat().reduce((sum, row) => sum + learnt(row), 0);
    expect(plan.map(({ epoch, lr, parts }) => ({ epoch, lr, tokens: tokens(parts) }))).toEqual(
      steps.map(({ epoch, lr, tokens: own }) => ({ epoch, lr, tokens: own })),
    );
    // LoRA does nothing yet: the first loss is that of the rows alone.
    const judge = await glm.createAdapter(`judge${made++}`, lora({ r: 2 }));
    const { loss } = await judge.gradients(batchOf((plan[0]?.parts ?? []).flat().map((row) => rows[row] as Line)));
    expect(Math.abs(loss - (steps[0]?.loss ?? 0))).toBeLessThan(1e-5);
    for (const epoch of [1, 2, 3]) {
      const taken = plan.filter((step) => step.epoch === epoch).flatMap(({ parts }) => parts.flat());
      expect(taken.sort((a, b) => a - b)).toEqual([...ROWS.keys()]);
    }
  });

  it("that are cut are told", async () => {
    const { json, lines } = await jobOf({ maxSteps: 1, maxLength: 24 });
    expect((await json("job.json")).start.cut).toMatchObject({ maxLength: 24 });
    expect(Math.max(...(await lines<Line>("rows.jsonl")).map(({ ids }) => ids.length))).toBe(24);
  });
});

describe("the adapter", () => {
  it("lies there in PEFT's files, as it was", async () => {
    const { folder, adapter } = await jobOf(
      { maxSteps: 2, lr: 2 ** -6 },
      lora({ r: 3, alpha: 6, targets: ["v_proj"] }),
    );
    const begun = await glm.loadAdapter(`begun${made++}`, join(folder, "adapter"));
    expect(begun.config).toMatchObject({ method: "lora", r: 3, alpha: 6 });
    const [before, after] = [await begun.read(), await adapter.read()];
    for (const [name, { data }] of Object.entries(after)) {
      const was = before[name]?.data as Float32Array;
      expect(data).toEqual(was.map((value) => Math.fround(Math.fround(value + 2 ** -6) + 2 ** -6)));
    }
  });

  it("of other methods is the base's own parameters", async () => {
    const { json } = await jobOf({ maxSteps: 1 }, freeze({ layers: 1 }));
    const { form, parameters, settings } = await json("job.json");
    expect(form).toBe("values");
    expect(parameters).toContain("model.layers.1.mlp.down_proj.weight");
    expect(settings.withoutDecay).toContain("model.layers.1.input_layernorm.weight");
    expect(settings.withoutDecay).not.toContain("model.layers.1.mlp.down_proj.weight");
  });
});

it("settings are complete, and name the model", async () => {
  const { json } = await jobOf({
    maxSteps: 3,
    lr: 0.01,
    clip: 0.5,
    weightDecay: 0.1,
    patience: 2,
    seed: 3,
    dtype: "float32",
  });
  const job = await json("job.json");
  expect(job.settings).toEqual({
    ...{ lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, clip: 0.5, weightDecay: 0.1, withoutDecay: [] },
    ...{ batchSize: 8, accumulate: 1, seed: 3, dtype: "float32", maxSteps: 3, validateEvery: 0, patience: 2 },
    ...{ monitor: "loss", gradientCheckpointing: false },
  });
  expect(job).toMatchObject({ form: "peft", modelType: "glm", zero: 0, checkpoint: join(home, "model") });
  expect(job.model).toEqual({ key: glm.info.weightsKey, name: join(home, "model") });
});

describe("DeepSpeed is told", () => {
  const here = { device: "cpu", pin_memory: true };

  it.each<[string, FitSettings, object]>([
    ["ZeRO 2", { zero: 2 }, { stage: 2 }],
    ["ZeRO 2 with offload", { zero: 2, offload: true }, { stage: 2, offload_optimizer: here }],
    ["ZeRO 3", { zero: 3 }, { stage: 3 }],
    ["ZeRO 3 with offload", { zero: 3, offload: true }, { stage: 3, offload_optimizer: here, offload_param: here }],
  ])("%s", async (_, settings, zero) => {
    const { json } = await jobOf({
      ...settings,
      maxSteps: 1,
      batchSize: 3,
      accumulate: 2,
      clip: 0.7,
      dtype: "bfloat16",
    });
    expect(await json("deepspeed.json")).toEqual({
      ...{ train_micro_batch_size_per_gpu: 3, gradient_accumulation_steps: 2, gradient_clipping: 0.7 },
      ...{ bf16: { enabled: true }, zero_allow_untested_optimizer: true, zero_force_ds_cpu_optimizer: false },
      zero_optimization: zero,
    });
    expect((await json("job.json")).zero).toBe(settings.zero);
  });

  it("nothing without ZeRO, and no bfloat16 where it is not asked for", async () => {
    await expect((await jobOf({ maxSteps: 1 })).text("deepspeed.json")).rejects.toThrow("ENOENT");
    expect((await (await jobOf({ maxSteps: 1, zero: 2 })).json("deepspeed.json")).bf16).toEqual({ enabled: false });
  });
});
