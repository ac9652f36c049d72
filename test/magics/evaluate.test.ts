/** @file %evaluate with a small real model: what a notebook shows of it, and what an interruption leaves. */
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import { type ChatGLM, lora } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

const LONG = 120_000;
const home = ownHome();
const rows = [
  { prompt: "一", response: "二" },
  { prompt: "三", response: "四" },
];
const short = { maxNewTokens: 8 };
let notebook = new Notebook();
let glm: ChatGLM;

function cell<T>(body: () => T, signal?: AbortSignal): T {
  return withAmbient({ frontend: notebook, notebook: "test.ipynb", ...(signal ? { signal } : {}) }, body);
}

beforeAll(async () => {
  glm = await cell(async () => magics.model(await writeSmallModel(join(home, "model")), { runtime: "none" }));
  const taught = await glm.createAdapter("taught", lora({ r: 8, targets: ["query_key_value", "dense_h_to_4h"] }));
  for await (const _ of taught.fit(rows, { epochs: 60, lr: 1e-2 }));
}, LONG);
beforeEach(() => {
  notebook = new Notebook();
});
afterAll(() => glm?.dispose());

const table = () => String(notebook.seen.at(-1)?.["text/plain"]);

describe("%evaluate", { timeout: LONG }, () => {
  it("asks the base, and the adapter in use as well", async () => {
    const base = await cell(() => magics.evaluate(rows, short));
    expect(base.adapters).toEqual([null]);
    expect(table()).toContain("2 rows answered otherwise than the reference");
    await cell(() => magics.adapterUse("taught"));
    const both = await cell(() => magics.evaluate(rows, { ...short, scores: ["exact"] }));
    await cell(() => magics.adapterUse(null));
    expect(both.adapters).toEqual([null, "taught"]);
    expect(table()).toMatch(/none \(base model\)\s+2\s+0\.00%\s+0\s+2\n/);
    expect(table()).toMatch(/taught\s+2\s+100\.00%\s+2\s+0\n/);
    expect(table()).toContain("2 rows not answered alike");
    expect(String(notebook.seen.at(-1)?.["text/html"])).toContain("<td");
  });

  it("says what went wrong", async () => {
    const strange = (): number => "many" as never;
    await cell(() => magics.evaluate(rows, { ...short, scores: [strange] }));
    expect(notebook.text("stderr")).toContain("strange: no number for 2 answers");
    expect(notebook.text("stderr")).toContain('row 1: expected a number, got "many"');
    expect(table()).toMatch(/2\s+none/);
  });

  it("says what an interruption leaves", async () => {
    const controller = new AbortController();
    const asked = cell(() => magics.evaluate(rows, { maxNewTokens: 200 }), controller.signal);
    setTimeout(() => controller.abort(), 5);
    await expect(asked).rejects.toMatchObject({ name: "AbortError" });
    expect(notebook.text("stderr")).toMatch(/^Interrupted after \d of \d: nothing was scored/);
  });

  it("looks for what was forgotten, of an adapter that is there", async () => {
    await expect(cell(() => magics.forgetting(short))).rejects.toThrow("Name it with --adapters");
    const found = await cell(() => magics.forgetting({ adapters: ["taught"], maxNewTokens: 2 }));
    expect(found.rows.length).toBeGreaterThan(20);
    for (const kind of ["translation", "code", "question answering"]) expect(table()).toContain(`\n  ${kind} `);
    expect(table()).not.toContain("reference");
  });
});
