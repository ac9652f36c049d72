/** @file How a model answers unless it is told otherwise: what its files say, and what is published. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type GenerationDefaults, readGeneration } from "../../src/api/generation.ts";
import { OWN, samplingOf } from "../../src/api/question.ts";
import { type ChatGLM, load, lora, type Row } from "../../src/index.ts";
import type { Family } from "../../src/models/family.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import { textFixture } from "../text/fixtures.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-generation-"));
  vi.stubEnv("GLMLAB_DATA", join(folder, "data"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const tiny = join(import.meta.dirname, "../../models/tiny");
const tokenizers: Readonly<Record<Family, string>> = {
  "chatglm-6b": textFixture("chatglm-6b"),
  "chatglm2-6b": tiny,
  "chatglm3-6b": tiny,
  "glm-4-9b": textFixture("glm-4-9b"),
};
const read = async (family: Family, files: Record<string, unknown> = {}): Promise<GenerationDefaults> => {
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return readGeneration(folder, family, await loadTokenizer(tokenizers[family], family));
};

describe("without files", () => {
  test.each([
    ["chatglm-6b", 0.95, 0.7, 2048, [6005]],
    ["chatglm2-6b", 0.8, 0.8, 8192, [2]],
    ["chatglm3-6b", 0.8, 0.8, 8192, [2, 4161, 4163]],
    ["glm-4-9b", 0.8, 0.8, 8192, [3000, 3007, 3009]],
  ] as const)("%s samples as published", async (family, temperature, topP, maxLength, stop) => {
    const plain = { greedy: false, topK: 0, repetitionPenalty: 1 };
    expect(await read(family)).toEqual({ ...plain, temperature, topP, maxLength, stop });
  });
});

describe("generation_config.json", () => {
  test("decides what it names, and adds its ends to the family's", async () => {
    const json = {
      eos_token_id: [3000, 3001],
      do_sample: true,
      temperature: 0.6,
      top_p: null,
      top_k: 40,
      repetition_penalty: 1.1,
      max_length: 1000,
      max_new_tokens: 77,
      transformers_version: "4.44.0",
    };
    expect(await read("glm-4-9b", { "generation_config.json": json, "config.json": { eos_token_id: 9 } })).toEqual({
      greedy: false,
      temperature: 0.6,
      topP: 0.8,
      topK: 40,
      repetitionPenalty: 1.1,
      maxLength: 1000,
      maxNewTokens: 77,
      stop: [3000, 3007, 3009, 3001],
    });
  });

  test("turns sampling off, whatever it then says of how to sample", async () => {
    const json = { do_sample: false, temperature: 0, top_p: 0 };
    expect(await read("chatglm2-6b", { "generation_config.json": json })).toMatchObject({ greedy: true, topP: 0.8 });
  });

  test("leaves the ends to config.json when it names none", async () => {
    const files = { "generation_config.json": { temperature: 0.5 }, "config.json": { eos_token_id: 5 } };
    expect(await read("chatglm2-6b", files)).toMatchObject({ temperature: 0.5, stop: [2, 5] });
  });

  test("that cannot be used is refused with every fault", async () => {
    const json = { do_sample: "yes", temperature: -1, top_k: 1.5, max_length: "long", eos_token_id: ["</s>"] };
    await expect(read("chatglm2-6b", { "generation_config.json": json })).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(
        /generation_config\.json cannot be used.*\n- do_sample: .*"yes"\n- eos_token_id: .*\n- temperature: expected a number above 0, got -1\n- top_k: .*\n- max_length/,
      ),
    });
    for (const text of ["{", "[]", "null"]) {
      const reading = read("chatglm2-6b", { "generation_config.json": text });
      await expect(reading).rejects.toThrow(/generation_config\.json: expected a JSON object/);
    }
  });
});

describe("a call", () => {
  const model: GenerationDefaults = {
    greedy: true,
    temperature: 0.6,
    topP: 0.7,
    topK: 8,
    repetitionPenalty: 1,
    maxLength: 100,
    stop: [2],
  };
  const settings = (given: object, prompt = 30, generation = model) =>
    samplingOf({ generation, config: { contextLength: 100 } }, "generate", given, OWN, { idRow: [1] })(prompt);

  test("that says nothing has the model's defaults, and what the prompt leaves of its length", () => {
    expect(settings({})).toMatchObject({ greedy: true, temperature: 0.6, topP: 0.7, topK: 8, maxNewTokens: 70 });
    expect(settings({}, 30, { ...model, maxNewTokens: 200 }).maxNewTokens).toBe(200);
    expect(settings({ maxNewTokens: 90 }).maxNewTokens).toBe(90);
    expect(settings({}, 99).maxNewTokens).toBe(1);
    for (const prompt of [100, 101]) {
      expect(() => settings({}, prompt)).toThrow(`expected a prompt of fewer than 100 tokens, which leaves room`);
    }
    expect(settings({ maxNewTokens: 0 }, 101).maxNewTokens).toBe(0);
  });

  test("that says how to sample samples; one that says greedy is greedy", () => {
    expect(settings({ temperature: 1 })).toMatchObject({ greedy: false, temperature: 1, topP: 0.7 });
    expect(settings({ repetitionPenalty: 1.2 })).toMatchObject({ greedy: true, repetitionPenalty: 1.2 });
    expect(settings({ topK: 0, greedy: true })).toMatchObject({ greedy: true, topK: 0 });
    expect(settings({ greedy: true }, 30, { ...model, greedy: false }).greedy).toBe(true);
  });
});

/** Asks tiny with another generation_config.json. */
async function asked<T>(generation: object, ask: (glm: ChatGLM) => Promise<T>): Promise<T> {
  await writeFile(join(folder, "generation_config.json"), JSON.stringify(generation));
  const glm = await load(folder, { runtime: "none" });
  return ask(glm).finally(() => glm.dispose());
}

