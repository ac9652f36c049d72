/** @file Turns on a disk that knows no hard links, as exFAT and some network folders: there, making a link fails. */
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { takeLock, tryLock } from "../src/lock.ts";

vi.mock("node:fs", async (original) => ({
  ...(await original<typeof import("node:fs")>()),
  linkSync() {
    throw Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM" });
  },
}));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "glm-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("a turn is had by one, there, too", () => {
  const first = tryLock(folder);
  expect(first).toBeDefined();
  expect(tryLock(folder)).toBeUndefined();
  first?.end();
  const second = tryLock(folder);
  expect(second).toBeDefined();
  expect(tryLock(folder)).toBeUndefined();
  second?.end();
  expect(readdirSync(folder)).toEqual(["lock.2"]);
});

it("one whose file has no content yet is held, unless nothing comes of it", () => {
  writeFileSync(join(folder, "lock.7"), "");
  expect(tryLock(folder)).toBeUndefined();
  const ago = new Date(Date.now() - 60_000);
  utimesSync(join(folder, "lock.7"), ago, ago);
  const turn = tryLock(folder);
  expect(turn).toBeDefined();
  turn?.end();
});

it("a process's lock asks for links, without which two could hold it", () => {
  expect(() => takeLock(folder)).toThrow("EPERM");
  expect(readdirSync(folder)).toEqual([]);
});
