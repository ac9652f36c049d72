/** @file What callers hand over is checked: every fault at once, with its place; ChatGLM's own forms of a history are taken. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultsOf } from "../../src/api/checks.ts";
import {
  AdapterHandle,
  adamW,
  ChatGLM,
  type FloatTensor,
  full,
  GlmError,
  Gradients,
  KnowledgeBook,
  load,
  loadTokenizer,
  lora,
  type Message,
  Optimizer,
  readRows,
} from "../../src/index.ts";
import { prompt } from "../../src/text/prompt.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const short = { greedy: true, maxNewTokens: 4 } as const;
const home = ownHome();
let glm: ChatGLM;

beforeAll(async () => {
  glm = await load(await writeSmallModel(join(home, "model")), { runtime: "none" });
}, LONG);
afterAll(() => glm?.dispose());

/** The message of a refusal, thrown at once or promised. */
async function refusal(action: () => unknown): Promise<string> {
  const error: unknown = await (async () => action())().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GlmError);
  expect((error as GlmError).code).toMatch(/^(option|data)-invalid$/);
  return (error as Error).message;
}

describe("a history", { timeout: LONG }, () => {
  it("may be pairs or messages, which say the same", async () => {
    const messages: Message[] = [
      { role: "user", content: "一" },
      { role: "assistant", content: "二", metadata: "" },
    ];
    const paired = await glm.ask("三", { ...short, history: [["一", "二"]] });
    expect(await glm.ask("三", { ...short, history: messages })).toBe(paired);
    const ids = prompt(glm.family, glm.tokenizer, [...messages, { role: "user", content: "三" }]);
    const tokens: number[] = [];
    for await (const id of glm.generate(ids, short)) tokens.push(id);
    expect(glm.tokenizer.decode(tokens).trim()).toBe(paired);
    expect(await glm.ask("三", { ...short, history: [] })).toBe(await glm.ask("三", short));
  });

  it("has roles that ChatGLM3 and GLM-4 know", () => {
    const roles = ["system", "user", "assistant", "observation"];
    expect(faultsOf({ history: roles.map((role) => ({ role, content: "x" })) })).toEqual([]);
    expect(faultsOf({ history: [{ role: "robot", content: "x" }] })).toEqual([
      'history[0].role: expected "system" or "user" or "assistant" or "observation", got "robot".',
    ]);
  });

  it.each([
    [[["a", null]], "history[0][1]: expected text, got null."],
    [[["a"]], 'history[0]: expected [question, answer], got ["a"].'],
    [[["a", "b"], "c"], 'history[1]: expected [question, answer], got "c".'],
    ["a", 'history: expected [[question, answer], ...] or [{ role, content }, ...], got "a".'],
    [null, "history: expected [[question, answer], ...] or [{ role, content }, ...], got null."],
    [[{ role: "user" }], "history[0].content: expected text, got undefined."],
    [
      [{ role: "user", contents: "a", content: "a" }],
      "history[0]: there is no contents in a message. Did you mean content?",
    ],
  ])("as %j is refused by its place", async (history, fault) => {
    expect(await refusal(() => glm.chat("q", { history: history as never }))).toBe(`chat: ${fault}`);
    expect(await refusal(() => glm.askAll("q", { adapters: [null], history: history as never }))).toBe(
      `askAll: ${fault}`,
    );
  });

  it("does not bring a system prompt that is given as an option, too", () => {
    const history = [{ role: "system", content: "a" }];
    expect(faultsOf({ history, system: "b" })).toEqual([expect.stringMatching(/^system: is given twice.*Leave one/)]);
  });
});