test("a model's own defaults reach its answers", async () => {
  await cp(tiny, folder, { recursive: true });
  const [unsaid, greedy, longer] = await asked({ do_sample: false, max_new_tokens: 3 }, async (glm) => [
    await glm.ask("你好", { seed: 1 }),
    await glm.ask("你好", { greedy: true }),
    await glm.ask("你好", { maxNewTokens: 6 }),
  ]);
  expect(unsaid).toBe(greedy);
  expect(longer?.startsWith(unsaid ?? "?")).toBe(true);
  expect(longer).not.toBe(unsaid);
  const tokens = await asked({}, async (glm) => glm.prompt([{ role: "user", content: "你好" }]).length);
  await expect(asked({ max_length: tokens }, (glm) => glm.ask("你好"))).rejects.toThrow(
    `chat: expected a prompt of fewer than ${tokens} tokens, which leaves room for an answer, got ${tokens}.`,
  );
});

test("what is rehearsed ends where the model's own files end an answer, as in chat", async () => {
  await cp(tiny, folder, { recursive: true });
  const question = "你好";
  const whole = await asked({}, async (glm) => {
    const ids: number[] = [];
    for await (const id of glm.generate(glm.prompt([{ role: "user", content: question }]), { greedy: true }))
      ids.push(id);
    return { ids, text: await glm.ask(question, { greedy: true }) };
  });
  // A token within the usual answer, as if the checkpoint were trained to end there.
  await asked({ eos_token_id: [whole.ids[6]] }, async (glm) => {
    const said = await glm.ask(question, { greedy: true });
    expect(said).not.toBe("");
    expect(whole.text.startsWith(said) && said.length < whole.text.length).toBe(true);
    /** Of the first step, in which a new adapter is still without effect: by it, two rows that are rehearsed are the same. */
    const lossOf = async (row: string | Row): Promise<number | undefined> => {
      const adapter = await glm.createAdapter("rehearsing", lora({ r: 2 }), { replace: true });
      const settings = { epochs: 1, rehearse: [row], rehearsePerBatch: 1 };
      for await (const event of adapter.fit([{ prompt: "a", response: "b" }], settings)) {
        if (event.type === "step") return event.rehearsalLoss;
      }
      return undefined;
    };
    const rehearsed = await lossOf(question);
    expect(rehearsed).toBe(await lossOf({ prompt: question, response: said }));
    expect(rehearsed).not.toBeCloseTo((await lossOf({ prompt: question, response: whole.text })) ?? Number.NaN, 3);
  });
});
