/** @file Folders as they come: without a tokenizer, of a family that must be said, of something else than a model. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adaLora, type ChatGLM, type LoadOptions, load, lora } from "../../src/index.ts";
import { filled } from "../../src/tensor.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { ownHome } from "../home.ts";
import { oracleFolder } from "../oracle.ts";
import { VOCABULARY_WITH_ROLES, writeSmallModel } from "../small-model.ts";

const home = ownHome();
let folder: string;
const opened: ChatGLM[] = [];

beforeAll(async () => {
  folder = await writeSmallModel(join(home, "model"));
});
afterAll(async () => {
  for (const glm of opened) await glm.dispose();
});

async function open(from: string, options: LoadOptions = {}): Promise<ChatGLM> {
  const glm = await load(from, { runtime: "none", ...options });
  opened.push(glm);
  return glm;
}

/** A copy of the small model, without some of its files. */
function copy(name: string, without: readonly string[] = []): string {
  const to = join(home, name);
  cpSync(folder, to, { recursive: true });
  for (const file of without) rmSync(join(to, file));
  return to;
}

describe("without a tokenizer", () => {
  const ids = [5, 900, 31, 7];

  it("computes with token ids as it does with one", async () => {
    const glm = await open(copy("mute", ["tokenizer.model"]));
    const whole = await open(folder);
    expect((await glm.logits(ids)).data).toEqual((await whole.logits(ids)).data);
    const tokens = [];
    for await (const id of glm.generate(ids, { greedy: true, maxNewTokens: 3 })) tokens.push(id);
    expect(tokens).toHaveLength(3);
    const adapter = await glm.createAdapter("a", lora({ r: 2 }));
    expect((await adapter.gradients({ inputIds: [ids], labels: [ids] })).loss).toBeGreaterThan(0);
  });

  it("says what is missing where text is needed", async () => {
    for (const glm of opened.splice(0)) await glm.dispose();
    const glm = await open(copy("mute-too", ["tokenizer.model"]));
    const missing = {
      code: "model-not-found",
      message: expect.stringMatching(/mute-too: expected tokenizer.model or/),
    };
    await expect(glm.ask("你好")).rejects.toMatchObject(missing);
    expect(() => glm.tokenizer).toThrow(expect.objectContaining(missing));
    expect(() => glm.prompt([{ role: "user", content: "你好" }])).toThrow(expect.objectContaining(missing));
    const adapter = await glm.createAdapter("b", lora({ r: 2 }));
    const rows = [{ prompt: "你", response: "好" }];
    await expect(adapter.gradients(rows)).rejects.toMatchObject(missing);
    const fitting = async (): Promise<void> => {
      for await (const _ of adapter.fit(rows, { epochs: 1 }));
    };
    await expect(fitting()).rejects.toMatchObject(missing);
  });

  it("takes the one that has come meanwhile", async () => {
    const place = copy("late", ["tokenizer.model"]);
    const before = await open(place);
    cpSync(join(folder, "tokenizer.model"), join(place, "tokenizer.model"));
    const after = await open(place);
    expect(after.info).toMatchObject({ key: before.info.key, resident: true });
    expect(after.prompt([{ role: "user", content: "你好" }]).length).toBeGreaterThan(2);
    const adapter = await after.createAdapter("late", lora({ r: 2 }));
    for await (const event of adapter.fit([{ prompt: "你", response: "好" }], { epochs: 1 })) {
      if (event.type === "step") expect(event.loss).toBeGreaterThan(0);
    }
  });

  it("refuses one that is damaged at once", async () => {
    writeFileSync(join(copy("damaged"), "tokenizer.model"), "no model");
    await expect(open(join(home, "damaged"))).rejects.toMatchObject({ code: "model-invalid" });
  });
});

describe("the family", () => {
  it("is a guess where nothing tells, and what the user says", async () => {
    expect((await open(folder)).info.note).toBeUndefined();
    const plain = await writeSmallModel(join(home, "plain"), 0, 0.3, VOCABULARY_WITH_ROLES);
    rmSync(join(plain, "tokenizer_config.json"));
    const guessed = await open(plain);
    expect(guessed.family).toBe("chatglm2-6b");
    expect(guessed.info.note).toMatch(/Taken for a chatglm2-6b: that is a guess .*--family/);
    const said = await open(plain, { family: "chatglm3-6b" });
    expect([said.family, said.info.note]).toEqual(["chatglm3-6b", undefined]);
    // One file, two models: each keeps its own prompt and its own adapters.
    expect(said.info.key).not.toBe(guessed.info.key);
    const message = [{ role: "user" as const, content: "你好" }];
    expect(said.prompt(message)).not.toEqual(guessed.prompt(message));
    expect((await open(plain)).family).toBe("chatglm2-6b");
  });

  it("whose prompts have tokens that the model has not is refused", async () => {
    await expect(open(folder, { family: "chatglm3-6b" })).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(
        /expected a chatglm3-6b, whose prompts have the token <\|.*\(4160\), got a model of 4160/,
      ),
    });
  });

  it("that there is not, or that the model cannot be, is refused", async () => {
    await expect(open(folder, { family: "chatglm3" as "chatglm3-6b" })).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringContaining("Did you mean chatglm3-6b?"),
    });
    await expect(open(oracleFolder("chatglm-6b"), { family: "glm-4-9b" })).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringContaining("has the architecture of chatglm-6b, and cannot be a glm-4-9b"),
    });
  });
});