describe("what is given to", { timeout: LONG }, () => {
  it("chat is refused with everything that is wrong at once", async () => {
    const wrong = { stop: 2, system: 5, temperature: 0, adapter: 7, signal: {}, onProgress: 1, tempature: 1 } as never;
    expect(await refusal(() => glm.chat(null as never, wrong))).toBe(
      [
        "chat:",
        "tempature: there is no such option. Did you mean temperature?",
        "question: expected the question as a string, got null.",
        "stop: expected a list of token ids such as [2], got 2. Put it in brackets: [2].",
        "system: expected text, got 5.",
        `adapter: expected an adapter's name or a sum such as "a + 0.5*b", its handle, or null for the base model, got 7.`,
        "signal: expected an AbortSignal, got {}.",
        "onProgress: expected a function, got 1.",
        "temperature: expected a number above 0, got 0. Greedy answers take the likeliest token: greedy: true (--greedy).",
      ].join("\n- "),
    );
    expect(await refusal(() => glm.ask("q", { stop: [1.5] }))).toBe(
      "chat: stop[0]: expected a token id, a whole number from 0, got 1.5.",
    );
  });

  it("every other function is refused by name", async () => {
    const bad = null as never;
    const adapter = await glm.createAdapter("checked", lora({ r: 2 }));
    expect(await refusal(() => glm.prompt("hi" as never))).toMatch(
      /^prompt: messages: expected a list of { role, content }, got "hi"\. A question is/,
    );
    expect(await refusal(() => glm.prompt([{ role: "user", content: 5 as never }]))).toMatch(
      /^prompt: messages\[0\]\.content: expected text, got 5\.$/,
    );
    for (const ids of [bad, "1", [[1], 2], [1, "2"], { length: 3 }] as never[]) {
      expect(await refusal(() => glm.logits(ids))).toMatch(/^logits: ids(\[1\])?: expected a /);
      expect(await refusal(() => glm.generate(ids))).toMatch(/^generate: ids(\[\d\])?: expected /);
    }
    expect(await refusal(() => glm.generate([[1]] as never))).toMatch(/^generate: ids\[0\]: expected a token id/);
    expect(await refusal(() => glm.askAll("q", bad))).toMatch(/^askAll: adapters: expected a list such as/);
    expect(await refusal(() => glm.askAll("q", { adapters: [] }))).toMatch(
      /^askAll: adapters: expected a list such as/,
    );
    expect(await refusal(() => glm.askEach("q" as never))).toMatch(/^askEach: questions: .*got "q"\. Put a single one/);
    expect(await refusal(() => glm.askEach(["a", " "]))).toMatch(/^askEach: questions\[1\]: expected text that is not/);
    expect(await refusal(() => glm.save(bad))).toMatch(/^save: folder: expected a folder.s path, got null/);
    expect(await refusal(() => glm.loadAdapter("a", bad))).toMatch(
      /^loadAdapter: folder: expected a folder.s path, got null/,
    );
    expect(await refusal(() => glm.createAdapter("a", lora(), { share: 1 as never }))).toMatch(
      /share: expected true or/,
    );
    expect(await refusal(() => glm.knowledge("b", { create: "no" as never }))).toMatch(
      /create: expected true or false/,
    );
    expect(await refusal(() => adapter.save(bad))).toMatch(/^save: folder/);
    expect(await refusal(() => adapter.save("x", { format: "PEFT" as "peft" }))).toMatch(
      /^save: format: expected "peft" or "published", got "PEFT"/,
    );
    expect(await refusal(() => adapter.baseAnswers(5 as never))).toMatch(/^baseAnswers: questions: expected a list/);
    for (const rows of [bad, 5, "rows"] as never[]) {
      expect(await refusal(() => adapter.fit(rows))).toMatch(/expected a list of rows/);
      expect(await refusal(() => adapter.gradients(rows))).toMatch(/^gradients: expected rows, a batch|expected/);
      expect(await refusal(() => adapter.fit([{ prompt: "a", response: "b" }], { rehearse: rows }))).toMatch(
        /^rehearse: /,
      );
    }
  });
});

