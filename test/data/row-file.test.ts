/** @file Rows in files: many of a stream, or of memory, on their way to another process; read there, in whole or in part. */
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { dataset, storeOf } from "../../src/data/dataset.ts";
import type { Row } from "../../src/data/row.ts";
import { openRowFile, receivedRows, rowFile, sendable, storedRows } from "../../src/data/row-file.ts";
import { allRows, inMemory, part, type RowFile, toSend } from "../../src/data/row-store.ts";
import { replaceFiles } from "../../src/files.ts";
import { ownHome } from "../home.ts";

const home = ownHome();
const many: readonly Row[] = Array.from({ length: 300 }, (_, i) => ({ prompt: `问\n${i}`, response: `答 ${i}` }));
const PLACES = Uint32Array.of(299, 0, 7);
const spools = (): string => join(process.env.GLMLAB_CACHE ?? "", "rows");

async function* stream(): AsyncGenerator<Row> {
  yield* many;
}

it("rows of a stream are in a file when they are many, else in memory", async () => {
  const onDisk = await storedRows(stream(), 1000);
  expect(allRows(onDisk)).toEqual(many);
  expect(onDisk.file).toMatchObject({ rows: 300 });
  expect(readFileSync(onDisk.file?.path ?? "", "utf8").split("\n")).toHaveLength(301);
  const held = await storedRows(stream());
  expect(held.file).toBeUndefined();
  expect(allRows(held)).toEqual(many);
});

it("what the stream fails with is told, and no file is left", async () => {
  const before = existsSync(spools()) ? readdirSync(spools()) : [];
  async function* broken(): AsyncGenerator<Row> {
    yield* many;
    throw new Error("line 301 is broken");
  }
  await expect(storedRows(broken(), 1000)).rejects.toThrow("line 301 is broken");
  expect(readdirSync(spools())).toEqual(before);
});

it("another process reads the file, or the part of a part that was meant", async () => {
  const store = await storedRows(stream(), 1000);
  expect(allRows(await receivedRows(toSend(store)))).toEqual(many);
  const some = part(
    store,
    Uint32Array.from({ length: 300 }, (_, i) => 299 - i),
  );
  const sent = toSend(part(some, PLACES));
  expect(allRows(await receivedRows(sent))).toEqual([many[0], many[299], many[292]]);
  const split = dataset(many).split(0.1, 4);
  expect(allRows(part(inMemory(many), PLACES))).toEqual([many[299], many[0], many[7]]);
  expect(allRows(storeOf(split.validation))).toEqual(split.validation.rows);
});

it("rows in memory are sent as they are, unless they are too many for a message", async () => {
  const few = await sendable(inMemory(many));
  expect(toSend(few)).toEqual(many);
  const long = "长".repeat(2 ** 12);
  const large = Array.from({ length: 9000 }, (_, i): Row => ({ prompt: `${i}`, response: long }));
  const sent = await sendable(inMemory(large));
  expect(sent.file).toMatchObject({ rows: 9000 });
  expect((await receivedRows(toSend(sent))).at(8999)).toEqual({ prompt: "8999", response: long });
});

it("a file that is not what was said is refused by name", async () => {
  const { file } = await storedRows(stream(), 1000);
  const { path } = file as RowFile;
  await expect(receivedRows({ path, rows: 299 })).rejects.toThrow(`${path}: expected a file of 299 rows, got 300.`);
  await expect(receivedRows({ path, rows: 300, only: Uint32Array.of(300) })).rejects.toThrow(/expected a file of 300/);
  await expect(receivedRows({ path: join(home, "none"), rows: 1 })).rejects.toMatchObject({
    code: "data-invalid",
    message: expect.stringMatching(/none: expected a file of rows, but it cannot be read \(ENOENT/),
  });
  const broken = join(home, "broken.jsonl");
  writeFileSync(broken, '{"prompt":"a","response":"b"}\n{"prompt":\n');
  const store = await openRowFile(broken);
  expect(store.at(0)).toEqual({ prompt: "a", response: "b" });
  expect(() => store.at(1)).toThrow(`${broken}: row 2 cannot be read`);
});

it("a file of rows is written from any store", async () => {
  await replaceFiles(home, [rowFile("copy.jsonl", part(await storedRows(stream(), 1000), PLACES))]);
  expect(allRows(await openRowFile(join(home, "copy.jsonl")))).toEqual([many[299], many[0], many[7]]);
});

it("what a process left that was killed is removed, and nothing that is used", async () => {
  const used = await storedRows(stream(), 1000);
  const abandoned = join(spools(), "abandoned");
  const fresh = join(spools(), "fresh");
  for (const folder of [abandoned, fresh]) mkdirSync(folder);
  writeFileSync(join(abandoned, "rows.jsonl"), "{}\n");
  utimesSync(abandoned, new Date(0), new Date(0));
  const other = await storedRows(stream(), 1000);
  expect(existsSync(abandoned)).toBe(false);
  expect(existsSync(fresh)).toBe(true);
  expect([used, other].map((store) => existsSync(store.file?.path ?? ""))).toEqual([true, true]);
});
