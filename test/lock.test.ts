/** @file The lock has one live holder, whoever dies and however many want it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ensureBuilt } from "../scripts/build.ts";
import { lockHolder, releaseLock, takeLock, tryLock } from "../src/lock.ts";
import { killAll, run } from "./engine/process.ts";

let folder: string;
beforeAll(async () => await ensureBuilt(), 120_000);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "glm-lock-"));
});
afterEach(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

describe("the lock", { timeout: 120_000 }, () => {
  it("is taken by one of many who come at once, again and again after its holder was killed", async () => {
    let last = 0;
    for (let round = 0; round < 3; round++) {
      const contenders = Array.from({ length: 6 }, () => run("lock", [folder]));
      const answers = await Promise.all(contenders.map((one) => one.next()));
      const winners = answers.flatMap((answer) => ("taken" in answer ? [answer.taken] : []));
      expect(winners).toHaveLength(1);
      expect(new Set(answers.flatMap((answer) => ("held" in answer ? [answer.held] : [])))).toEqual(new Set(winners));
      expect(lockHolder(folder)?.pid).toBe(winners[0]);
      expect(winners[0]).not.toBe(last);
      last = winners[0] as number;
      killAll();
      await Promise.all(contenders.map((one) => one.ended));
      expect(lockHolder(folder)).toBeUndefined();
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("lock."))).toEqual(["lock.3"]);
  });

  it("can be given back, and then is another's", async () => {
    expect(takeLock(folder)).toBeUndefined();
    releaseLock(folder);
    expect(lockHolder(folder)).toBeUndefined();
    const other = run("lock", [folder]);
    expect(await other.next()).toEqual({ taken: other.child.pid });
    // What is another's stays.
    releaseLock(folder);
    expect(lockHolder(folder)?.pid).toBe(other.child.pid);
    expect(takeLock(folder)?.pid).toBe(other.child.pid);
  });

  it("of a dead process, of one whose number was given again, or damaged, is free", () => {
    writeFileSync(join(folder, "lock.4"), JSON.stringify({ pid: 2 ** 22 + 1, started: "long ago" }));
    expect(lockHolder(folder)).toBeUndefined();
    expect(takeLock(folder)).toBeUndefined();
    expect(lockHolder(folder)?.pid).toBe(process.pid);
    // The same number, another process.
    writeFileSync(join(folder, "lock.6"), JSON.stringify({ pid: process.pid, started: "long ago" }));
    expect(lockHolder(folder)).toBeUndefined();
    writeFileSync(join(folder, "lock.7"), "{");
    expect(takeLock(folder)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(["lock.8"]);
    expect(takeLock(folder)?.pid).toBe(process.pid);
  });
});

describe("a turn", () => {
  it("is had by one, in the same process, too, until it is over or its holder has been silent", () => {
    const first = tryLock(folder);
    expect(first).toBeDefined();
    expect(tryLock(folder)).toBeUndefined();
    first?.end();
    const second = tryLock(folder);
    expect(second).toBeDefined();
    // Ended twice, as by an interrupt and by what it interrupts: somebody else's turn goes on.
    first?.end();
    expect(tryLock(folder)).toBeUndefined();
    const [held] = readdirSync(folder).filter((name) => name.startsWith("lock."));
    utimesSync(join(folder, held as string), new Date(), new Date(Date.now() - 60_000));
    const third = tryLock(folder);
    expect(third).toBeDefined();
    second?.end();
    expect(tryLock(folder)).toBeUndefined();
    third?.end();
  });

  it("of a dead process is over, and of one on another machine only when it has been silent", () => {
    tryLock(folder)?.end();
    const self = JSON.parse(readFileSync(join(folder, "lock.1"), "utf8")) as object;
    const dead = { ...self, pid: 2 ** 22 + 1 };
    writeFileSync(join(folder, "lock.2"), JSON.stringify(dead));
    const here = tryLock(folder);
    expect(here?.afterDeath).toBe(true);
    here?.end();
    const elsewhere = join(folder, "lock.4");
    writeFileSync(elsewhere, JSON.stringify({ ...dead, host: "another" }));
    expect(tryLock(folder)).toBeUndefined();
    utimesSync(elsewhere, new Date(), new Date(Date.now() - 60_000));
    const there = tryLock(folder);
    // It may still live, and what it has left aside may be in use.
    expect(there?.afterDeath).toBe(false);
    there?.end();
  });

  it("goes on while it is heard of, whatever this machine's clock says", () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
    try {
      const turn = tryLock(folder);
      const [held] = readdirSync(folder) as [string];
      const ago = new Date(statSync(join(folder, held)).mtimeMs - 60_000);
      utimesSync(join(folder, held), ago, ago);
      vi.advanceTimersByTime(3000);
      vi.setSystemTime(Date.now() + 3600_000);
      expect(tryLock(folder)).toBeUndefined();
      vi.setSystemTime(Date.now() - 7200_000);
      vi.advanceTimersByTime(3000);
      expect(tryLock(folder)).toBeUndefined();
      expect((JSON.parse(readFileSync(join(folder, held), "utf8")) as { pid: number }).pid).toBe(process.pid);
      turn?.end();
    } finally {
      vi.useRealTimers();
    }
  });

  it("of a thread that was ended is taken over at once, though its process lives", async ({ skip }) => {
    skip(process.platform !== "linux", "only Linux tells which threads there are");
    const code =
      "import(workerData.lock).then(({ tryLock }) => parentPort.postMessage(tryLock(workerData.folder) !== undefined))";
    const lock = new URL("../dist/src/lock.js", import.meta.url).href;
    const start = `const { workerData, parentPort } = require("node:worker_threads"); parentPort.ref(); ${code}`;
    const worker = new Worker(start, { eval: true, workerData: { lock, folder }, execArgv: [] });
    expect(await once(worker, "message")).toEqual([true]);
    expect(tryLock(folder)).toBeUndefined();
    await worker.terminate();
    const turn = tryLock(folder);
    expect(turn?.afterDeath).toBe(true);
    turn?.end();
  });

  it("is kept by a process in another container, whose number says nothing here", async ({ skip }) => {
    const container = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    skip(spawnSync("unshare", [...container, "true"]).status !== 0, "needs the right to make a namespace of processes");
    const script = fileURLToPath(new URL("./engine/processes/turn.mjs", import.meta.url));
    const other = spawn("unshare", [...container, process.execPath, script, folder], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      const [line] = (await once(other.stdout, "data")) as [Buffer];
      expect(JSON.parse(line.toString())).toEqual({ taken: true });
      expect(tryLock(folder)).toBeUndefined();
      other.stdin.end();
      await once(other, "close");
      const turn = tryLock(folder);
      expect(turn).toBeDefined();
      turn?.end();
    } finally {
      other.kill("SIGKILL");
    }
  });
});
