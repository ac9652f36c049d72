/** @file A log to which is added: what a failed try has written in part is written over. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LogFile } from "../../src/engine/runs/log-file.ts";
import { ownHome } from "../home.ts";

const home = ownHome();
const bytes = (text: string): Uint8Array => Buffer.from(text);

it("is added to, and a half line of a try that failed is gone with the next", async () => {
  const path = join(home, "log.jsonl");
  const log = await LogFile.begin(path, bytes("one\n"));
  await log.append(bytes("two\n"));
  // As a full disk leaves it.
  appendFileSync(path, "thr");
  await log.append(bytes("three\n"));
  await log.append(bytes(""));
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\nthree\n");
});

it("that cannot be written says so, and can be tried again", async () => {
  const path = join(home, "gone.jsonl");
  const log = await LogFile.begin(path, bytes("one\n"));
  rmSync(path);
  await expect(log.append(bytes("two\n"))).rejects.toMatchObject({ code: "disk" });
  writeFileSync(path, "one\n");
  await log.append(bytes("two\n"));
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});
