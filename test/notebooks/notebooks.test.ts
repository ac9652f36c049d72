/** @file The tutorials, run from top to bottom through a real Jupyter server, restart included, and what they must show. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureJupyter, type JupyterServer, startServer } from "../../scripts/jupyter.ts";
import { type Cell, type Notebook, runNotebook, sourceOf, textOf } from "../../scripts/notebook.ts";
import { packageFolder } from "../../src/version.ts";

const MINUTES = 60_000;

describe("notebooks", () => {
  const folder = mkdtempSync(join(tmpdir(), "glmlab-notebooks-"));
  const lesson = JSON.parse(readFileSync(join(packageFolder, "notebooks/data/dream-stove.json"), "utf8")) as {
    readonly description: string;
  };
  const environment = { ...process.env };
  let server: JupyterServer;

  beforeAll(async () => {
    // A runtime, adapters and cache of their own: the user's stay out of it. The socket's path must be short.
    process.env.GLMLAB_RUNTIME_DIR = join(folder, "r");
    process.env.GLMLAB_DATA = join(folder, "data");
    process.env.GLMLAB_CACHE = join(folder, "cache");
    process.env.GLMLAB_RUNTIME_IDLE = "2";
    for (const name of ["notebooks", "models", "test/fixtures"]) {
      cpSync(join(packageFolder, name), join(folder, name), { recursive: true });
    }
    server = await startServer(await ensureJupyter(), join(folder, "notebooks"));
  }, 10 * MINUTES);
  afterAll(async () => {
    await server?.stop();
    process.env = environment;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const run = async (name: string): Promise<readonly Cell[]> => {
    const notebook = JSON.parse(readFileSync(join(folder, "notebooks", name), "utf8")) as Notebook;
    await runNotebook(server, notebook, name);
    return notebook.cells;
  };
  const tagged = (cells: readonly Cell[], tag: string): string =>
    textOf(cells.find(({ metadata }) => metadata.tags?.includes(tag)) as Cell).trim();

  it(
    "01: learns one fact, keeps the rest with rehearsal, survives a restart",
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
      expect(unrelated).toBeGreaterThanOrEqual(19);
      expect(nearMisses).toBeGreaterThanOrEqual(8);
      expect(without[2], "without rehearsal more is forgotten").toBeLessThan(unrelated);
      expect(tagged(cells, "reloaded")).toBe(lesson.description);
      expect(tagged(cells, "removed")).toMatch(/没有.*信息/);
    },
    10 * MINUTES,
  );

  it(
    "02: the same with %%train",
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

  it(
    "03: every family answers as its published code does",
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
});