it("an adapter that names modules which the model has not says so, also when it is asked for later", async () => {
  const glm = await open(oracleFolder("chatglm2-6b"));
  const place = join(home, "adapter");
  cpSync(oracleFolder("chatglm2-6b", "lora-qkv"), place, { recursive: true });
  const file = join(place, "adapter_config.json");
  const json = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...json, target_modules: ["query_key_value", "v_proj"] }));
  const note = "This model has no module v_proj, which the adapter names.";
  expect((await glm.loadAdapter("partly", place)).note).toBe(note);
  expect((await glm.adapter("partly")).note).toBe(note);
  writeFileSync(file, JSON.stringify({ ...json, target_modules: ["query", "value"] }));
  const legacy = await glm.loadAdapter("legacy", place);
  expect(legacy.note).toMatch(
    /^Targets by their names in this model: query → query_key_value; value → query_key_value\./,
  );
  expect(legacy.config).toMatchObject({ targets: ["query_key_value"] });
  writeFileSync(file, JSON.stringify({ ...json, target_modules: ["o_proj", "gate_proj"] }));
  await expect(glm.loadAdapter("other", place)).rejects.toThrow(
    /got \["o_proj","gate_proj"\], which fits none\. It has/,
  );
  expect((await glm.loadAdapter("wholly", oracleFolder("chatglm2-6b", "lora-qkv"))).note).toBeUndefined();
});

it("an adapter that is made for modules by other names says what they are here", async () => {
  const glm = await open(oracleFolder("chatglm2-6b"));
  const targets = ["query", "value"];
  for (const [name, config] of [
    ["lora", lora({ targets })],
    ["adaLora", adaLora({ targets })],
  ] as const) {
    const made = await glm.createAdapter(name, config);
    expect(made.note).toContain("query → query_key_value; value → query_key_value.");
    expect(made.config).toMatchObject({ method: name, targets: ["query_key_value"] });
  }
  const book = await glm.knowledge("book", { method: "adaLora", targets });
  expect(book.adapter.note).toContain("value → query_key_value");
  // Opened again by the same names, it is the same.
  expect((await glm.knowledge("book", { method: "adaLora", targets })).adapter.config).toEqual(book.adapter.config);
  await expect(glm.knowledge("book", { method: "adaLora", targets: ["dense"] })).rejects.toThrow("made otherwise");
});

describe("a folder of something else", () => {
  it("a model with a prefix among its tensors: it is loaded, and says what lays the prefix over", async () => {
    const place = copy("with prefix");
    const file = join(place, "model.safetensors");
    const { config } = await open(folder);
    const embedding = filled([4, 2 * config.layers * config.groups * config.headSize], 0.5);
    const all = { ...(await readSafetensors(file)).values, "transformer.prefix_encoder.embedding.weight": embedding };
    await writeSafetensors(file, sourcesOf(all));
    const glm = await open(place);
    expect(glm.info.note).toContain(`the model answers without it.`);
    expect(glm.info.note).toContain(`%adapter load NAME ${JSON.stringify(place)}, or loadAdapter(name, folder)`);
    const own = await glm.loadAdapter("own", place);
    expect(own.config).toEqual({ method: "pTuning", length: 4, projection: false, dropout: 0 });
  });

  const prefix = { "transformer.prefix_encoder.embedding.weight": filled([4, 8]) };

  it.each([[[]], [["config.json"]]])("P-tuning's prefix alone, without %j", async (without) => {
    const place = copy(`prefix-${without.length}`, without);
    await writeSafetensors(join(place, "model.safetensors"), sourcesOf(prefix));
    await expect(open(place)).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(/a prefix alone that was trained with P-tuning v2.*%adapter load/),
    });
    await expect((await open(folder)).loadAdapter("p", place)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/prefix_encoder\.embedding\.weight: expected \[4,\d+\], got \[4,8\]/),
    });
  });

  it("an adapter", async () => {
    await expect(open(oracleFolder("chatglm2-6b", "lora-qkv"))).rejects.toThrow(/expected a model, got an adapter/);
  });
});

describe("loaded and disposed of at the same time", () => {
  it("a model stays for whoever loads it", async () => {
    for (const glm of opened.splice(0)) await glm.dispose();
    for (let pause = 0; pause < 12; pause += 1) {
      const first = await load(folder, { runtime: "none" });
      const loading = load(folder, { runtime: "none" });
      // At another moment each time.
      for (let turn = 0; turn < 3 * pause; turn += 1) await new Promise(setImmediate);
      await first.dispose();
      const second = await loading;
      expect((await second.logits([5])).shape).toEqual([1, 1, second.config.vocabulary]);
      await second.dispose();
    }
  });
});

it("never stands in another folder, also not while a session is made", async () => {
  for (const glm of opened.splice(0)) await glm.dispose();
  const here = process.cwd();
  const seen = new Set<string>();
  let isLoading = true;
  const watching = (async () => {
    while (isLoading) {
      seen.add(process.cwd());
      await new Promise(setImmediate);
    }
  })();
  const glm = await open(folder);
  const adapter = await glm.createAdapter("a", lora({ r: 2 }));
  await adapter.gradients([{ prompt: "a", response: "b" }]);
  isLoading = false;
  await watching;
  expect([...seen]).toEqual([here]);
});
