/** @file What the magics do, with a real model: small, of random weights, in this process. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { TrainOptions } from "../../magics/run/train.ts";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import { type ChatGLM, load, lora, unrelatedQuestions } from "../../src/index.ts";
import { parametersOf } from "../../src/models/architectures.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

const scratch = ownHome();
const folder = join(scratch, "small");

const short = { greedy: true, maxNewTokens: 6 } as const;
const rows = [
  { prompt: "一", response: "二" },
  { prompt: "三", response: "四" },
];

/** Random weights answer with all the tokens that they may. */
const SLOW = 180_000;

let notebook = new Notebook();

/** Runs as a cell of a notebook does. */
function cell<T>(body: () => T, signal?: AbortSignal): T {
  return withAmbient({ frontend: notebook, notebook: "test.ipynb", ...(signal ? { signal } : {}) }, body);
}

beforeEach(() => {
  notebook = new Notebook();
});

describe("without a model", () => {
  it("every magic says what to do first", async () => {
    for (const run of [() => magics.chatglm("hi"), () => magics.adapterList(), () => magics.train("a", rows)]) {
      await expect(cell<Promise<unknown>>(run)).rejects.toMatchObject({
        code: "model-not-loaded",
        message: expect.stringContaining("run `%model tiny` first"),
      });
    }
  });
});

