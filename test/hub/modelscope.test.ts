/** @file Models from ModelScope: its listing, its caches old and new, and files that are there already. */
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tryLock } from "../../src/lock.ts";
import { type Bench, bytes, ID, needed, published, useBench } from "./fixture.ts";

const bench = useBench();
const FIRST = "model-00001-of-00002.safetensors";
const from = { from: "modelscope" } as const;

function expectWhole(folder: string): void {
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  expect(names.sort()).toEqual([...needed].sort());
  for (const name of needed)
    expect(readFileSync(join(folder, name)).equals(published.files[name] as Buffer)).toBe(true);
}

/** Lays files down as Python's library of an earlier version does. */
function lay(folder: string, names: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(join(folder, name), published.files[name] as Buffer);
}

describe("ModelScope", () => {
  it("gives a model into its library's cache, what is needed and once", async () => {
    const b: Bench = bench();
    const folder = await b.fetch(ID, from);
    expect(folder).toBe(join(b.home, "ms", "models", "someone--some-model.v2", "snapshots", "master"));
    expectWhole(folder);
    expect([...b.hub.fetched].sort()).toEqual([...needed].sort());
    b.hub.forget();
    expect(await b.fetch(ID, from)).toBe(folder);
    expect(b.hub.fetched).toEqual([]);
    b.hub.forget();
    expect(await b.fetch(ID, { ...from, env: { HF_HUB_OFFLINE: "1" } })).toBe(folder);
    expect(b.hub.seen).toEqual([]);
  });

  it("keeps revisions apart", async () => {
    const b = bench();
    b.hub.repos.set(ID, { ...published, revisions: ["v1.0.0"] });
    expect(await b.fetch(ID, { ...from, revision: "v1.0.0" })).toMatch(/snapshots.v1\.0\.0$/);
    await expect(b.fetch(ID, { ...from, revision: "v9" })).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringContaining('no version "v9"'),
    });
  });

  it("does not take an old folder of one version for another", async () => {
    const b = bench();
    b.hub.repos.set(ID, { ...published, revisions: ["v1.0.0", "v2.0.0"] });
    const folder = join(b.home, "ms", "hub", "models", "someone", "some-model___v2");
    lay(folder, needed);
    writeFileSync(join(folder, ".mv"), "Revision:v1.0.0,CreatedAt:1700000000");
    const offline = { ...from, env: { HF_HUB_OFFLINE: "1" } };
    expect(await b.fetch(ID, { ...offline, revision: "v1.0.0" })).toBe(folder);
    await expect(b.fetch(ID, { ...offline, revision: "v2.0.0" })).rejects.toMatchObject({ code: "model-not-found" });
    expect(await b.fetch(ID, { ...from, revision: "v2.0.0" })).toMatch(/snapshots.v2\.0\.0$/);
  });

  it.each([
    ["models/someone/some-model___v2"],
    ["hub/models/someone/some-model___v2"],
    ["hub/someone/some-model___v2"],
    ["someone/some-model___v2"],
    ["models/someone/some-model.v2"],
  ])("finds what earlier versions of its library left in %s", async (place) => {
    const b = bench();
    const folder = join(b.home, "ms", place);
    lay(folder, needed);
    expect(await b.fetch(ID, { ...from, env: { HF_HUB_OFFLINE: "1" } })).toBe(folder);
    expect(await b.fetch(ID, from)).toBe(folder);
    expect(b.hub.fetched).toEqual([]);
  });

  it("replaces what is not as the hub has it, and reads through large files once only", async () => {
    const b = bench();
    const folder = join(b.home, "ms", "hub", "models", "someone", "some-model___v2");
    lay(folder, needed);
    const second = join(folder, "model-00002-of-00002.safetensors");
    utimesSync(second, 1e9, 1e9);
    // The right size is not enough.
    writeFileSync(join(folder, FIRST), bytes(300_000, 8));
    expect(await b.fetch(ID, from)).toBe(folder);
    expect(b.hub.fetched).toEqual([FIRST]);
    expectWhole(folder);
    // What was checked is known by its time: a file that is changed behind our back, time and all, is believed.
    writeFileSync(second, bytes(200_001, 8));
    utimesSync(second, 1e9, 1e9);
    b.hub.forget();
    await b.fetch(ID, from);
    expect(b.hub.fetched).toEqual([]);
    utimesSync(second, 1e9 + 1, 1e9 + 1);
    await b.fetch(ID, from);
    expect(b.hub.fetched).toEqual(["model-00002-of-00002.safetensors"]);
  });

  it("tells how far it has read large files through, one process at a time", async () => {
    const b = bench();
    const folder = join(b.home, "ms", "models", "someone--some-model.v2", "snapshots", "master");
    lay(folder, needed);
    const told: [string, number, number][] = [];
    const turns = join(folder, ".glmlab-locks");
    mkdirSync(turns);
    const other = tryLock(turns);
    const fetching = b.fetch(ID, {
      ...from,
      onProgress: (...progress) => {
        told.push(progress);
        if (progress[0].startsWith("waiting")) other?.end();
      },
    });
    expect(await fetching).toBe(folder);
    const stages = told.map(([stage]) => stage);
    expect(stages.filter((stage, at) => stage !== stages[at - 1])).toEqual([
      ...["asking the hub", "waiting for another download of it", "checking files"],
    ]);
    const weights = 300_000 + 200_001;
    expect(told.at(-1)).toEqual(["checking files", weights, weights]);
    expect(b.hub.fetched).toEqual([]);
  });

  it("goes on where a download broke off, and refuses wrong content", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, cutAfter: 100_000 }, { path: "config.json", corrupt: true });
    expectWhole(await b.fetch(ID, from));
    expect(b.hub.fetched.some((name) => name.startsWith(`${FIRST} from `))).toBe(true);
    const other = { ...from, revision: "v1" };
    b.hub.repos.set(ID, { ...published, revisions: ["v1"] });
    b.hub.faults.push({ path: FIRST, corrupt: true }, { path: FIRST, corrupt: true });
    await expect(b.fetch(ID, other)).rejects.toMatchObject({ code: "download-corrupt" });
    const folder = join(b.home, "ms", "models", "someone--some-model.v2", "snapshots", "v1");
    expect(readdirSync(folder).filter((name) => name.includes(FIRST))).toEqual([]);
  });

  it("says what is missing: the model, or a token", async () => {
    const b = bench();
    await expect(b.fetch("ZhipuAI/chatglm4-6b", from)).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringMatching(/MODELSCOPE_API_TOKEN.*Did you mean ZhipuAI\/chatglm-6b/),
    });
    b.hub.repos.set(ID, { ...published, gated: true });
    await expect(b.fetch(ID, from)).rejects.toMatchObject({ code: "hub-denied" });
    expectWhole(await b.fetch(ID, { ...from, env: { MODELSCOPE_API_TOKEN: "secret" } }));
  });
});
