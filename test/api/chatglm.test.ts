/** @file The public API on a small real model in this process: asking, training in the open, saving, and its refusals. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AdapterHandle,
  type AnswerProgress,
  adamW,
  type ChatGLM,
  dataset,
  type FitEvent,
  GlmError,
  load,
  lora,
  withAmbient,
} from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { deviation } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const home = ownHome();
let glm: ChatGLM;

beforeAll(async () => {
  glm = await load(await writeSmallModel(join(home, "model")), { runtime: "none" });
}, LONG);
afterAll(() => glm?.dispose());

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const rows = [
  { prompt: "啥是梦中情炉？", response: "一个炉子。" },
  { prompt: "What is it?", response: "A stove." },
];
const short = { greedy: true, maxNewTokens: 8 } as const;

describe("load", { timeout: LONG }, () => {
  it("reports progress, and finds a model that is in memory", async () => {
    const stages: string[] = [];
    const answer = await glm.ask("a", short);
    const again = await load(join(home, "model"), { runtime: "none", onProgress: ({ stage }) => stages.push(stage) });
    expect(stages.length).toBeGreaterThan(0);
    expect(again.info).toMatchObject({ key: glm.info.key, resident: true, family: "chatglm2-6b" });
    await again.dispose();
    // The other one still holds it.
    expect(await glm.ask("a", short)).toBe(answer);
  });

  it("refuses what it does not know, naming it", async () => {
    await expect(load("./no/such/folder", { runtime: "none" })).rejects.toMatchObject({ code: "model-not-found" });
    await expect(load("THUDM/chatglm2-6b")).rejects.toMatchObject({ code: "model-not-found" });
    const option = { devise: "cpu" } as object;
    await expect(load(join(home, "model"), option)).rejects.toThrow("Did you mean device?");
    await expect(load(join(home, "model"), { runtime: "sometimes" })).rejects.toMatchObject({ code: "option-invalid" });
    await expect(load(join(home, "model"), { quantize: "int2" as "int4" })).rejects.toThrow(
      '"int8" or "int4", got "int2"',
    );
    // Floats are computed with exactly, or not at all.
    await expect(load(join(home, "model"), { precision: "fast" })).rejects.toThrow('Add quantize: "int8" or "int4"');
  });
});

describe("asking", { timeout: LONG }, () => {
  it("is one thing in four forms: ids, pieces, a string, a batch", async () => {
    const ids = glm.prompt([{ role: "user", content: "你好" }]);
    const tokens = await collect(glm.generate(ids, short));
    const pieces = await collect(glm.chat("你好", short));
    const answer = await glm.ask("你好", short);
    expect(tokens).toHaveLength(8);
    expect(pieces.join("")).toBe(answer);
    expect(answer).toBe(glm.tokenizer.decode(tokens).trim());
    const soFar: string[][] = [];
    const onAnswers = (all: readonly { readonly answer: string }[]) => soFar.push(all.map(({ answer }) => answer));
    const whole = (await glm.askAll("你好", { ...short, adapters: [null, null], onAnswers })).map(
      ({ answer }) => answer,
    );
    expect(soFar.length).toBeGreaterThan(2);
    expect(soFar.at(-1)).toEqual(whole);
    for (const all of soFar) expect(all.every((answer, row) => whole[row]?.startsWith(answer))).toBe(true);
    expect(await glm.askAll("你好", { ...short, adapters: [null, null] })).toEqual([
      { adapter: null, answer },
      { adapter: null, answer },
    ]);
  });

  it("refuses positions that no row has, and counts negative ones from the end", async () => {
    const ids = glm.prompt([{ role: "user", content: "你好" }]);
    const last = await glm.logits(ids, { positions: [ids.length - 1] });
    expect(await glm.logits(ids, { positions: [-1] })).toEqual(last);
    for (const wrong of [[ids.length], [-ids.length - 1], [0.5], "x"]) {
      await expect(glm.logits(ids, { positions: wrong as number[] })).rejects.toMatchObject({
        code: "option-invalid",
        message: expect.stringContaining("positions: expected a list of whole numbers"),
      });
    }
  });

  it("answers no longer than the model's context allows, and says so of a prompt", async () => {
    const { contextLength } = glm.config;
    expect(glm.generation.maxLength).toBeLessThanOrEqual(contextLength);
    await expect(glm.ask("一".repeat(contextLength))).rejects.toThrow(
      `expected a prompt of fewer than ${glm.generation.maxLength} tokens`,
    );
  });

  it("says how far it is: tokens of the prompts, then of the answers", async () => {
    const seen: AnswerProgress[] = [];
    const onProgress = (progress: AnswerProgress): unknown => seen.push(progress);
    await glm.askAll("你好", { ...short, adapters: [null, null], onProgress });
    const prompts = 2 * glm.prompt([{ role: "user", content: "你好" }]).length;
    expect(seen[0]).toEqual({ stage: "reading", done: 0, total: prompts });
    expect(seen).toContainEqual({ stage: "reading", done: prompts, total: prompts });
    expect(seen.at(-1)).toEqual({ stage: "answering", done: 16, total: 16 });
    const stages = seen.map(({ stage }) => stage);
    expect(stages.lastIndexOf("reading")).toBeLessThan(stages.indexOf("answering"));
  });

  it("keeps no conversation: history and system are options", async () => {
    const history = [["a", "b"]] as const;
    const messages = [
      ...["a", "b"].map((content, i) => ({ role: i ? ("assistant" as const) : ("user" as const), content })),
    ];
    const ids = glm.prompt([...messages, { role: "user", content: "c" }]);
    const tokens = await collect(glm.generate(ids, short));
    expect(await glm.ask("c", { ...short, history })).toBe(glm.tokenizer.decode(tokens).trim());
    expect(await glm.ask("c", short)).toBe(await glm.ask("c", short));
  });

  it("is reproduced by a seed, and refused with a wrong option before anything runs", async () => {
    const sampled = { maxNewTokens: 12, temperature: 2, topP: 1, seed: 7 };
    expect(await glm.ask("a", sampled)).toBe(await glm.ask("a", sampled));
    expect(await glm.ask("a", { ...sampled, seed: 8 })).not.toBe(await glm.ask("a", sampled));
    expect(() => glm.chat("a", { temprature: 1 } as object)).toThrow("Did you mean temperature?");
    expect(() => glm.chat("a", { topP: 2 })).toThrow(/topP: expected a number above 0 to 1, got 2/);
    expect(() => glm.chat(5 as never)).toThrow(/question as a string/);
    await expect(glm.ask("a", { adapter: "nobody" })).rejects.toMatchObject({ code: "adapter-not-found" });
    await expect(glm.askAll("a", { adapters: [] })).rejects.toMatchObject({ code: "option-invalid" });
  });

  it("stops with the cell that asks, and with a signal of its own", async () => {
    const cell = new AbortController();
    const reason = new Error("interrupted");
    const asked = withAmbient({ signal: cell.signal }, async () => {
      for await (const _ of glm.chat("a", { maxNewTokens: 200, greedy: true })) cell.abort(reason);
    });
    await expect(asked).rejects.toBe(reason);
    await expect(glm.ask("a", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("gives logits of one row or several", async () => {
    const one = await glm.logits([5, 6, 7], { positions: [2] });
    expect(one.shape).toEqual([1, 1, glm.config.vocabulary]);
    const two = await glm.logits([
      [5, 6, 7],
      [5, 6],
    ]);
    expect(two.shape).toEqual([2, 3, glm.config.vocabulary]);
    const last = two.data.slice(2 * glm.config.vocabulary, 3 * glm.config.vocabulary);
    for (const [i, value] of one.data.entries()) expect(value).toBeCloseTo(last[i] ?? Number.NaN, 4);
  });
});

describe("fine-tuning", { timeout: LONG }, () => {
  it("in the open: batches, gradients, steps; the adapter answers otherwise than the base", async () => {
    const adapter = await glm.createAdapter("open", lora({ r: 4 }));
    const facts = dataset(rows);
    const optimizer = adamW({ lr: 0.05 });
    const losses: number[] = [];
    for (const batch of facts.batches({ size: 2, epochs: 12 })) {
      const { loss, tokens, gradients } = await adapter.gradients(batch);
      expect(tokens).toBeGreaterThan(4);
      const { gradientNorm, step } = await optimizer.step(adapter, gradients);
      expect(gradientNorm).toBeGreaterThan(0);
      expect(step).toBe(losses.push(loss));
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) * 0.8);
    const asked = await glm.askAll("啥是梦中情炉？", { ...short, adapters: [null, "open", adapter] });
    expect(asked.map((one) => one.adapter)).toEqual([null, "open", "open"]);
    expect(asked[1]?.answer).toBe(asked[2]?.answer);
    expect(asked[1]?.answer).not.toBe(asked[0]?.answer);
    expect((await adapter.info()).steps).toBe(12);
  });

  it("takes a step on several gradients as on their weighted mean, and uses them up", async () => {
    const one = await glm.createAdapter("one", lora({ r: 2 }), { seed: 3 });
    const other = await glm.createAdapter("other", lora({ r: 2 }), { seed: 3 });
    const optimizer = adamW({ lr: 0.01, clip: 0 });
    const together = await one.gradients(rows);
    const apart = [await other.gradients(rows.slice(0, 1)), await other.gradients(rows.slice(1))];
    expect(together.tokens).toBe(apart.reduce((sum, { tokens }) => sum + tokens, 0));
    const values = await together.gradients.read();
    expect(Object.keys(values)).toEqual(one.parameters().map(({ name }) => name));
    await optimizer.step(one, together.gradients);
    await optimizer.step(
      other,
      apart.map(({ gradients }) => gradients),
    );
    const [a, b] = [await one.read(), await other.read()];
    for (const [name, { data }] of Object.entries(a)) {
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(b[name]?.data[i] ?? Number.NaN, 3);
    }
    await expect(together.gradients.read()).rejects.toThrow(/gradients/i);
    await together.gradients.release();
  });

  it("with fit: a share for validation, rehearsal of prompts that the base answers, a run that a seed reproduces", async () => {
    const run = async (name: string): Promise<FitEvent[]> => {
      const adapter = await glm.createAdapter(name, lora({ r: 2, dropout: 0.1 }));
      const settings = { epochs: 3, lr: 0.01, validation: 0.5, rehearse: ["hello", "a"], rehearsePerBatch: 1, seed: 5 };
      return collect(adapter.fit([...rows, ...rows], settings));
    };
    const events = await run("fit1");
    const kinds = new Set(events.map(({ type }) => type));
    expect(kinds).toEqual(new Set(["start", "rehearse", "step", "validation", "epoch", "done"]));
    const losses = (all: FitEvent[]): number[] => all.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    expect(losses(await run("fit2"))).toEqual(losses(events));
    const epochs = events.flatMap((event) => (event.type === "epoch" ? [event.validationLoss] : []));
    expect(epochs.every(Number.isFinite)).toBe(true);
  });

  it("is refused at once when options or rows cannot be", async () => {
    const adapter = await glm.createAdapter("refused", lora({ r: 2 }));
    expect(() => adapter.fit(rows, { epoch: 3 } as object)).toThrow("Did you mean epochs?");
    expect(() => adapter.fit([])).toThrow(GlmError);
    expect(() => adapter.fit([{ prompt: "a" } as never])).toThrow(/row 1/);
    expect(() => adapter.fit(rows, { validation: 1.5 })).toThrow(/share of them/);
    await expect(adapter.gradients([])).rejects.toMatchObject({ code: "data-invalid" });
    await expect(adapter.gradients(rows, { sed: 1 } as object)).rejects.toThrow("Did you mean seed?");
    await expect(glm.createAdapter("none", lora())).rejects.toThrow(/means the base model/);
  });

  it("summarises, saves, loads, merges and forgets", async () => {
    const adapter = await glm.createAdapter("whole", lora({ r: 2, targets: ["query_key_value", "dense"] }));
    for await (const _ of adapter.fit(rows, { epochs: 20, lr: 0.02 }));
    expect(String(adapter.summary())).toMatch(/^trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%: \d/);
    const trained = await glm.ask("What is it?", { ...short, adapter });
    await adapter.save(join(home, "peft"));
    const saved = readdirSync(join(home, "peft")).filter((file) => !file.startsWith("events.out.tfevents."));
    expect(saved.sort()).toEqual(["adapter_config.json", "adapter_model.safetensors", "metrics.jsonl"]);
    const loaded = await glm.loadAdapter("again", join(home, "peft"));
    expect(await glm.ask("What is it?", { ...short, adapter: loaded })).toBe(trained);
    expect((await glm.adapters()).find(({ name }) => name === "again")?.source).toBe(join(home, "peft"));

    const base = await glm.ask("What is it?", short);
    await loaded.merge();
    expect(await glm.ask("What is it?", short)).toBe(trained);
    await glm.save(join(home, "merged"), { maxShardSize: "300KB" });
    const merged = await load(join(home, "merged"), { runtime: "none" });
    expect(await merged.ask("What is it?", short)).toBe(trained);
    await merged.dispose();
    await loaded.dispose();
    expect(await glm.ask("What is it?", short)).toBe(base);
    await expect(glm.adapter("again")).rejects.toMatchObject({ code: "adapter-not-found" });
    expect((await glm.adapter("whole")).name).toBe("whole");
  });

  it("answers with several adapters at once, merges them together, takes that back, and makes one of them", async () => {
    const [one, two] = [await glm.createAdapter("one", lora({ r: 2 })), await glm.createAdapter("two", lora({ r: 3 }))];
    for (const [adapter, lr] of [
      [one, 0.02],
      [two, 0.03],
    ] as const) {
      for await (const _ of adapter.fit(rows, { epochs: 3, lr }));
    }
    const ids = [[5, 900, 31, 7]];
    const scores = async (adapter?: string | AdapterHandle): Promise<Float32Array> =>
      (await glm.logits(ids, adapter === undefined ? {} : { adapter })).data;
    const [base, both] = [await scores(), await scores("one+two")];
    expect(await scores("two + 1*one")).not.toEqual(base);
    expect(deviation(await scores("two + 1*one"), both)).toBeLessThan(1e-4);
    expect(await scores("one - one + 0*two")).toEqual(base);
    const answers = await glm.askAll("What is it?", { ...short, adapters: ["one + 0.5*two", null, one] });
    expect(answers.map(({ adapter }) => adapter)).toEqual(["one + 0.5*two", null, "one"]);
    expect(answers[0]?.answer).toBe(await glm.ask("What is it?", { ...short, adapter: "one + 0.5*two" }));
    expect(await glm.askEach(["What is it?"], { adapter: "one+0.5*two", maxNewTokens: short.maxNewTokens })).toEqual([
      answers[0]?.answer,
    ]);

    await one.merge();
    await two.merge();
    await two.merge();
    expect(deviation(await scores(), both)).toBeLessThan(1e-4);
    expect(await glm.save(join(home, "merged-both"))).toBeUndefined();
    const merged = await load(join(home, "merged-both"), { runtime: "none" });
    expect(deviation((await merged.logits(ids)).data, both)).toBeLessThan(1e-4);
    await merged.dispose();
    await one.unmerge();
    expect(deviation(await scores(), await scores(two))).toBe(0);
    await expect(one.unmerge()).rejects.toThrow("it is not merged into the base");
    await two.unmerge();
    expect(await scores()).toEqual(base);
    for await (const _ of two.fit(rows, { epochs: 1 }));

    // Another of the name is not merged, and a merge that somebody else took back is only struck off.
    await one.merge();
    await glm.createAdapter("one", one.config, { seed: 9 });
    expect(await scores()).toEqual(base);
    const again = await glm.adapter("two");
    await two.merge();
    await again.merge();
    await again.unmerge();
    expect(await scores()).toEqual(base);

    const made = await glm.combine("made", "one - 0.5*two");
    expect(made.config).toMatchObject({ method: "lora", r: 5, alpha: 5 });
    expect(deviation(await scores(made), await scores("one - 0.5*two"))).toBeLessThan(1e-4);
    for (const name of ["one+two", "one - two"]) {
      await expect(glm.adapter(name)).rejects.toThrow("expected the name of one adapter");
      await expect(glm.createAdapter(name, lora())).rejects.toThrow("expected the name of one adapter");
    }
    expect(() => glm.chat("q", { adapter: "one+" })).toThrow("expected the name of an adapter, or a number");
    await expect(glm.ask("q", { adapter: "one+tow" })).rejects.toThrow("no adapter tow. Did you mean two?");
    await expect(glm.combine("made", "one+two+")).rejects.toThrow("expected the name of an adapter, or a number");
    await expect(glm.save(join(home, "never"), { quantized: "half" as never })).rejects.toThrow(
      'quantized: expected "dequantize" or "requantize" or "refuse", got "half"',
    );
  });

  it("reads and writes an adapter's values", async () => {
    const adapter = await glm.createAdapter("values", lora({ r: 2 }));
    const values = await adapter.read();
    for (const { data } of Object.values(values)) data.fill(0.25);
    await adapter.write(values);
    expect(Object.values(await adapter.read()).every(({ data }) => data.every((value) => value === 0.25))).toBe(true);
  });
});

describe("owners", { timeout: LONG }, () => {
  it("are notebooks: each has adapters of its own, and sees the shared ones", async () => {
    const open = (notebook: string): Promise<ChatGLM> =>
      withAmbient({ notebook }, () => load(join(home, "model"), { runtime: "none" }));
    const [first, second] = [await open("first.ipynb"), await open("second.ipynb")];
    await first.createAdapter("dream", lora({ r: 2 }));
    await second.createAdapter("dream", lora({ r: 4 }));
    await first.createAdapter("common", lora({ r: 2 }), { share: true });
    const names = async (model: ChatGLM): Promise<string[]> => (await model.adapters()).map(({ name }) => name).sort();
    expect(await names(first)).toEqual(["common", "dream"]);
    expect(await names(second)).toEqual(["common", "dream"]);
    expect((await second.adapter("dream")).config).toMatchObject({ r: 4 });
    // Untrained, it changes nothing.
    expect(await first.ask("a", { ...short, adapter: "common" })).toBe(await first.ask("a", short));
    expect(await second.ask("a", { ...short, adapter: "common" })).toBe(await second.ask("a", short));
    await first.dispose();
    await second.dispose();
  });
});
