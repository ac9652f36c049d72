/** @file Every kind of cell can be stopped, the process survives it, and no variable is lost. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";
import { aSecond } from "./lateness.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
});
afterAll(() => cells.stop());

/** Cells that never end by themselves; each assigns `mark` first. */
const ENDLESS: Readonly<Record<string, string>> = {
  "a busy loop": "while (true) {}",
  "a busy loop after an await": "await null; while (true) {}",
  "a busy loop after real waiting": "await new Promise((resolve) => setTimeout(resolve, 20)); for (;;) {}",
  "a busy function of an earlier cell": "spin()",
  "a regular expression that backtracks": `/^(a+)+$/.test("${"a".repeat(50)}b")`,
  "an awaiting loop": "while (true) await new Promise((resolve) => setTimeout(resolve, 10))",
  "an awaiting loop on node:timers/promises":
    'import { setTimeout as sleep } from "node:timers/promises"; while (true) await sleep(10)',
  "an awaiting loop that never yields": "for (;;) await null",
  "an awaiting loop that swallows errors":
    'import { setTimeout as nap } from "node:timers/promises"; while (true) { try { await nap(10) } catch {} }',
  "a promise that never settles": "await new Promise(() => {})",
  "a result that never settles": "new Promise(() => {})",
  "a busy loop in a timer": "await new Promise(() => { setTimeout(() => { for (;;) {} }, 10) })",
  "a busy loop in an interval": "await new Promise(() => { setInterval(() => { for (;;) {} }, 10) })",
  "a busy loop in setImmediate": "await new Promise(() => { setImmediate(() => { for (;;) {} }) })",
  "a busy loop in process.nextTick": "await new Promise(() => { process.nextTick(() => { for (;;) {} }) })",
  "a busy loop in a microtask": "await new Promise(() => { queueMicrotask(() => { for (;;) {} }) })",
  "a busy loop in a callback of the file system":
    'import { readFile } from "node:fs"; await new Promise(() => readFile("/", () => { for (;;) {} }))',
  "a busy loop that begins after the interrupt":
    "await new Promise(() => { globalThis.setTimeout(() => { for (;;) {} }, 200) })",
  "a busy loop in a catch block": "try { for (;;) await new Promise((r) => setImmediate(r)) } catch { for (;;) {} }",
  "a for await over an endless source":
    "async function* source() { for (let i = 0; ; i++) { await new Promise((r) => setTimeout(r, 5)); yield i } }\nfor await (const i of source()) { last = i }",
  "an interval of node:timers/promises":
    'import { setInterval as every } from "node:timers/promises"; for await (const _ of every(10)) {}',
};

describe("an interrupt", () => {
  beforeAll(async () => {
    await cells.text("let mark = 0; let last = -1; function spin() { for (;;) {} }");
  });

  for (const [index, [name, code]] of Object.entries(ENDLESS).entries()) {
    test(`stops ${name}`, async () => {
      const { outcome, took, late } = await cells.interrupt(
        `mark = ${index + 1};\nlet kept${index} = "kept";\n${code}`,
      );
      expect(outcome).toMatchObject({ status: "error", name: "Interrupted" });
      expect(took).toBeLessThan(aSecond(late));
      expect(await cells.text("mark")).toBe(String(index + 1));
      expect(await cells.text(`kept${index}.toUpperCase()`)).toBe("'KEPT'");
      expect(cells.alive).toBe(true);
    });
  }

  test("keeps what the interrupted cell assigned, with its type", async () => {
    const code =
      "const steps: number[] = [];\nclass Point { x = 1 }\nconst p = new Point();\nfor (;;) { steps.push(1); await new Promise((r) => setTimeout(r, 5)) }";
    await cells.interrupt(code, 500);
    expect(await cells.text("steps.length > 3 && p.x === 1")).toBe("true");
    expect((await cells.failure("const s: string = steps.length")).plain).toContain("TS2322");
  });

  test("keeps the earlier value of a variable that was declared anew and not yet assigned", async () => {
    await cells.text('let model = "loaded"');
    await cells.interrupt("let model = await new Promise<string>(() => {})");
    expect(await cells.text("model")).toBe("'loaded'");
  });

  test("says where the cell stood", async () => {
    const { outcome } = await cells.interrupt(
      'import { setTimeout as rest } from "node:timers/promises";\n\nawait rest(60_000);',
    );
    if (outcome.status === "ok") throw new Error("not interrupted");
    expect(outcome.traceback.join("\n")).toMatch(/Cell \[\d+\]:3:7/);
  });

  test("runs finally blocks of a cell that waits", async () => {
    const { output } = await cells.interrupt(
      'import { setTimeout as doze } from "node:timers/promises";\ntry { await doze(60_000) } finally { console.log("cleaned up") }',
    );
    expect(output.stdout).toBe("cleaned up\n");
  });

  test("ends what the cell left running: its loops and its timers", async () => {
    const { output } = await cells.interrupt(
      [
        "const nativeTimer = globalThis.setTimeout;",
        'setInterval(() => console.log("interval"), 10);',
        'void (async () => { for (;;) { await fetchLike(); console.log("loop") } })();',
        "function fetchLike() { return new Promise((resolve) => nativeTimer(resolve, 10)) }",
        "await new Promise(() => {});",
      ].join("\n"),
    );
    expect(output.stdout).toContain("interval");
    expect(output.stdout).toContain("loop");
    await cells.text("await new Promise((resolve) => setTimeout(resolve, 50))"); // what was under way has arrived
    const soFar = output.stdout;
    await cells.text("await new Promise((resolve) => setTimeout(resolve, 200))");
    expect(output.stdout).toBe(soFar);
  });

  test("leaves other cells' timers alone", async () => {
    const { output } = await cells.run("let ticks = 0; const clock = setInterval(() => { ticks++ }, 10)");
    await cells.interrupt("await new Promise(() => {})");
    const before = Number(await cells.text("ticks"));
    await cells.text("await new Promise((resolve) => setTimeout(resolve, 200))");
    expect(Number(await cells.text("clearInterval(clock); ticks"))).toBeGreaterThan(before);
    expect(output.stderr).toBe("");
  });

  test("lets the library see the cell's signal", async () => {
    await cells.text('import { ambient } from "glmlab"');
    const { output } = await cells.interrupt(
      'await new Promise((_, reject) => ambient().signal!.addEventListener("abort", () => { console.log("aborted"); reject(new Error("x")) }))',
    );
    expect(output.stdout).toBe("aborted\n");
  });

  test("works many times in a row", async () => {
    for (let round = 0; round < 5; round++) {
      const { outcome } = await cells.interrupt(round % 2 ? "for (;;) await null" : "for (;;) {}", 50);
      expect(outcome).toMatchObject({ name: "Interrupted" });
      expect(await cells.text(`${round} + 1`)).toBe(String(round + 1));
    }
  });
});
