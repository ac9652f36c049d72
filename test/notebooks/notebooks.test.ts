/** @file The tutorials, run from top to bottom through a real Jupyter server, restart included, and what they must show. */
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { toSvg } from "../../magics/render/svg.ts";
import { VEGA_LITE_MIME, type VegaLiteSpec } from "../../magics/render/vega.ts";
import { ensureJupyter, type JupyterServer, startServer } from "../../scripts/jupyter.ts";
import { type Cell, type Notebook, runNotebook, sourceOf, textOf } from "../../scripts/notebook.ts";
import { packageFolder } from "../../src/version.ts";
import { ownHome } from "../home.ts";

const MINUTES = 60_000;
/** Each is run once more, in a new kernel, with what the first run has left. */
const TIMES = ["", ", again"];

describe("notebooks", () => {
  const folder = ownHome();
  const lesson = JSON.parse(readFileSync(join(packageFolder, "notebooks/data/dream-stove.json"), "utf8")) as {
    readonly description: string;
  };
  let server: JupyterServer;

  beforeAll(async () => {
    vi.stubEnv("GLMLAB_RUNTIME_IDLE", "2");
    for (const name of ["notebooks", "models", "test/fixtures"]) {
      cpSync(join(packageFolder, name), join(folder, name), { recursive: true });
    }
    server = await startServer(await ensureJupyter(), join(folder, "notebooks"));
  }, 10 * MINUTES);
  afterAll(() => server?.stop());

  const run = async (name: string): Promise<readonly Cell[]> => {
    const notebook = JSON.parse(readFileSync(join(folder, "notebooks", name), "utf8")) as Notebook;
    await runNotebook(server, notebook, name);
    return notebook.cells;
  };
  /** The cells that a section of the README shows. */
  const shown = (section: string): Cell[] => {
    const [, text = ""] = readFileSync(join(packageFolder, "README.md"), "utf8").split(`## ${section}\n`);
    const [part = ""] = text.split("\n## ");
    return [...part.matchAll(/^```(?:ts)?\n(.*?)^```$/gms)].map(([, source = ""]) => {
      return { cell_type: "code", source: source.trimEnd(), metadata: {} };
    });
  };
  const tagged = (cells: readonly Cell[], tag: string): string =>
    textOf(cells.find(({ metadata }) => metadata.tags?.includes(tag)) as Cell).trim();
  /** What stands below a tagged cell's first line. */
  const bodyOf = (cells: readonly Cell[], tag: string): string => {
    const source = sourceOf(cells.find(({ metadata }) => metadata.tags?.includes(tag)) as Cell);
    return source.slice(source.indexOf("\n") + 1).trim();
  };
  /** Percents of a table of scores, by who answers. */
  const scoresOf = (cells: readonly Cell[]): ReadonlyMap<string, readonly number[]> =>
    new Map(
      [...tagged(cells, "scores").matchAll(/^(\S+)(?: \(base model\))? +\d+((?: +[\d.]+%)+)/gm)].map(
        ([, name = "", scores = ""]) => [name, [...scores.matchAll(/[\d.]+/g)].map(([number]) => Number(number))],
      ),
    );
  const chartsOf = (cells: readonly Cell[]): VegaLiteSpec[] =>
    cells.flatMap(({ outputs = [] }) =>
      outputs.flatMap(({ data }) => (data?.[VEGA_LITE_MIME] ? [data[VEGA_LITE_MIME] as VegaLiteSpec] : [])),
    );

  it.each(TIMES)(
    "what the README shows%s",
    async () => {
      const cells = shown("A first notebook");
      await runNotebook(server, { cells }, "readme.ipynb");
      const answers = cells.filter((cell) => sourceOf(cell).startsWith("%%chatglm")).map((cell) => textOf(cell).trim());
      expect(answers[0]).toMatch(/没有.*信息/);
      const taught = cells
        .map(sourceOf)
        .find((source) => source.startsWith("%%knowledge add"))
        ?.split("\n")[1];
      expect(answers.slice(1)).toEqual([taught, taught]);
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "01%s: learns one fact, keeps the rest with rehearsal, survives a restart, learns a fact of one's own",
    async () => {
      const cells = await run("01-inject-one-fact.ipynb");
      expect(tagged(cells, "before")).toMatch(/没有.*信息/);
      expect(tagged(cells, "parameters")).toMatch(
        /^trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%: [\d.]+$/,
      );
      expect(tagged(cells, "after")).toBe(lesson.description);
      const [without, rehearsed] = tagged(cells, "judgement")
        .split("\n")
        .filter((line) => line.includes("rehearsal"))
        .map((line) => line.split("│").slice(2, 6).map(Number)) as [number[], number[]];
      const [trained, paraphrases, unrelated, nearMisses] = rehearsed as [number, number, number, number];
      expect(trained).toBe(8);
      expect(paraphrases).toBeGreaterThanOrEqual(4);
      expect(unrelated).toBeGreaterThanOrEqual(18);
      expect(nearMisses).toBeGreaterThanOrEqual(7);
      expect(without[2], "without rehearsal more is forgotten").toBeLessThan(unrelated);
      expect(tagged(cells, "reloaded")).toBe(lesson.description);
      expect(tagged(cells, "removed")).toMatch(/没有.*信息/);
      expect(tagged(cells, "own")).not.toContain("Not learnt");
      expect(tagged(cells, "own-answer")).toBe(bodyOf(cells, "own"));
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "02%s: the same with one magic",
    async () => {
      const cells = await run("02-train-magic.ipynb");
      const answers = cells
        .filter((cell) => sourceOf(cell).startsWith("%%chatglm --greedy --new"))
        .map((cell) => textOf(cell).trim());
      expect(answers[0]).toMatch(/没有.*信息/);
      expect(answers.slice(1, 3)).toEqual([lesson.description, lesson.description]);
      expect(answers[3]).toMatch(/没有.*信息/);
      const charts = cells.flatMap(({ outputs = [] }) => outputs.filter(({ data }) => data?.["image/svg+xml"]));
      expect(charts.length).toBeGreaterThan(0);
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "03%s: every family answers as its published code does",
    async () => {
      const cells = await run("03-every-chatglm.ipynb");
      const answers = tagged(cells, "greedy");
      expect(answers.match(/\btrue\b/g)).toHaveLength(15);
      expect(answers).not.toMatch(/\bfalse\b/);
      expect(Number(/logit: ([\d.e-]+)/.exec(tagged(cells, "half"))?.[1])).toBeLessThan(0.05);
      expect(tagged(cells, "text").match(/你好, ChatGLM! <\|user\|> 1\+1=2/g)).toHaveLength(3);
      const forms =
        tagged(cells, "forms")
          .match(/[\d.]+(?=%)/g)
          ?.map(Number) ?? [];
      expect(forms).toHaveLength(4);
      expect(Math.max(...forms.slice(0, 2))).toBeLessThan(2);
      expect(Math.max(...forms)).toBeLessThan(25);
      const prompts = tagged(cells, "prompts").split("\n");
      const conversations = [/"hi⟨\[gMASK\]⟩⟨<sop>⟩"/, /\[Round 1\]/, /⟨<\|user\|>⟩/, /⟨<\|user\|>⟩/];
      for (const [i, conversation] of conversations.entries()) expect(prompts[i]).toMatch(conversation);
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "04%s: facts at once and one by one, changed and deleted, near ones lost first, and the measured results",
    async () => {
      const cells = await run("04-knowledge.ipynb");
      expect(tagged(cells, "at-once")).toMatch(/^learnt: 4 of 4 facts$/m);
      const recalled = tagged(cells, "ways")
        .split("\n")
        .flatMap((line) => (/at once|one by one/.test(line) ? [Number(line.split("│")[2])] : []));
      expect(recalled.slice(0, 2)).toEqual([4, 4]);
      expect(recalled[2], "what nothing repeats is lost").toBeLessThan(4);
      expect(tagged(cells, "updated")).toBe(bodyOf(cells, "update"));
      const [base, book] = tagged(cells, "deleted").split("lab-one-by-one:") as [string, string];
      const lines = base.split("\n").map((line) => line.trim());
      // A progress bar may stand above the answers.
      expect(lines[lines.indexOf("none (base model):") + 1]).toBe(book.trim());
      expect(tagged(cells, "list")).toMatch(/3 facts/);
      expect(tagged(cells, "list")).not.toContain("Port Ember");
      const lost = tagged(cells, "small-chart")
        .split("\n")
        .filter((line) => line.includes("no longer exact"));
      expect(lost.length).toBeGreaterThan(0);
      const near = lost.filter((line) => /雾铃车|Dorva Lane/.test(line));
      expect(near.length, "names near to the new ones go first").toBeGreaterThanOrEqual(lost.length - near.length);
      const unchanged = tagged(cells, "rehearsal")
        .match(/\d+(?= of 20 unrelated)/g)
        ?.map(Number) as [number, number];
      expect(unchanged[0], "rehearsal keeps the rest").toBeGreaterThanOrEqual(unchanged[1]);

      expect(tagged(cells, "origin").match(/knowledge\.js .*--only/g)).toHaveLength(5);
      const charts = chartsOf(cells).filter(({ data }) => data !== undefined);
      expect(charts).toHaveLength(9);
      for (const chart of charts) {
        const encoding = chart.encoding as Record<string, { title?: string }>;
        const names = [chart.title, encoding.x?.title, encoding.y?.title] as string[];
        const picture = await toSvg(chart);
        for (const name of names) expect(picture).toContain(name);
        expect(picture).not.toMatch(/NaN|undefined/);
      }
    },
    10 * MINUTES,
  );

  // Once: it trains for a minute, and begins with new adapters in any case.
  it(
    "05: every method at the same task: what it trains, learns, forgets",
    async () => {
      const cells = await run("05-methods-side-by-side.ipynb");
      const trained = tagged(cells, "counts").match(
        /trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%: [\d.]+/g,
      );
      expect(trained).toHaveLength(7);
      /** By method: parameters, percent, memory, time, loss, recalled, other wordings, forgotten. */
      const table = new Map(
        tagged(cells, "table")
          .split("\n")
          .flatMap((line) => {
            const [, method = "", ...numbers] = line.split("│").map((text) => text.trim());
            return /^[a-z]/.test(method) ? [[method, numbers.slice(0, 8).map(Number)] as const] : [];
          }),
      );
      expect(table.size).toBe(7);
      for (const [method, numbers] of table) {
        expect(numbers.every(Number.isFinite), method).toBe(true);
        const [, , , , loss, recalled] = numbers as [number, number, number, number, number, number];
        expect(loss, method).toBeLessThan(0.5);
        expect(recalled, method).toBeGreaterThanOrEqual(
          method === "embeddings" ? 0 : method.startsWith("ptuning") ? 4 : 7,
        );
      }
      expect(Math.min(...[...table.values()].map(([parameters]) => parameters as number))).toBe(
        table.get("ptuning")?.[0],
      );
      const answers = tagged(cells, "together");
      for (const name of ["none (base model):", "lora:", "adalora:", "ptuning:", "full:"])
        expect(answers).toContain(name);
      expect(chartsOf(cells).filter(({ data }) => data !== undefined)).toHaveLength(3);
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "06%s: one sample with AdaLoRA, its ranks, merged, saved, and loaded again",
    async () => {
      const cells = await run("06-adalora-one-sample.ipynb");
      expect(tagged(cells, "before")).toMatch(/没有.*信息/);
      expect(tagged(cells, "parameters")).toMatch(/query_key_value/);
      const ranks = [...tagged(cells, "ranks").matchAll(/query_key_value\s+(\d+)\s+12$/gm)].map(([, rank]) =>
        Number(rank),
      );
      expect(ranks).toHaveLength(6);
      expect(
        ranks.reduce((sum, rank) => sum + rank, 0),
        "8 in the mean",
      ).toBeLessThanOrEqual(48);
      expect(new Set(ranks).size, "not everywhere the same").toBeGreaterThan(1);
      for (const tag of ["after", "merged", "reloaded"]) expect(tagged(cells, tag)).toBe(lesson.description);
      const [wordings, kept] = [...tagged(cells, "judgement").matchAll(/(\d+) of/g)].map(([, count]) =>
        Number(count),
      ) as [number, number];
      expect(wordings).toBeGreaterThanOrEqual(2);
      expect(kept).toBeGreaterThanOrEqual(17);
      expect(tagged(cells, "unchanged")).toMatch(/没有.*信息/);
    },
    10 * MINUTES,
  );

  it(
    "07: triples: the base knows no format, LoRA all of it, the others are between",
    async () => {
      const cells = await run("07-extraction.ipynb");
      expect(tagged(cells, "data")).toMatch(/^rows +200$/m);
      expect(tagged(cells, "before")).not.toMatch(/_职业_/);
      expect(tagged(cells, "counts").match(/trainable params: [\d,]+ \|\|/g)).toHaveLength(3);
      const table = scoresOf(cells);
      const [base, freeze, ptuning, lora] = ["none", "extract-freeze", "extract-ptuning", "extract-lora"].map(
        (name) => table.get(name)?.[0] ?? Number.NaN,
      ) as [number, number, number, number];
      expect(base).toBe(0);
      expect(lora).toBeGreaterThan(80);
      for (const other of [freeze, ptuning]) {
        expect(other).toBeGreaterThan(10);
        expect(other).toBeLessThan(lora);
      }
      expect(tagged(cells, "answers")).toMatch(/extract-lora:\n\S+_出生地_\S+\n\S+_职业_\S+/);
    },
    10 * MINUTES,
  );

  it.each(TIMES)(
    "08%s: a question as ids, what is learnt, the parameters, a loop by hand, the answer, PEFT's files",
    async () => {
      const cells = await run("08-step-by-step.ipynb");
      expect(tagged(cells, "prompt")).toMatch(/^decoded: "\[Round 1\].*云岭图书馆几点开门？.*答："$/m);
      expect(tagged(cells, "prompt")).toMatch(/^written: "\[gMASK\]sop\[Round 1\].*云岭图书馆几点开门？.*答："$/m);
      const labels = tagged(cells, "labels");
      expect(labels).toContain("labels, written: 云岭图书馆早上九点开门，晚上八点关门，周一休息。eos");
      expect(labels).toMatch(/^ *read "/);
      expect(tagged(cells, "parameters")).toMatch(/trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%/);
      const losses = [...tagged(cells, "training").matchAll(/step \d+: loss ([\d.]+)/g)].map(([, loss]) =>
        Number(loss),
      );
      expect(losses).toHaveLength(4);
      expect(losses.at(-1)).toBeLessThan(0.1);
      const [base, taught] = tagged(cells, "after").split("library: ");
      expect(taught).toBe("云岭图书馆早上九点开门，晚上八点关门，周一休息。");
      expect(base).not.toContain("早上九点开门，晚上八点关门，周一休息。");
      expect(tagged(cells, "file")).toContain("adapter_model.safetensors");
    },
    10 * MINUTES,
  );

  it(
    "09: SQL over two turns, right on conversations that were not seen; rows with tools",
    async () => {
      const cells = await run("09-conversations.ipynb");
      expect(tagged(cells, "before")).not.toMatch(/SELECT/);
      const exact = scoresOf(cells);
      expect(exact.get("none")?.[0]).toBe(0);
      expect(exact.get("sql")?.[0]).toBeGreaterThan(80);
      expect(tagged(cells, "first")).toBe("SELECT name FROM staff WHERE salary > 33;");
      expect(tagged(cells, "second")).toMatch(/salary > 33 AND town = 'Haimen'/);
      const learnt = tagged(cells, "tools");
      expect(learnt).toMatch(/run_sql|sql/);
      expect(learnt).toContain("7");
      expect(learnt).not.toContain("员工有几个");
    },
    10 * MINUTES,
  );
});
