/** @file Data sets of a hub: which files of them are taken, where they are kept, and read as rows. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readRows } from "../../src/data/read-files.ts";
import { COMMIT, useBench } from "./fixture.ts";

const bench = useBench();
const own = { ...process.env };
beforeEach(() => {
  for (const name of ["HF_HUB_OFFLINE", "HF_HUB_CACHE"]) delete process.env[name];
  Object.assign(process.env, bench().env);
});
afterEach(() => {
  process.env = { ...own };
});

const row = (n: number) => ({ prompt: `q${n}`, response: `a${n}` });
const line = (n: number): Buffer => Buffer.from(`${JSON.stringify(row(n))}\n`);
const ID = "datasets/someone/facts";

it("files to train on are fetched once, into the cache that Python's library uses, and read", async () => {
  const { hub, home } = bench();
  const large = Buffer.concat(Array.from({ length: 500 }, (_, i) => line(i)));
  hub.repos.set(ID, {
    commit: COMMIT,
    files: {
      "README.md": Buffer.from("# facts"),
      "data/train-00000-of-00002.jsonl": large,
      "data/train-00001-of-00002.jsonl": line(500),
      "data/test-00000-of-00001.jsonl": line(501),
    },
  });
  const expected = Array.from({ length: 501 }, (_, i) => row(i));
  expect(await readRows("hub:someone/facts")).toEqual(expected);
  expect([...hub.fetched].sort()).toEqual(["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"]);
  const kept = `${home}/hf/hub/datasets--someone--facts/snapshots/${COMMIT}/data/train-00001-of-00002.jsonl`;
  expect(readFileSync(kept)).toEqual(line(500));
  hub.forget();
  expect(await readRows("hub:someone/facts")).toEqual(expected);
  expect(hub.fetched).toEqual([]);
  expect(await readRows("hub:someone/facts/data/test-00000-of-00001.jsonl")).toEqual([row(501)]);
  expect(await readRows("hub:someone/facts@main/data")).toHaveLength(502);
  process.env.HF_HUB_OFFLINE = "1";
  hub.forget();
  expect(await readRows("hub:someone/facts")).toEqual(expected);
  expect(hub.seen).toEqual([]);
});

it("Parquet", async () => {
  const content = readFileSync(new URL("../fixtures/data/snappy.parquet", import.meta.url));
  bench().hub.repos.set(ID, { commit: COMMIT, files: { "data/train.parquet": content } });
  const rows = await readRows("hub:someone/facts", { columns: { prompt: "query", response: "answer" } });
  expect(rows.map(({ prompt }) => prompt)).toEqual(["问题一", "q2", "q3"]);
});

it("what is not there, or could be several, says so", async () => {
  const { hub } = bench();
  const files = { "zh/train.jsonl": line(1), "en/train.jsonl": line(2), "../../evil/train.jsonl": line(3) };
  hub.repos.set(ID, { commit: COMMIT, files });
  await expect(readRows("hub:someone/facts")).rejects.toThrow(
    /found several: en, zh\. Name one: hub:someone\/facts\/en/,
  );
  expect(await readRows("hub:someone/facts/zh")).toEqual([row(1)]);
  hub.repos.set(ID, { commit: COMMIT, files: { "README.md": line(1) } });
  await expect(readRows("hub:someone/facts")).rejects.toThrow(/expected files of JSON.*found README\.md/);
  await expect(readRows("hub:someone/nothing")).rejects.toMatchObject({
    code: "data-invalid",
    message: expect.stringMatching(/has no such data set/),
  });
  await expect(readRows("hub:someone")).rejects.toThrow(/expected hub:OWNER\/NAME/);
});
