import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { growFile, replaceFile, replaceFiles, textFile } from "../src/files.ts";
import { works } from "./works.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-files-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");

test("files are written and replaced, obsolete ones removed, others kept", async () => {
  const inner = join(folder, "a/b");
  await replaceFiles(inner, [textFile("x.txt", "one"), textFile("old-1", "old"), textFile("note", "keep")]);
  await replaceFiles(inner, [textFile("x.txt", "two")], (name) => name.startsWith("old") || name === "x.txt");
  expect((await readdir(inner)).sort()).toEqual(["note", "x.txt"]);
  expect(await read("a/b/x.txt")).toBe("two");
});

test("a failure while a file is made leaves every old file and no trace", async () => {
  await replaceFiles(folder, [textFile("a", "old a"), textFile("b", "old b")]);
  function* broken(): Generator<Uint8Array> {
    yield bytes("half");
    throw new Error("no more");
  }
  const files = [textFile("a", "new a"), { name: "b", bytes: 9, content: broken() }];
  await expect(replaceFiles(folder, files)).rejects.toThrow("no more");
  expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
  expect([await read("a"), await read("b")]).toEqual(["old a", "old b"]);
  await expect(replaceFiles(join(folder, "new/er"), [{ name: "b", bytes: 9, content: broken() }])).rejects.toThrow(
    "no more",
  );
  expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
});

test("a file in the way of a folder is a clear error", async () => {
  await writeFile(join(folder, "taken"), "");
  await expect(replaceFile(join(folder, "taken/x"), [bytes("x")], 1)).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(/taken.*expected a folder.*got a file.*Choose another/),
  });
  await mkdir(join(folder, "is-folder"));
  const files = [textFile("first", "x"), textFile("is-folder", "x")];
  await expect(replaceFiles(folder, files)).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(/is-folder.*expected a file there, got a folder.*unchanged/),
  });
  expect((await readdir(folder)).sort()).toEqual(["is-folder", "taken"]);
});

test("what a killed process left aside is cleared away, what is being written is not", async () => {
  const [old, fresh] = [".x.0123456789ab.part", ".y.ba9876543210.part"];
  for (const name of [old, fresh, "mine.part"]) await writeFile(join(folder, name), "half");
  const lastWeek = new Date(Date.now() - 7 * 24 * 3600 * 1000);
  for (const name of [old, "mine.part"]) await utimes(join(folder, name), lastWeek, lastWeek);
  await replaceFile(join(folder, "x"), [bytes("x")], 1);
  expect((await readdir(folder)).sort()).toEqual([fresh, "mine.part", "x"]);
  await writeFile(join(folder, old), "half");
  await utimes(join(folder, old), lastWeek, lastWeek);
  await growFile(join(folder, "x"), 3, async (file) => {
    expect(await readdir(folder)).not.toContain(old);
    await file.append(bytes("new"));
  });
  expect((await readdir(folder)).sort()).toEqual([fresh, "mine.part", "x"]);
});

/** Writes a megabyte over `file`, which must fail with a "disk" error that says `reason`, and change nothing. */
async function expectUnchanged(file: string, reason: RegExp): Promise<void> {
  const megabyte = { name: "big", bytes: 1e6, content: Array.from({ length: 10 }, () => new Uint8Array(1e5)) };
  const before = (await readdir(join(file, ".."))).sort();
  await expect(replaceFiles(join(file, ".."), [textFile("other", "x"), megabyte])).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(reason),
  });
  expect(await readFile(file, "utf8")).toBe("old");
  expect((await readdir(join(file, ".."))).sort()).toEqual(before);
}

test("a full disk leaves the old file", async ({ skip }) => {
  const small = join(folder, "small");
  await mkdir(small);
  skip(!works("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small), "needs the right to mount a disk of 64 kB");
  try {
    await replaceFile(join(small, "big"), [bytes("old")], 3);
    await expectUnchanged(
      join(small, "big"),
      /big was not written: the disk is full.*1.00 MB.*are free.*Free some space/,
    );
  } finally {
    works("umount", small);
  }
});

test("a limit on file sizes leaves the old file", async ({ skip }) => {
  await replaceFile(join(folder, "big"), [bytes("old")], 3);
  const limit = (bytes: string): boolean => works("prlimit", "--pid", String(process.pid), `--fsize=${bytes}:`);
  skip(!limit("500000"), "needs prlimit");
  try {
    await expectUnchanged(join(folder, "big"), /does not allow files this large \(1.00 MB\).*ulimit/);
  } finally {
    limit("unlimited");
  }
});
