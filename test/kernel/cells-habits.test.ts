/** @file Habits from IPython in a running kernel's cells: an error that names them and says what to write. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
import { afterAll, beforeAll, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
  await cells.text("const flag = false; const name = 'n'; const f = () => 5");
});
afterAll(() => cells.stop());

test.each([
  ["!ls", "execSync", 1],
  ["!ls -la", "execSync", 1],
  ["1\n!pip install torch", "npm install torch", 2],
  ["const files = !ls", "execSync", 1],
  ["ls", "execSync", 1],
  ["?name", "Shift-Tab", 1],
  ["f()\nname?", "Shift-Tab", 2],
  ["console.log(${name})", "Elsewhere write: name", 1],
  ["%lsmagic\n!git status", "execSync", 2],
  ["%cd ..", "process.chdir", 1],
  ["%%bash\nls", "execSync", 1],
  ["f()\n%time f()", "console.time", 2],
])("%j", async (code, remedy, line) => {
  const { name, message, plain } = await cells.failure(code);
  expect(name).toBe("MagicError");
  expect(message).toContain(remedy);
  expect(plain).toMatch(new RegExp(`Cell \\[\\d+\\]:${line}:`));
});

test("what is said to be written runs", async () => {
  const written = async (code: string): Promise<string> => {
    const { message } = await cells.failure(code);
    return /Write: (.*)$/.exec(message)?.[1] ?? "";
  };
  expect((await cells.run(await written("!echo out"))).output.stdout).toBe("out\n\n");
  expect(await cells.text(await written("%pwd"))).toBe(`'${cells.folder}'`);
  expect((await cells.run(await written("%time f()"))).output.stdout).toMatch(/^cell: [\d.]+m?s\n$/);
  expect((await cells.run(await written("%timeit f()"))).output.stdout).toMatch(/^1000 times: /);
  expect((await cells.run(await written("%%html\n<b>"))).output.shown[0]?.bundle["text/html"]).toBe("...");
  expect(await cells.text(`${await written("%env GLMLAB_HABIT=1")}; process.env.GLMLAB_HABIT`)).toBe("'1'");
});

test("TypeScript that looks like it is TypeScript", async () => {
  expect(await cells.text("!flag && f()")).toBe("5");
  expect(await cells.text("flag\n  ? 1\n  : 2")).toBe("2");
  expect(await cells.text("`${name}`")).toBe("'n'");
  expect((await cells.failure("!falg && f()")).plain).toMatch(/TS2304|TS2552/);
});

test.each(["!pip install torch", "name?", "?name", "%cd ..", "%%bash\nls"])(
  "%j is invalid, not incomplete",
  async (code) => {
    expect(await cells.isComplete(code)).toEqual({ status: "invalid" });
  },
);