describe("the options of every function", { timeout: LONG }, () => {
  const bad = null as never;
  const row = [{ prompt: "q", response: "a" }];
  const calls = (options: never): Record<string, () => unknown> => {
    return {
      load: () => load("tiny", options),
      lora: () => lora(options),
      full: () => full(options),
      adamW: () => adamW(options),
      chat: () => glm.chat("q", options),
      ask: () => glm.ask("q", options),
      generate: () => glm.generate([1], options),
      askAll: () => glm.askAll("q", options),
      askEach: () => glm.askEach(["q"], options),
      data: () => glm.data([{ prompt: "q", response: "a" }], options),
      evaluate: () => glm.evaluate(row, options),
      forgetting: () => glm.forgetting("options", options),
      logits: () => glm.logits([1], options),
      save: () => glm.save(join(home, "never"), options),
      createAdapter: () => glm.createAdapter("b", lora(), options),
      loadAdapter: () => glm.loadAdapter("b", join(home, "none"), options),
      combine: () => glm.combine("b", "options + options", options),
      adapters: () => glm.adapters(options),
      adapter: () => glm.adapter("options", options),
      deleteAdapter: () => glm.deleteAdapter("options", options),
      knowledge: () => glm.knowledge("options-book", options),
      unload: () => glm.unload(options),
      "adapter.info": () => adapter.info(options),
      "adapter.read": () => adapter.read(options),
      "adapter.write": async () => adapter.write(await adapter.read(), options),
      "adapter.fit": () => adapter.fit(row, options),
      "adapter.startFit": () => adapter.startFit(row, options),
      "adapter.attach": () => adapter.attach(options),
      "adapter.attachJob": () => adapter.attachJob(join(home, "never"), options),
      "adapter.run": () => adapter.run(options),
      "adapter.stopFit": () => adapter.stopFit(options),
      "adapter.gradients": () => adapter.gradients(row, options),
      "adapter.baseAnswers": () => adapter.baseAnswers(["q"], options),
      "adapter.save": () => adapter.save(join(home, "never"), options),
      "adapter.merge": () => adapter.merge(options),
      "adapter.unmerge": () => adapter.unmerge(options),
      "adapter.dispose": () => adapter.dispose(options),
      "gradients.read": () => gradients.read(options),
      "optimizer.step": () => adamW().step(adapter, gradients, options),
      "book.add": () => book.add({ key: "a", text: "b" }, options),
      "book.update": () => book.update({ key: "a", text: "b" }, options),
      "book.delete": () => book.delete("a", options),
      "book.check": () => book.check(options),
      "book.query": () => book.query("a", options),
      "book.save": () => book.save(join(home, "never"), options),
    };
  };
  let adapter: AdapterHandle;
  let gradients: Gradients;
  let book: KnowledgeBook;

  beforeAll(async () => {
    adapter = await glm.createAdapter("options", lora({ r: 2 }));
    gradients = (await adapter.gradients(row)).gradients;
    book = await glm.knowledge("options-book");
  }, LONG);

  it("is asked of every method there is", () => {
    // What takes no options.
    const without = [
      "constructor",
      "tokenizer",
      "prompt",
      "dispose",
      "summary",
      "parameters",
      "losses",
      "release",
      "list",
      "spent",
      "optimize",
    ];
    const own = (what: { readonly prototype: object }, prefix: string): string[] =>
      Object.getOwnPropertyNames(what.prototype).flatMap((name) => (without.includes(name) ? [] : [prefix + name]));
    const methods = [
      ...own(ChatGLM, ""),
      ...own(AdapterHandle, "adapter."),
      ...own(Gradients, "gradients."),
      ...own(Optimizer, "optimizer."),
      ...own(KnowledgeBook, "book."),
    ];
    const named = Object.keys(calls({} as never));
    expect(methods.filter((name) => !named.includes(name))).toEqual([]);
  });

  it.each(Object.keys(calls({} as never)))("%s: none is passed over", async (name) => {
    const call = (options: unknown): (() => unknown) => calls(options as never)[name] as () => unknown;
    expect(await refusal(call({ tempature: 1 }))).toMatch(/tempature: there is no such option/);
    expect(await refusal(call(null))).toMatch(/expected (options such as|a list such as)/);
    expect(await refusal(call(5))).toMatch(/expected (options such as|a list such as)/);
    if (name !== "lora" && name !== "full" && name !== "adamW")
      expect(await refusal(call({ signal: "stop" }))).toMatch(/signal: expected an AbortSignal, got "stop"/);
    expect((await glm.adapters()).map((one) => one.name)).toEqual(expect.arrayContaining(["options", "options-book"]));
  });

  it("tensors, batches and gradients are looked at, too", async () => {
    const [name, tensor] = Object.entries(await adapter.read())[0] as [string, FloatTensor];
    const written = (value: unknown): Promise<string> => refusal(() => adapter.write({ [name]: value } as never));
    expect(await refusal(() => adapter.write(bad))).toMatch(/^write: tensors: expected tensors by name.*got null/);
    expect(await written([1, 2])).toMatch(/expected a tensor { dtype, shape, data }, got \[1,2\]/);
    expect(await written({ ...tensor, data: Float64Array.from(tensor.data) })).toMatch(
      /data: expected a Float32Array, got a Float64Array of \d+ bytes/,
    );
    await expect(adapter.write({ [name]: { ...tensor, data: tensor.data.map(() => Number.NaN) } })).rejects.toThrow(
      /cannot take these tensors:\n- .*expected finite numbers, got NaN/,
    );
    const batch = (labels: unknown): Promise<string> =>
      refusal(() => adapter.gradients({ inputIds: [[1, 2]], labels } as never));
    expect(await batch("x")).toMatch(/^gradients: batch.labels: expected lists of token ids, got "x"/);
    expect(await batch([[-100, 1.5]])).toMatch(/^gradients: batch.labels\[0\]\[1\]: expected a token id, or -100/);
    const step = (wrong: unknown): Promise<string> => refusal(() => adamW().step(adapter, wrong as never));
    for (const wrong of [null, undefined, "x", [gradients, 5]]) expect(await step(wrong)).toMatch(/^step: gradients: /);
    expect(await step(await adapter.gradients(row))).toMatch(/Write: \(await adapter.gradients\(rows\)\).gradients\.$/);
    expect(await refusal(() => adamW().step("a" as never, gradients))).toMatch(/^step: adapter: expected an adapter's/);
    for (const path of [null, 5, ""])
      expect(await refusal(() => readRows(path as never))).toMatch(/^expected the path/);
    expect(await refusal(() => loadTokenizer("tiny", 5 as never))).toMatch(
      /^loadTokenizer: family: expected chatglm-6b/,
    );
  });
});
