/** @file Live output: paced, in place, with the last state always shown; and the same without a notebook. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AnswerDisplay } from "../../magics/answer-display.ts";
import { LiveDisplay, show, write } from "../../magics/live.ts";
import { lossChart } from "../../magics/loss-chart.ts";
import { ProgressBar } from "../../magics/progress.ts";
import { rankChart } from "../../magics/rank-chart.ts";
import { withAmbient } from "../../src/ambient.ts";
import { Notebook } from "./notebook.ts";

const say = (text: string) => () => ({ "text/plain": text });

describe("live display", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("shows the first state at once, later ones at its pace, and the last one for sure", () => {
    const notebook = new Notebook();
    withAmbient({ frontend: notebook }, () => {
      const live = new LiveDisplay({ interval: 100 });
      for (let step = 0; step < 50; step++) {
        live.update(say(`${step}`));
        vi.advanceTimersByTime(10);
      }
      live.finish();
    });
    expect(notebook.plain).toEqual(["0", "9", "19", "29", "39", "49"]);
    expect(new Set(notebook.shown.map(({ id }) => id)).size).toBe(1);
    expect(notebook.shown.map(({ kind }) => kind)).toEqual(["display", ...Array(5).fill("update")]);
  });

  it("shows a state that nothing follows, and renders only what is shown", () => {
    const notebook = new Notebook();
    const render = vi.fn(say("x"));
    withAmbient({ frontend: notebook }, () => {
      const live = new LiveDisplay({ interval: 100 });
      live.update(render);
      live.update(render);
      live.update(render);
      vi.advanceTimersByTime(1000);
    });
    expect(render).toHaveBeenCalledTimes(2);
    expect(notebook.shown).toHaveLength(2);
  });

  it("says nothing after its end", () => {
    const notebook = new Notebook();
    withAmbient({ frontend: notebook }, () => {
      const live = new LiveDisplay({ interval: 100 });
      live.update(say("a"));
      live.update(say("b"));
      live.finish({ "text/plain": "end" });
      live.update(say("c"));
      vi.advanceTimersByTime(1000);
    });
    expect(notebook.plain).toEqual(["a", "end"]);
  });

  it("keeps a bar away that is done before anybody wonders", () => {
    const notebook = new Notebook();
    withAmbient({ frontend: notebook }, () => {
      const bar = new ProgressBar({ title: "Loading", delay: 700 });
      bar.update({ done: 1, total: 2 });
      vi.advanceTimersByTime(600);
      bar.finish();
      const slow = new ProgressBar({ title: "Loading", delay: 700 });
      slow.update({ done: 1, total: 2 });
      vi.advanceTimersByTime(800);
      slow.update({ done: 2, total: 2 });
      slow.finish();
    });
    expect(notebook.shown).toHaveLength(2);
    expect(notebook.plain[0]).toContain("1/2");
    expect(notebook.plain[1]).toContain("2/2");
  });
});

describe("loss chart in a cell", () => {
  it("ends with a picture of every point", async () => {
    const notebook = new Notebook();
    await withAmbient({ frontend: notebook }, async () => {
      const chart = lossChart({ title: "by hand" });
      chart.push({ loss: 3 });
      chart.push({ loss: 2, validation: 2.5 });
      chart.push({ loss: 1, step: 10 });
      await chart.done();
    });
    const last = notebook.shown.at(-1)?.bundle ?? {};
    expect(last["text/plain"]).toBe("by hand: loss 3 → 1 in 10 steps");
    expect(last["image/svg+xml"]).toContain("<svg");
    expect(JSON.stringify(last["application/vnd.vegalite.v5+json"])).toContain('{"step":2,"epoch":1,"loss":2.5}');
  });

  it("shows nothing when there was nothing to show", async () => {
    const notebook = new Notebook();
    await withAmbient({ frontend: notebook }, () => lossChart().done());
    expect(notebook.shown).toEqual([]);
  });
});

describe("chart of ranks in a cell", () => {
  it("ends with a picture of every change, whether steps always tell ranks or only news", async () => {
    const notebook = new Notebook();
    const ranks = (rank: number) => [{ module: "a.dense", rank, of: 4 }];
    await withAmbient({ frontend: notebook }, async () => {
      const chart = rankChart({ title: "by hand", steps: 9 });
      chart.push({ step: 1 });
      chart.push({ step: 2, ranks: ranks(4) });
      chart.push({ step: 3, ranks: ranks(4) });
      chart.push({ step: 4, ranks: ranks(2) });
      chart.push({ step: 5 });
      await chart.done();
    });
    const last = notebook.shown.at(-1)?.bundle ?? {};
    expect(last["text/plain"]).toBe("by hand: 4 → 2 of 4 in 1 module, 2 of each in 5 steps");
    expect(last["image/svg+xml"]).toContain("<svg");
    const drawn = JSON.stringify(last["application/vnd.vegalite.v5+json"]);
    expect(drawn).toContain('[{"step":2,"rank":4,"mean":4},{"step":4,"rank":2,"mean":2},{"step":5,"rank":2,"mean":2}]');
  });

  it("shows nothing where no ranks are given up", async () => {
    const notebook = new Notebook();
    await withAmbient({ frontend: notebook }, async () => {
      const chart = rankChart();
      chart.push({ step: 1 });
      await chart.done();
    });
    expect(notebook.shown).toEqual([]);
  });
});

describe("without a notebook", () => {
  it("writes to the terminal", () => {
    const out = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    write("piece");
    show({ "text/plain": "table", "text/html": "<table>" });
    expect(out.mock.calls.map(([text]) => text)).toEqual(["piece", "table\n"]);
    out.mockRestore();
  });

  it("writes only the last state where nothing can be rewritten", () => {
    const err = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const live = new LiveDisplay();
    live.update(say("1\n2"));
    live.finish({ "text/plain": "3\n4" });
    expect(err.mock.calls.map(([text]) => text)).toEqual(["3\n4\n"]);
    err.mockRestore();
  });
});

describe("an answer's display", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const reading = (done: number) => ({ stage: "reading", done, total: 600 }) as const;

  it("shows how far the model is when that takes long, and the answer in the same place", () => {
    const notebook = new Notebook();
    withAmbient({ frontend: notebook }, () => {
      const display = new AnswerDisplay();
      display.wait(reading(0));
      vi.advanceTimersByTime(2000);
      display.wait(reading(256));
      display.show(say("好"));
      // What comes late does not cover the answer.
      display.wait({ stage: "answering", done: 1, total: 8192 });
      vi.advanceTimersByTime(2000);
      display.finish();
    });
    expect(notebook.plain[0]).toMatch(/^Reading the question \(tokens\) {2}░+ {2}0\/600/);
    expect(notebook.plain[1]).toMatch(/ 256\/600 {2}2\.0 s < /);
    expect(notebook.seen).toEqual([{ "text/plain": "好" }]);
  });

  it("shows nothing but the answer when that comes soon, and no guess of its length while it is written", () => {
    const notebook = new Notebook();
    withAmbient({ frontend: notebook }, () => {
      const soon = new AnswerDisplay();
      soon.wait(reading(0));
      soon.show(say("好"));
      vi.advanceTimersByTime(2000);
      soon.finish();
    });
    expect(notebook.plain).toEqual(["好"]);
    withAmbient({ frontend: notebook }, () => {
      const late = new AnswerDisplay();
      late.wait({ stage: "answering", done: 7, total: 8192 });
      vi.advanceTimersByTime(2000);
      late.finish();
    });
    expect(notebook.plain.at(-1)).toMatch(/^Answering \(tokens\) {2}░+ {2}7 {2}2\.0 s {2}stopped$/);
  });
});
