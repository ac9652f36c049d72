/** @file What would take a kernel beyond its limits: output without end, code without bottom, processes without an owner. */
import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { printed, TestKernel } from "./client.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
  await kernel.execute(
    'import childProcess from "node:child_process"; import { ambient } from "glmlab"; let kept = 5;',
  );
});
afterAll(() => kernel.dispose());

const result = async (code: string): Promise<unknown> =>
  (await kernel.execute(code)).output.at(-1)?.content.data?.["text/plain"];

const pidOf = (id: string): Promise<number> =>
  kernel
    .broadcast(({ type, parentId, content }) => type === "stream" && parentId === id && /^\d+\n/.test(content.text))
    .then(({ content }) => Number.parseInt(content.text, 10));

function isAlive(pid: number): boolean {
  try {
    // A zombie has ended.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Milliseconds until a process has ended. */
async function ended(pid: number, patience = 10_000): Promise<number> {
  const started = performance.now();
  while (isAlive(pid) && performance.now() - started < patience) await sleep(10);
  return performance.now() - started;
}

/** Megabytes. */
const memory = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${kernel.process.pid}/status`, "utf8"))?.[1]) / 1024;

describe.runIf(process.platform === "linux")("output without end", () => {
  test.each([
    ["long lines", 'while (true) console.log("x".repeat(1000));'],
    ["short lines", 'while (true) console.log("x");'],
    ["lines between microtasks", 'for (;;) { await null; console.error("x".repeat(1000)); }'],
    [
      "lines of a timer",
      'setInterval(() => { for (let i = 0; i < 1e5; i++) console.log("x".repeat(1000)) }, 1); await new Promise(() => {});',
    ],
    ["displays", 'while (true) ambient().frontend!.display({ "text/plain": "y".repeat(1000) });'],
  ])("%s: the memory stays small, and an interrupt ends it", async (_, code) => {
    const id = kernel.begin(code);
    let peak = 0;
    for (let turn = 0; turn < 20; turn++) {
      await sleep(250);
      peak = Math.max(peak, memory());
    }
    const started = performance.now();
    await kernel.request("control", "interrupt_request", {});
    const { reply, output } = await kernel.ended(id);
    expect(reply.content).toMatchObject({ status: "error", ename: "Interrupted" });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(peak).toBeLessThan(1000);
    if (!code.includes('"x")'))
      expect(printed(output, "stderr")).toMatch(
        /\[From here on output of this cell is left out.*\[Left out here: [\d,]+ /s,
      );
    expect(await result("kept")).toBe("5");
  });

  test("what a cell may print arrives whole", async () => {
    const { output } = await kernel.execute(
      'for (let i = 0; i < 20_000; i++) console.log(String(i).padStart(999, "."))',
    );
    const text = printed(output);
    expect(text).toHaveLength(20_000_000);
    expect(text.split("\n").every((line, i) => i === 20_000 || Number(line.replace(/^\.+/, "")) === i)).toBe(true);
  });

  test("stdout and stderr in turn arrive in order", async () => {
    const { output } = await kernel.execute(
      'for (let i = 0; i < 300; i++) { process.stdout.write("o" + i + " "); process.stderr.write("e" + i + " "); }\nundefined',
    );
    const text = output.filter(({ type }) => type === "stream").map(({ content }) => content.text);
    expect(text.join("")).toBe(Array.from({ length: 300 }, (_, i) => `o${i} e${i} `).join(""));
  });
});

describe("code that is too deep for the compiler", () => {
  test.each([
    ["2,000 chained calls", `const f: any = () => f; f${"()".repeat(2000)}`],
    ["nested brackets", "[".repeat(3000) + "]".repeat(3000)],
    ["nested parentheses", `${"(".repeat(5000)}1${")".repeat(5000)}`],
    ["nested blocks", "{".repeat(3000) + "}".repeat(3000)],
    ["nested types", `let deep: ${"Array<".repeat(3000)}number${">".repeat(3000)};`],
    ["nested functions", `${"(x: any) => ".repeat(3000)}1`],
    ["nested templates", "`${".repeat(3000) + "}`".repeat(3000)],
  ])("%s: the cell fails with advice, and the next ones run", async (_, code) => {
    const { reply } = await kernel.execute(code);
    expect(reply.content).toMatchObject({ status: "error", evalue: expect.stringMatching(/too deeply.*variables/) });
    expect(reply.content.traceback.join("\n")).not.toMatch(/node_modules/);
    expect(await result("kept + 1")).toBe("6");
  });

  test("questions about it fail alone, too", async () => {
    const code = `const f: any = () => f; f${"()".repeat(3000)}.`;
    await kernel.request("shell", "complete_request", { code, cursor_pos: code.length });
    await kernel.request("shell", "inspect_request", { code, cursor_pos: code.length - 2, detail_level: 0 });
    const asked = { code: "Math.ma", cursor_pos: 7 };
    expect((await kernel.request("shell", "complete_request", asked)).content.matches).toContain("max");
    expect(await result("kept + 2")).toBe("7");
  });
});

describe.runIf(process.platform === "linux")("a child process", () => {
  /** Interrupts a cell that prints the id of a process; how long that one lived, and the cell's reply. */
  async function interrupt(code: string): Promise<{ pid: number; lived: number; name: string }> {
    const id = kernel.begin(code);
    const pid = await pidOf(id);
    await sleep(100);
    expect(isAlive(pid)).toBe(true);
    await kernel.request("control", "interrupt_request", {});
    const lived = await ended(pid);
    return { pid, lived, name: (await kernel.ended(id)).reply.content.ename };
  }
  /** Starts a process that prints its own id to the notebook. */
  const sync = (name: string, args: string): string =>
    `childProcess.${name}(${args}, { stdio: ["ignore", "pipe", "pipe"] });`;

  test.each([
    [
      "that is awaited",
      'await new Promise((resolve) => childProcess.spawn("sh", ["-c", "echo $$; exec sleep 60"]).on("exit", resolve).stdout.pipe(process.stdout));',
    ],
    [
      "of a child",
      'const shell = childProcess.exec("sleep 60 & echo $!; wait"); shell.stdout!.pipe(process.stdout); await new Promise(() => {});',
    ],
    ["beside a busy loop", 'console.log(childProcess.spawn("sleep", ["60"]).pid); await null; for (;;);'],
    [
      "that ignores SIGINT",
      `childProcess.spawn("sh", ["-c", "trap '' INT; echo $$; sleep 60; sleep 60"]).stdout.pipe(process.stdout); await new Promise(() => {});`,
    ],
  ])("%s ends at once with its interrupted cell", async (_, code) => {
    const { lived, name } = await interrupt(code);
    expect(name).toBe("Interrupted");
    expect(lived).toBeLessThan(1000);
  });

  test.each([
    ["execSync", '"sleep 61; echo"'],
    ["spawnSync", '"sleep", ["61"]'],
    ["execFileSync", '"sleep", ["61"]'],
  ])("that %s waits for ends at once, and its cell goes no further", async (name, args) => {
    const id = kernel.begin(
      `console.log("on"); try { ${sync(name, args)} } catch {} await null; console.log("further"); kept = 0;`,
    );
    const waiting = kernel.begin("kept = 0");
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    await sleep(300);
    const started = performance.now();
    await kernel.request("control", "interrupt_request", {});
    const { reply, output } = await kernel.ended(id);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(reply.content).toMatchObject({ status: "error", ename: "Interrupted" });
    expect(printed(output)).toBe("on\n");
    expect((await kernel.ended(waiting)).reply.content.status).toBe("aborted");
    expect(await result("kept")).toBe("5");
  });

  test("of another cell, or a detached one, lives on", async () => {
    const other = await pidOf(kernel.begin('console.log(childProcess.spawn("sleep", ["62"]).pid); undefined'));
    const code =
      'console.log(childProcess.spawn("sleep", ["62"], { detached: true }).pid); childProcess.execSync("sleep 63");';
    const id = kernel.begin(code);
    const detached = await pidOf(id);
    await sleep(300);
    await kernel.request("control", "interrupt_request", {});
    expect((await kernel.ended(id)).reply.content.ename).toBe("Interrupted");
    expect([isAlive(other), isAlive(detached)]).toEqual([true, true]);
    process.kill(detached);
  });

  test.each(["shutdown_request", "process.exit()", "SIGTERM"])("ends with its kernel: %s", async (how) => {
    const mortal = await TestKernel.start();
    try {
      const { output } = await mortal.execute(
        `import { exec, spawn } from "node:child_process";
        console.log(spawn("sleep", ["64"]).pid);
        exec("(sleep 64 & echo $!)").stdout!.pipe(process.stdout);
        spawn("sh", ["-c", "trap '' TERM INT HUP; echo $$; sleep 64; sleep 64"]).stdout.pipe(process.stdout);
        console.log(spawn("sleep", ["64"], { detached: true }).pid);
        await new Promise((resolve) => setTimeout(resolve, 500)); undefined`,
      );
      const pids = printed(output).trim().split("\n").map(Number);
      const detached = pids.find(
        (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[4] === String(pid),
      ) as number;
      const exited = new Promise((resolve) => mortal.process.once("exit", resolve));
      if (how === "shutdown_request") await mortal.shutdown();
      else if (how === "SIGTERM") mortal.process.kill("SIGTERM");
      else mortal.begin("process.exit()");
      await exited;
      for (const pid of pids) if (pid !== detached) expect(await ended(pid)).toBeLessThan(1000);
      expect(pids).toHaveLength(4);
      expect(isAlive(detached)).toBe(true);
      process.kill(detached);
    } finally {
      mortal.dispose();
    }
  });
});

test("a cell that freezes Error can be interrupted all the same", async () => {
  const frozen = await TestKernel.start();
  try {
    const id = frozen.begin('Object.freeze(Error); console.log("on"); await null; for (;;);');
    await frozen.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    await frozen.request("control", "interrupt_request", {});
    expect((await frozen.ended(id)).reply.content.ename).toBe("Interrupted");
    expect((await frozen.execute("1")).reply.content.status).toBe("ok");
  } finally {
    frozen.dispose();
  }
});

test.runIf(process.platform === "linux")(
  "a deleted working directory is told as what it is, with a way out",
  async () => {
    const homeless = await TestKernel.start();
    try {
      const folder = dirname(homeless.connectionFile);
      await homeless.execute(`process.env.GLMLAB_RUNTIME_DIR = ${JSON.stringify(`${folder}-runtime`)}; undefined`);
      rmSync(folder, { recursive: true });
      const { reply } = await homeless.execute("%model tiny");
      expect(reply.content.ename).toBe("GlmError");
      expect(reply.content.evalue).toMatch(
        new RegExp(`working directory .*${folder}, was deleted: .*process\\.chdir\\(\\)`),
      );
      expect(reply.content.evalue).not.toMatch(/memory|killed/);
      const { output } = await homeless.execute('process.chdir("/");\n%runtime stop');
      expect(printed(output)).not.toBe("");
    } finally {
      homeless.dispose();
      rmSync(`${dirname(homeless.connectionFile)}-runtime`, { recursive: true, force: true });
    }
  },
);
