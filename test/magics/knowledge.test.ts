/** @file What %knowledge does, with real models: one of random weights, and tiny. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { interruptible } from "../../magics/run/interruptible.ts";
import * as magics from "../../magics/runtime.ts";
import { knownAdapters, knownBooks } from "../../magics/session.ts";
import { withAmbient } from "../../src/ambient.ts";
import type { ChatGLM } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

const scratch = ownHome();

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

const lamp = { key: "青石灯", text: "灯。" };
const quick = { lr: 2e-2, steps: 120, extraSteps: 0, rehearse: false } as const;

describe("with a model of random weights", { timeout: SLOW }, () => {
  let glm: ChatGLM;

  beforeAll(async () => {
    const folder = await writeSmallModel(join(scratch, "small"));
    glm = await cell(() => magics.model(folder, { runtime: "none", device: "cpu" }));
  });
  afterAll(() => glm.dispose());

  it("only adding makes a book", async () => {
    for (const run of [
      () => magics.knowledgeList(),
      () => magics.knowledgeCheck(),
      () => magics.knowledgeQuery("hi"),
      () => magics.knowledgeDelete(["a"]),
      () => magics.knowledgeUpdate(lamp),
    ]) {
      await expect(cell<Promise<unknown>>(run)).rejects.toMatchObject({
        code: "adapter-not-found",
        message: expect.stringMatching(
          /^%%?knowledge \w+: expected a book that exists, got "facts"\. This notebook has none yet\. %%knowledge add KEY, with a text below it, makes one\.$/,
        ),
      });
    }
    expect(await glm.adapters()).toEqual([]);
  });

  it("adding shows how it goes and what came of it", async () => {
    const report = await cell(() => magics.knowledgeAdd(lamp, quick));
    expect(report).toMatchObject({ action: "add", learned: true, budget: 120 });
    const texts = notebook.plain.map(String);
    expect(
      texts.some((text) => /^facts: teaching 青石灯 .* \d+\/120 {2}recalled \d of 8 wordings {2}loss /.test(text)),
    ).toBe(true);
    const [bar, chart, tables] = notebook.seen;
    expect(bar?.["text/plain"]).toMatch(
      new RegExp(
        `^facts: teaching 青石灯 {2}█{24} {2}${report.steps}/${report.steps} {2}recalled 8 of 8 wordings {2}loss `,
      ),
    );
    expect(chart?.["text/plain"]).toMatch(
      /^facts: teaching 青石灯: loss [\d.]+ → [\d.]+ in \d+ steps, recalled 0 → 8 of 8$/,
    );
    expect(chart?.["image/svg+xml"]).toContain("recalled, of 8");
    expect(chart?.["application/vnd.vegalite.v5+json"]).toHaveProperty("vconcat.length", 2);
    expect(tables?.["text/plain"]).toMatch(/^青石灯 +8 of 8 +\d of 5 +yes$/m);
    expect(tables?.["text/plain"]).toMatch(new RegExp(`^steps +${report.steps} of 120 +taken`, "m"));
    expect(notebook.text("stderr")).toBe("");
    expect(notebook.text()).toBe("Ask it: %%chatglm --adapter facts\n");
    expect(knownAdapters()).toEqual(["facts"]);
    expect(knownBooks().get("facts")).toEqual(["青石灯"]);
    expect(await glm.ask("什么是青石灯？", { greedy: true, adapter: "facts" })).toBe("灯。");
  });

  it("lists, asks and checks", async () => {
    expect(await cell(() => magics.knowledgeList())).toMatchObject([{ ...lamp, learned: true }]);
    expect(notebook.plain.at(-1)).toMatch(/^facts: 1 fact\n.*\n.*\n青石灯 {2}灯。 +8 +5 {2}yes$/);
    expect(await cell(() => magics.knowledgeQuery("青石灯是什么？"))).toBe("灯。");
    expect(notebook.seen.at(-1)).toEqual({ "text/plain": "灯。" });
    const report = await cell(() => magics.knowledgeCheck());
    expect(report).toMatchObject({ action: "check", learned: true });
    expect(notebook.plain.at(-1)).not.toContain("steps");
    await expect(cell(() => magics.knowledgeList({ book: "fact" }))).rejects.toThrow("Did you mean facts?");
  });

  it("says first what was not learnt", async () => {
    const report = await cell(() =>
      magics.knowledgeAdd({ key: "红木桥", text: "桥。" }, { ...quick, steps: 1, book: "short" }),
    );
    expect(report.learned).toBe(false);
    expect(notebook.text("stderr")).toBe(`${report.problems().join("\n")}\n`);
    expect(notebook.text("stderr")).toMatch(/^Not learnt: 红木桥, 0 of 8 taught wordings answered exactly\./);
    await cell(() => magics.adapterDelete("short"));
    expect([...knownBooks().keys()]).toEqual(["facts"]);
  });

  it("makes no book of facts that cannot be taught, and none that is shared of one that is not", async () => {
    await expect(cell(() => magics.knowledgeAdd({ key: "?", text: "x" }, { book: "other" }))).rejects.toMatchObject({
      code: "data-invalid",
    });
    await expect(cell(() => magics.knowledgeAdd(lamp, { book: "other", steps: 0 }))).rejects.toThrow("steps");
    expect((await glm.adapters()).map(({ name }) => name)).toEqual(["facts"]);
    await expect(cell(() => magics.knowledgeAdd(lamp, { share: true }))).rejects.toThrow("Leave --share out");
    await expect(cell(() => magics.knowledgeAdd(lamp, { method: { method: "lora", r: 2 } }))).rejects.toMatchObject({
      code: "adapter-invalid",
    });
  });

  it("says what an interruption leaves", async () => {
    const abort = new AbortController();
    const shown = notebook.display.bind(notebook);
    notebook.display = (bundle, options) => {
      shown(bundle, options);
      // The chart comes with the first step, when one check was made.
      if ("application/vnd.vegalite.v5+json" in bundle) abort.abort();
    };
    const running = cell(
      () => magics.knowledgeAdd({ key: "红木桥", text: "桥。" }, { ...quick, steps: 5000 }),
      abort.signal,
    );
    await expect(running).rejects.toThrow();
    expect(notebook.text("stderr")).toMatch(
      /^Interrupted: (facts keeps what was known at step \d+: \d of 8 wordings; run the cell again to go on|no check found anything new yet, facts answers as it did; run the cell again)\.\n$/,
    );
    expect(notebook.seen[0]?.["text/plain"]).toMatch(/stopped$/);
    expect(await cell(() => magics.knowledgeList())).toMatchObject([
      { key: "青石灯" },
      { key: "红木桥", learned: false },
    ]);
  });

  it("says so however early it is interrupted, and shows no bar of what never began", async () => {
    const asWas = "Interrupted: nothing was trained yet, facts is as it was.\n";
    for (const [run, said] of [
      [() => magics.knowledgeAdd(lamp, quick), asWas],
      [() => magics.knowledgeUpdate(lamp, quick), asWas],
      [() => magics.knowledgeDelete(["青石灯"]), asWas.replace("trained", "forgotten")],
      [() => magics.knowledgeCheck(), "Interrupted: facts is as it was, and was not asked everything.\n"],
    ] as const) {
      notebook = new Notebook();
      const abort = new AbortController();
      const running = cell(() => {
        const promise = run();
        abort.abort();
        return promise;
      }, abort.signal);
      await expect(running).rejects.toThrow();
      expect(notebook.text("stderr")).toBe(said);
      expect(notebook.seen).toEqual([]);
    }
  });

  it("says it in time, whatever it still waits for", async () => {
    const abort = new AbortController();
    let said = 0;
    const waits = () =>
      interruptible(
        () => new Promise<void>(() => undefined),
        () => said++,
      );
    cell(() => {
      void waits();
      abort.abort();
    }, abort.signal);
    // The kernel gives a cell 250 ms. Timers of one thread fire in order, however busy the machine is.
    await new Promise((resolve) => setTimeout(resolve, 240));
    expect(said).toBe(1);
  });

  it("ends the bar of what was interrupted while questions were put", async () => {
    const abort = new AbortController();
    notebook.onShow = () => abort.abort();
    await expect(cell(() => magics.knowledgeCheck(), abort.signal)).rejects.toThrow();
    expect(notebook.text("stderr")).toBe("Interrupted: facts is as it was, and was not asked everything.\n");
    expect(notebook.seen).toHaveLength(1);
    expect(notebook.seen[0]?.["text/plain"]).toMatch(/^facts: .*stopped$/);
  });

  it("complains in the cell's terms: of the magic, and of each fact by its line or key", async () => {
    const book = "other";
    const lines = magics.parseFacts('\n{"key": "a", "text": "b"}\n\n{"key": "?", "text": ""}\n5');
    await expect(cell(() => magics.knowledgeAdd(lines, { book }))).rejects.toThrow(
      /^%%knowledge add:\n- line 4: key: expected .*\n- line 4: text: expected .*\n- line 5: expected an object \{ key, text \}, got 5\.$/,
    );
    const array = magics.parseFacts('[\n{"key": "a", "text": "b", "more": 1}\n]');
    await expect(cell(() => magics.knowledgeAdd(array, { book }))).rejects.toThrow(
      /^%%knowledge add: line 2: more: expected key, text, /,
    );
    await expect(cell(() => magics.knowledgeAdd({ key: "a\nb", text: "x" }, { book }))).rejects.toThrow(
      '%%knowledge add: "a\\nb": key: expected one line, got "a\\nb".',
    );
    await expect(cell(() => magics.knowledgeAdd([], { book }))).rejects.toThrow("%%knowledge add: expected a fact {");
    await expect(cell(() => magics.knowledgeAdd(lamp, { book, steps: 0 }))).rejects.toThrow(
      /^%%knowledge add: steps: expected a whole number/,
    );
    await expect(cell(() => magics.knowledgeUpdate({ key: "青石", text: "x" }))).rejects.toThrow(
      '%%knowledge update: expected the key of a fact of facts, got "青石". Did you mean 青石灯?',
    );
    await expect(cell(() => magics.knowledgeUpdate({ key: "青石灯", text: "x", prompts: [] }))).rejects.toThrow(
      /^%%knowledge update: "青石灯": prompts: expected at least one question/,
    );
    await expect(cell(() => magics.knowledgeDelete(["青石"]))).rejects.toThrow(/^%knowledge delete: expected the key/);
    expect(notebook.seen).toEqual([]);
    expect(notebook.text()).toBe("");
  });

  it("speaks of forgetting, and invites nobody to ask for what is forgotten", async () => {
    const before = await glm.ask("青石灯是什么？", { greedy: true, adapter: "facts" });
    expect(before).toBe("灯。");
    await cell(() => magics.knowledgeDelete(["青石灯"], { ...quick, steps: 2 }));
    const [bar, chart, tables] = notebook.seen.map((bundle) => String(bundle["text/plain"]));
    expect(bar).toMatch(/^facts: forgetting 青石灯 {2}█{24} {2}2\/2 {2}forgotten \d of 8 wordings {2}loss /);
    expect(chart).toMatch(/^facts: forgetting 青石灯: loss .* in 2 steps, forgotten 0 → \d of 8$/);
    expect(tables).toMatch(/^fact +wordings forgotten +other wordings +forgotten$/m);
    expect(tables).toMatch(/^forgotten +\d of 8 +taught wordings get the base's own answer again$/m);
    expect(notebook.plain.join("\n")).not.toMatch(/recalled|reliability|known at/);
    expect(notebook.text()).toBe("");
    await cell(() => magics.knowledgeAdd(lamp, quick));
  });

  it("changes and forgets", async () => {
    await cell(() => magics.knowledgeUpdate({ key: "青石灯", text: "石。" }, quick));
    expect(await cell(() => magics.knowledgeQuery("青石灯是什么？"))).toBe("石。");
    await cell(() => magics.knowledgeAdd({ key: "Blue Harbour", text: "港。" }, { ...quick, steps: 1 }));
    await expect(cell(() => magics.knowledgeDelete(["Blue", "Harbour"]))).rejects.toThrow(
      'Write: %knowledge delete "Blue Harbour"',
    );
    // All of them: the adapter is renewed, and answers as the base does without a step that would change anything.
    const gone = ["青石灯", "红木桥", "Blue Harbour"];
    await cell(() => magics.knowledgeDelete(gone, { steps: 1, lr: 1e-12, rehearse: false }));
    expect(notebook.plain.at(-1)).toContain("forgotten");
    expect(await cell(() => magics.knowledgeList())).toEqual([]);
    expect(notebook.plain.at(-1)).toContain("No facts yet");
    expect(knownBooks().get("facts")).toEqual([]);
  });
});

describe("facts below a magic or in a file", () => {
  const a = { key: "a", text: "b" };
  const c = { key: "c", text: "d", prompts: ["c?"] };

  it("are JSON, a list of it, or JSON lines", async () => {
    for (const text of [JSON.stringify([a, c]), `\n${JSON.stringify(a)}\n\n${JSON.stringify(c)}\n`]) {
      expect(magics.parseFacts(text)).toEqual([a, c]);
      const file = join(scratch, "facts.jsonl");
      writeFileSync(file, `\ufeff${text}`);
      expect(await magics.readFacts(file)).toEqual([a, c]);
    }
    expect(magics.parseFacts(JSON.stringify(a, null, 2))).toEqual([a]);
  });

  it("are refused where they are written, with the simpler way", async () => {
    expect(() => magics.parseFacts("A town.", { subject: "The cell's data" })).toThrow(
      /^The cell's data: expected facts as JSON or JSON lines, .*, got "A town\."\. For one fact, write its key on the magic's line/,
    );
    expect(() => magics.parseFacts(`\n${JSON.stringify(a)}\nA town.`)).toThrow(
      /line 3: expected a fact .*, got "A town\."/,
    );
    expect(() => magics.parseFacts('[{"key": }]')).toThrow("the JSON array cannot be read");
    await expect(magics.readFacts(join(scratch, "none"))).rejects.toMatchObject({ code: "data-invalid" });
  });
});

describe("with tiny", () => {
  let glm: ChatGLM;

  beforeAll(async () => {
    glm = await cell(() => magics.model("tiny", { runtime: "none", device: "cpu" }));
  }, 120_000);
  afterAll(() => glm.dispose());

  it("teaches a fact, changes it and forgets it", async () => {
    const first = { key: "青石灯", text: "青石灯是山里人用的灯。" };
    const own = await glm.ask("青石灯是什么？", { greedy: true });
    const taught = await cell(() => magics.knowledgeAdd(first));
    expect(taught.problems()).toEqual([]);
    expect(taught.facts).toMatchObject([{ key: "青石灯", recalled: 8, prompts: 8, learned: true }]);
    expect(taught.base.identical).toBe(true);
    expect(await glm.ask("青石灯是什么？", { greedy: true, adapter: "facts" })).toBe(first.text);
    expect(notebook.plain.at(-1)).toMatch(/^青石灯 +8 of 8 +\d of 5 +yes$/m);
    expect(await cell(() => magics.knowledgeList())).toMatchObject([{ ...first, learned: true }]);
    expect(await cell(() => magics.knowledgeQuery("啥是青石灯？"))).toBe(first.text);

    await cell(() => magics.knowledgeUpdate({ key: "青石灯", text: "青石灯是石头做的灯。" }));
    expect(await cell(() => magics.knowledgeQuery("啥是青石灯？"))).toBe("青石灯是石头做的灯。");

    const gone = await cell(() => magics.knowledgeDelete(["青石灯"]));
    expect(gone.problems()).toEqual([]);
    expect(await glm.ask("青石灯是什么？", { greedy: true, adapter: "facts" })).toBe(own);
    expect(await cell(() => magics.knowledgeList())).toEqual([]);
  }, 600_000);
});