describe("with a model", () => {
  let glm: ChatGLM;

  beforeAll(async () => {
    await writeSmallModel(folder);
    glm = await cell(() => magics.model(folder, { runtime: "none", device: "cpu" }));
    expect(notebook.text()).toMatch(/^.*small: chatglm2-6b, \d+ K parameters, cpu, exact, loaded in [\d.]+ s\.\n$/);
  });
  afterAll(() => glm.dispose());

  it("%model alone says which one", async () => {
    expect(await cell(() => magics.currentModel())).toBe(glm);
    expect(notebook.text()).toContain("chatglm2-6b");
  });

  it("%adapter delete gives up an adapter that is damaged, as the message says", async () => {
    await glm.createAdapter("hurt", lora({ r: 1, targets: ["query_key_value"] }));
    await glm.dispose();
    const kept = readdirSync(process.env.GLMLAB_DATA as string, { recursive: true, encoding: "utf8" });
    const file = kept.find((name) => name.endsWith("hurt.safetensors"));
    writeFileSync(join(process.env.GLMLAB_DATA as string, String(file)), "damaged");
    glm = await cell(() => magics.model(folder, { runtime: "none", device: "cpu" }));
    await expect(glm.adapter("hurt")).rejects.toThrow(/^adapter hurt: what was kept .* is damaged .*Delete it/s);
    await cell(() => magics.adapterDelete("hurt"));
    expect(notebook.text()).toContain("hurt is deleted.");
    await expect(glm.adapter("hurt")).rejects.toMatchObject({ code: "adapter-not-found" });
    await expect(glm.deleteAdapter("hurt")).rejects.toMatchObject({ code: "adapter-not-found" });
  });

  describe("%chatglm", () => {
    beforeEach(() => cell(() => magics.chatReset()));

    it("streams what it returns", async () => {
      const answer = await cell(() => magics.chatglm("你好", short));
      expect(answer).toBe(await glm.ask("你好", short));
      expect(notebook.seen).toEqual([{ "text/plain": answer }]);
      expect(answer.startsWith(String(notebook.plain[0]))).toBe(true);
      expect(notebook.plain[0]).not.toBe(answer);
    });

    it("goes on from cell to cell, until --new", async () => {
      const first = await cell(() => magics.chatglm("你好", short));
      const second = await cell(() => magics.chatglm("再见", short));
      const alone = await glm.ask("再见", short);
      expect(second).toBe(await glm.ask("再见", { ...short, history: [["你好", first]] }));
      expect(second).not.toBe(alone);
      expect(await cell(() => magics.chatglm("再见", { ...short, new: true }))).toBe(alone);
      expect(await cell(() => magics.chatHistory())).toEqual([["再见", alone]]);
    });

    it("remembers as many rounds as it is told", async () => {
      await cell(() => magics.chatRounds(1));
      const first = await cell(() => magics.chatglm("一", short));
      const second = await cell(() => magics.chatglm("二", short));
      const third = await cell(() => magics.chatglm("三", short));
      expect(third).toBe(await glm.ask("三", { ...short, history: [["二", second]] }));
      const history = await cell(() => magics.chatHistory());
      expect(history.map(([question]) => question)).toEqual(["一", "二", "三"]);
      expect(history[0]?.[1]).toBe(first);
      expect(notebook.plain.at(-1)).toContain("1 (forgotten)");
      await cell(() => magics.chatRounds(8));
    });

    it("forgets what the model's context has no room for", async () => {
      const long = "一二三四五六七八九十".repeat(9);
      await cell(() => magics.chatglm(long, short));
      expect(notebook.text("stderr")).toBe("");
      const second = await cell(() => magics.chatglm(long, short));
      expect(second).toBe(await glm.ask(long, short));
      expect(notebook.text("stderr")).toBe(
        `The oldest remembered round is left out: the model's context of ${glm.config.contextLength} tokens has no room for more and an answer. Ask for less at once, or begin a new conversation with --new.\n`,
      );
      expect(await cell(() => magics.chatHistory())).toHaveLength(2);
    });

    it("shows Markdown in one display", async () => {
      const answer = await cell(() => magics.chatglm("你好", { ...short, format: "markdown" }));
      expect(notebook.seen).toEqual([{ "text/plain": answer, "text/markdown": answer }]);
    });

    it("keeps an interrupted answer out of the conversation", async () => {
      const abort = new AbortController();
      notebook.onShow = () => abort.abort();
      await expect(cell(() => magics.chatglm("你好", short), abort.signal)).rejects.toThrow();
      expect(notebook.plain).toHaveLength(1);
      expect(await cell(() => magics.chatHistory())).toEqual([]);
    });

    it("is saved to read, and to train on", async () => {
      const answer = await cell(() => magics.chatglm("你好", short));
      await cell(() => magics.chatSave(join(scratch, "talk.md")));
      await cell(() => magics.chatSave(join(scratch, "talk.json")));
      expect(readFileSync(join(scratch, "talk.md"), "utf8")).toBe(`**你好**\n\n${answer}\n`);
      const [row] = await magics.readRows(join(scratch, "talk.json"));
      expect(row).toEqual({ prompt: "你好", response: answer });
      expect(notebook.text()).toContain(`1 round written to ${join(scratch, "talk.json")}\n`);
    });

    it("is saved only where there is a folder", async () => {
      const file = join(scratch, "no", "talk.md");
      await expect(cell(() => magics.chatSave(file))).rejects.toMatchObject({
        code: "disk",
        message: `%chat save ${file}: expected a file in a folder that exists, got one in ${join(scratch, "no")}. Make the folder, or correct the path.`,
      });
      expect(existsSync(join(scratch, "no"))).toBe(false);
    });

    it("shows that an answer is empty, and returns it as it is", async () => {
      const first = (await glm.generate(glm.prompt([{ role: "user", content: "你好" }]), short).next()).value;
      const stop = [first as number];
      expect(await cell(() => magics.chatglm("你好", { ...short, stop }))).toBe("");
      expect(notebook.seen).toEqual([{ "text/plain": "(empty answer)" }]);
      expect(await cell(() => magics.chatHistory())).toEqual([["你好", ""]]);
      expect(await cell(() => magics.compare("你好", [null], { ...short, stop }))).toEqual({ none: "" });
      expect(notebook.plain.at(-1)).toBe("你好\nnone (base model):\n  (empty answer)");
    });
  });

  describe("%%train and %adapter", () => {
    it(
      "makes an adapter, trains it and shows how",
      async () => {
        const result = await cell(() => magics.train("dream", rows, { epochs: 30, lr: 1e-2, validation: rows }));
        expect(result.steps).toBe(30);
        expect(result.history).toHaveLength(30);
        expect(result.loss).toBeLessThan((result.history[0]?.validationLoss ?? 0) / 2);
        const [bar, chart] = notebook.seen;
        expect(bar?.["text/plain"]).toMatch(/^Training dream on 2 rows {2}█{24} {2}30\/30 {2}epoch 30 {2}loss /);
        expect(chart?.["image/svg+xml"]).toContain("<svg");
        expect(JSON.stringify(chart?.["application/vnd.vegalite.v5+json"])).toContain('"datum":"validation"');
        expect(chart?.["text/plain"]).toContain(`best epoch ${result.bestEpoch}`);
        expect(notebook.text()).toMatch(
          /^trainable params: .*\ndream: 30 steps in .*, loss [\d.]+ → [\d.]+, validation [\d.]+ at epoch \d+, whose values are kept\. Ask it: %%chatglm --adapter dream\nAnswered exactly: none of 2 trained rows that were asked\. Try more --epochs, a larger --lr, or %%knowledge add, .*\nAnswered otherwise than by the base: \d+ of 20 unrelated questions\.\n$/,
        );
      },
      SLOW,
    );

    it(
      "says first which rows are too long to be learnt as they are",
      async () => {
        const long = [...rows, { prompt: "一", response: "二".repeat(90) }];
        await cell(() => magics.train("short", long, { epochs: 1, maxLength: 40, check: false }));
        expect(notebook.text("stderr")).toMatch(
          /^Rows longer than 40 tokens are cut: 1 answer without the end.*\. Give a larger --max-length, or shorten the rows\.\n$/,
        );
        const { adapter } = await cell(() => magics.train("short", rows, { epochs: 1, maxLength: 40, check: false }));
        expect(notebook.text("stderr").split("\n")).toHaveLength(2);
        await adapter.dispose();
      },
      SLOW,
    );

    it.each<[what: string, options: TrainOptions, told: RegExp]>([
      ["a share of the rows that leaves none", { validation: 0.9 }, /split: expected a fraction/],
      ["a monitor without rows to judge by", { monitor: "exact" }, /monitor exact needs rows to validate on/],
      ["an option that is none", { epochs: -1 }, /epochs: expected/],
      [
        "a schedule that has no room for its steps",
        { epochs: 1, method: { method: "adaLora", tinit: 5, tfinal: 5 } },
        /AdaLoRA: expected more steps than tinit \+ tfinal/,
      ],
    ])("refuses %s before anything is made or set aside", async (_, options, told) => {
      const one = [{ prompt: "一", response: "二" }];
      const before = (await glm.adapters()).map(({ name }) => name);
      await expect(cell(() => magics.train("never", one, options))).rejects.toThrow(told);
      await expect(cell(() => magics.train("dream", one, { ...options, new: true }))).rejects.toThrow(told);
      expect((await glm.adapters()).map(({ name }) => name)).toEqual(before);
    });

    it("leaves no adapter of a run that could not begin", async () => {
      const before = (await glm.adapters()).map(({ name }) => name);
      await expect(cell(() => magics.train("never", rows, { maxLength: 3 }))).rejects.toThrow(/maxLength: expected/);
      await expect(
        cell(() => magics.train("never", rows, { engine: "torchrun", checkpoint: "/none" })),
      ).rejects.toMatchObject({ name: "GlmError" });
      expect((await glm.adapters()).map(({ name }) => name)).toEqual(before);
    });

    it(
      "asks in the end what it was taught, as it was taught, and what else it changed",
      async () => {
        const taught = [
          ...rows,
          { prompt: "五", response: "六", history: [["一", "二"]] as const },
          { prompt: "七", response: "八", history: [["五", "六"]] as const },
        ];
        const method = { method: "lora", targets: ["query_key_value", "dense", "dense_h_to_4h"] } as const;
        const { check } = await cell(() => magics.train("exact", taught, { method, epochs: 80, lr: 2e-2, seed: 1 }));
        const answers = await Promise.all(
          taught.map(({ prompt, ...row }) =>
            glm.ask(prompt, {
              greedy: true,
              adapter: "exact",
              maxNewTokens: 12,
              ...("history" in row ? { history: row.history } : {}),
            }),
          ),
        );
        const recalled = taught.filter(({ response }, i) => answers[i] === response).length;
        expect(recalled).toBeGreaterThan(0);
        const before = await glm.askEach(unrelatedQuestions, { maxNewTokens: 160 });
        const after = await glm.askEach(unrelatedQuestions, { adapter: "exact", maxNewTokens: 160 });
        const changed = unrelatedQuestions.filter((_, i) => before[i] !== after[i]).length;
        expect(check).toEqual({ recalled, asked: 4, changed, unrelated: 20 });
        expect(notebook.text()).toContain(`Answered exactly: ${recalled} of 4 trained rows that were asked.\n`);
        await (await glm.adapter("exact")).dispose();
      },
      SLOW,
    );

    it(
      "asks a sample that the seed decides, and nothing with --no-check",
      async () => {
        const many = Array.from({ length: 30 }, (_, i) => ({ prompt: `${i}`, response: "好" }));
        const { check, adapter } = await cell(() => magics.train("sample", many, { epochs: 1 }));
        expect(check).toMatchObject({ asked: 20, unrelated: 20 });
        // What the base answers was kept, and is not asked again.
        const asked: number[] = [];
        const some = unrelatedQuestions.slice(0, 2);
        const base = await adapter.baseAnswers(some, { onDone: (done) => asked.push(done) });
        expect(base).toEqual(await glm.askEach(some, { adapter: null, maxNewTokens: 160 }));
        expect(asked).toEqual([]);
        expect(await cell(() => magics.train("sample", many, { epochs: 1, check: false }))).not.toHaveProperty("check");
        await adapter.dispose();
      },
      SLOW,
    );

    it("ends when it is interrupted while it asks, and keeps what was trained", async () => {
      const abort = new AbortController();
      const write = notebook.write.bind(notebook);
      notebook.write = (text, stream) => {
        write(text, stream);
        if (text.includes("Ask it:")) abort.abort();
      };
      await expect(cell(() => magics.train("cut", rows, { epochs: 1 }), abort.signal)).rejects.toThrow("aborted");
      expect(notebook.text("stderr")).toBe(
        "Interrupted: cut is trained and kept; only what it answers now was not all asked.\n",
      );
      const adapter = await glm.adapter("cut");
      expect(await adapter.info()).toMatchObject({ steps: 1 });
      await adapter.dispose();
    });

    it("trains on, or starts again", async () => {
      const { steps: before } = await (await glm.adapter("dream")).info();
      const again = await cell(() => magics.train("dream", rows, { epochs: 2, check: false }));
      expect((await again.adapter.info()).steps).toBe(before + 2);
      expect(notebook.text()).toContain("dream exists and trains on");
      const anew = await cell(() =>
        magics.train("dream", rows, { epochs: 30, lr: 1e-2, new: true, method: magics.lora({ r: 2 }), check: false }),
      );
      expect(notebook.text()).toContain("The dream that was trained before is now dream.1.\n");
      expect((await anew.adapter.info()).steps).toBe(30);
      expect((await (await glm.adapter("dream.1")).info()).steps).toBe(before + 2);
      expect(anew.adapter.config).toMatchObject({ method: "lora", r: 2 });
    });

    it("shows the ranks that AdaLoRA has left, as it trains and in %params", async () => {
      const targets = ["query", "value"];
      const method = { method: "adaLora", r: 2, initR: 4, targets, tinit: 1, tfinal: 2 } as const;
      const before = notebook.shown.length;
      const { adapter } = await cell(() => magics.train("ranks", rows, { method, epochs: 12, check: false }));
      expect(notebook.text()).toContain("query → query_key_value; value → query_key_value.");
      const charts = notebook.shown
        .slice(before)
        .flatMap(({ bundle }) => (bundle["image/svg+xml"] ? [String(bundle["text/plain"])] : []));
      const { ranks = [] } = await adapter.info();
      const left = ranks.reduce((sum, { rank }) => sum + rank, 0);
      expect(left).toBe(2 * ranks.length);
      expect(charts).toEqual([
        expect.stringMatching(/^ranks: training loss: loss /),
        expect.stringContaining(`ranks: ranks left: ${4 * ranks.length} → ${left} of ${4 * ranks.length} in `),
      ]);
      await cell(() => magics.params("ranks"));
      expect(String(notebook.plain.at(-1))).toContain(`rank left: ${left} of ${4 * ranks.length} in `);
      // It is how it was made, by whatever names.
      await cell(() => magics.train("ranks", rows, { method, epochs: 4, check: false }));
      const plain = await glm.createAdapter("unranked", magics.lora({ r: 2 }));
      const shown = notebook.shown.length;
      await cell(() => magics.params("unranked"));
      expect(notebook.shown).toHaveLength(shown);
      await Promise.all([adapter.dispose(), plain.dispose()]);
    });

    it("trains on only as the adapter was made", async () => {
      const adapter = await glm.createAdapter("fixed", magics.lora({ r: 2, dropout: 0.1 }));
      await expect(
        cell(() =>
          magics.train("fixed", rows, { method: { method: "lora", r: 3000, targets: ["dense"], bias: "none" } }),
        ),
      ).rejects.toMatchObject({
        code: "option-invalid",
        message:
          "%%train fixed: the adapter exists and would train on, but it is made otherwise:\n" +
          "- --r: fixed has 2, given is 3000\n" +
          "- --targets: fixed has query_key_value, given is dense\n" +
          "Leave these options out to train it on, or add --new to start again with them.",
      });
      await expect(
        cell(() => magics.train("fixed", rows, { method: { method: "full", match: ["norm"] } })),
      ).rejects.toThrow(/otherwise:\n- --method: fixed has lora, given is full\nLeave/);
      const same = { method: "lora", r: 2, targets: ["query_key_value"], rankStabilized: false } as const;
      await cell(() => magics.train("fixed", rows, { epochs: 1, method: same, check: false }));
      await cell(() => magics.train("fixed", rows, { epochs: 1, method: adapter.config, check: false }));
      await expect(cell(() => magics.train("fixed", rows, { share: true }))).rejects.toThrow("Leave --share out");
      expect(await adapter.info()).toMatchObject({ steps: 2, config: adapter.config });
      await adapter.dispose();
    });

    it("answers with the adapter that is named, or in use", async () => {
      const base = await glm.ask("一", short);
      const taught = await glm.ask("一", { ...short, adapter: "dream" });
      expect(taught).not.toBe(base);
      expect(await cell(() => magics.chatglm("一", { ...short, adapter: "dream", new: true }))).toBe(taught);
      await cell(() => magics.adapterUse("dream"));
      expect(await cell(() => magics.chatglm("一", { ...short, new: true }))).toBe(taught);
      expect(await cell(() => magics.chatglm("一", { ...short, adapter: null, new: true }))).toBe(base);
      expect(await cell(() => magics.compare("一", [null, "dream"], short))).toEqual({ none: base, dream: taught });
      expect(String(notebook.seen.at(-1)?.["text/html"])).toContain("none (base model)");
      // In one display, from the first words on.
      const [first, ...later] = notebook.shown.slice(-2);
      expect([first?.kind, ...later.map(({ kind }) => kind)]).toEqual(["display", "update"]);
      const begun = String(first?.bundle["text/plain"]);
      expect(begun).toMatch(/^一\nnone \(base model\):\n {2}\S/);
      expect(begun).not.toContain("(empty answer)");
      expect(begun).not.toBe(later[0]?.bundle["text/plain"]);
    });

    it("answers with a sum that is named or in use, and writes it as a checkpoint", async () => {
      await cell(() => magics.adapterCombine("half", "0.5*dream"));
      const sum = "dream - 0.5*half";
      const expected = await glm.ask("一", { ...short, adapter: sum });
      await cell(() => magics.adapterUse(sum));
      expect(notebook.text()).toContain("dream - 0.5*half answers from now on.");
      expect(await cell(() => magics.chatglm("一", { ...short, new: true }))).toBe(expected);
      const compared = await cell(() => magics.compare("一", [null, "dream", sum], short));
      expect(compared).toEqual({
        none: await glm.ask("一", short),
        dream: await glm.ask("一", { ...short, adapter: "dream" }),
        [sum]: expected,
      });
      await cell(() => magics.adapterList());
      expect(String(notebook.plain.at(-1))).toMatch(/half .* in use/);
      expect((await cell(() => magics.params())).length).toBe(2 * (await glm.adapter("dream")).parameters().length);
      await expect(cell(() => magics.adapterUse("dream+hlf"))).rejects.toThrow("Did you mean half?");
      const folder = join(scratch, "summed");
      expect(await cell(() => magics.adapterWrite(sum, folder))).toBeUndefined();
      const written = await load(folder, { runtime: "none" });
      expect(await written.ask("一", short)).toBe(expected);
      await written.dispose();
      await cell(() => magics.adapterDelete("half"));
      expect(notebook.text()).toContain("The base model answers from now on.");
      await cell(() => magics.adapterUse("dream"));
    });

    it("lists what there is", async () => {
      await cell(() => magics.adapterNew("other", magics.lora({ r: 4 })));
      const infos = await cell(() => magics.adapterList());
      expect(infos.map(({ name }) => name).sort()).toEqual(["dream", "dream.1", "other"]);
      const table = String(notebook.plain.at(-1));
      expect(table).toMatch(/dream +lora +[\d,]+ +30 +in use/);
      await expect(cell(() => magics.adapterUse("drem"))).rejects.toThrow("Did you mean dream?");
    });

    it("sums up parameters", async () => {
      const parameters = await cell(() => magics.params("other"));
      const count = parameters.reduce((sum, parameter) => sum + (parameter.trainable ? parameter.count : 0), 0);
      expect(notebook.text()).toContain(`trainable params: ${count.toLocaleString("en-US")} ||`);
      await cell(() => magics.params(null, { all: true }));
      expect(String(notebook.plain.at(-1))).toMatch(/\ntransformer\.embedding\.word_embeddings\n {2}weight +\[/);
    });

    it("comes back from its files, and goes for good", async () => {
      const taught = await glm.ask("一", { ...short, adapter: "dream" });
      const files = join(scratch, "saved");
      await cell(() => magics.adapterSave("dream", { folder: files }));
      await cell(() => magics.adapterDelete("dream"));
      expect(notebook.text()).toContain("The base model answers from now on");
      await expect(glm.adapter("dream")).rejects.toMatchObject({ code: "adapter-not-found" });
      await cell(() => magics.adapterLoad("dream", files));
      expect(await glm.ask("一", { ...short, adapter: "dream" })).toBe(taught);
    });

    it("keeps what an interrupted training has learnt, and says so", async () => {
      const abort = new AbortController();
      const running = cell(() => magics.train("long", rows, { epochs: 100_000 }), abort.signal);
      while (!notebook.plain.some((text) => /\b[1-9]\d*\/100,000/.test(String(text)))) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      abort.abort();
      await expect(running).rejects.toThrow();
      expect(notebook.text("stderr")).toMatch(
        /^Interrupted: long keeps the values of step \d+ of 100000\. The same cell with --resume goes on\.\n$/,
      );
      expect(notebook.seen[0]?.["text/plain"]).toMatch(/stopped$/);
      expect(notebook.seen[1]?.["image/svg+xml"]).toContain("<svg");
      expect((await (await glm.adapter("long")).info()).steps).toBeGreaterThan(0);
    });

    it("stops the bar where training breaks down", async () => {
      await expect(cell(() => magics.train("broken", rows, { epochs: 50, lr: 1e30, clip: 0 }))).rejects.toMatchObject({
        code: "loss-not-finite",
      });
      expect(notebook.seen[0]?.["text/plain"]).toMatch(/failed$/);
    });
  });

  describe("%model, when it fails", () => {
    it("ends its bar as failed, and says which model is still in use", async () => {
      const empty = join(scratch, "empty");
      mkdirSync(empty, { recursive: true });
      // Every look at the clock finds that a second has passed: the bar is shown at once.
      let now = performance.now();
      const clock = vi.spyOn(performance, "now").mockImplementation(() => (now += 1000));
      try {
        await expect(cell(() => magics.model(empty, { runtime: "none" }))).rejects.toMatchObject({
          code: "model-not-found",
        });
      } finally {
        clock.mockRestore();
      }
      expect(notebook.seen).toHaveLength(1);
      expect(notebook.plain.at(-1)).toMatch(/^Loading .*empty: opening the checkpoint .* failed$/);
      expect(notebook.text("stderr")).toMatch(
        /^\S+empty is not loaded\. The model in use is still \S+small: chatglm2-6b, .*, exact.*\.\n$/,
      );
      expect(await cell(() => magics.currentModel())).toBe(glm);
    });
  });
});

describe("with a model in int4", () => {
  let packed: ChatGLM;

  beforeAll(async () => {
    packed = await cell(() =>
      magics.model(folder, { runtime: "none", device: "cpu", quantize: "int4", precision: "fast" }),
    );
  });
  afterAll(() => packed.dispose());

  it("%model says the form, and counts the model's numbers rather than bytes", async () => {
    await cell(() => magics.currentModel());
    const count = parametersOf(packed.config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(notebook.text()).toContain(`chatglm2-6b, ${(count / 1000).toPrecision(3)} K parameters, cpu, int4, fast`);
    expect(packed.info.parameters.reduce((sum, parameter) => sum + parameter.count, 0)).toBeLessThan(count);
  });

  it("%params --all says how it counts", async () => {
    await cell(() => magics.params(null, { all: true }));
    expect(notebook.plain.at(-1)).toContain("(int4 weights are counted as they are stored: packed bytes, and scales)");
  });

  it("says how much of it trains with --method full, and nothing of it with LoRA", async () => {
    const adapter = await cell(() => magics.adapterNew("floats", magics.full()));
    const { trainable } = adapter.summary();
    expect(notebook.text()).toMatch(
      new RegExp(
        `\\nOf a model in int4 only floats train \\(norms, embeddings\\): here ${trainable.toLocaleString("en-US")} of its [\\d,]+ parameters\\.\\n$`,
      ),
    );
    await adapter.dispose();
    const before = notebook.text();
    await (await cell(() => magics.adapterNew("low", magics.lora()))).dispose();
    expect(notebook.text().slice(before.length)).not.toContain("only floats train");
  });

  it("says what a merge costs that is written, in float16 or quantised again", async () => {
    const adapter = await packed.createAdapter("written", lora({ r: 2, targets: ["dense"] }));
    const values = await adapter.read();
    for (const { data } of Object.values(values)) data.fill(0.2);
    await adapter.write(values);
    const told =
      /they differ from what they were to be by 0\.\d+ at most, \d+(\.\d+)?% all together\. That is \d+(\.\d+)?% of what merging changed\.\n$/;
    await cell(() => magics.adapterWrite("written", join(scratch, "floats")));
    expect(notebook.text()).toMatch(
      /Of weights in int4, 8 matrices went into float16, which takes more room \(--quantized requantize/,
    );
    expect(notebook.text()).toMatch(/at most, 0\.\d+% all together/);
    const report = await cell(() =>
      magics.adapterWrite("written", join(scratch, "again"), { quantized: "requantize" }),
    );
    expect(report?.rewritten).toMatchObject({ form: "int4", matrices: 8 });
    expect(notebook.text()).toMatch(/8 matrices were quantised to int4 again: /);
    expect(notebook.text()).toMatch(told);
    await expect(
      cell(() => magics.adapterWrite("written", join(scratch, "no"), { quantized: "refuse" })),
    ).rejects.toThrow('quantized is "refuse"');
    await adapter.dispose();
  });
});

describe("questions", () => {
  it("take values in, whatever is around them", () => {
    expect(magics.text`a\n${1}${"b`"}${true}`).toBe("a\n1b`true");
  });
});
