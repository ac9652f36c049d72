/** @file Several processes that fetch one model: one of them does, whoever dies. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt } from "../../scripts/build.ts";
import { killAll, type Running, run } from "../engine/process.ts";
import { ID, needed, published, useBench } from "./fixture.ts";

const bench = useBench();
const FIRST = "model-00001-of-00002.safetensors";
beforeAll(async () => await ensureBuilt(), 120_000);
afterEach(killAll);

const start = (): Running => run("fetch", [ID], { ...bench().env, HF_HUB_OFFLINE: "", HF_HUB_CACHE: "" });

/** Reads on until it has the model. */
async function folderOf(process: Running): Promise<string> {
  for (;;) {
    const { folder } = await process.next();
    if (folder !== undefined) return folder as string;
  }
}

async function untilStage(process: Running, stage: string): Promise<void> {
  while ((await process.next()).stage !== stage);
}

function expectWhole(folder: string): void {
  for (const name of needed)
    expect(readFileSync(join(folder, name)).equals(published.files[name] as Buffer)).toBe(true);
}

describe("several processes", { timeout: 60_000 }, () => {
  it("that want one model fetch each file once", async () => {
    bench().hub.faults.push({ path: FIRST, slow: 10 });
    const folders = await Promise.all([start(), start(), start()].map(folderOf));
    expect(new Set(folders).size).toBe(1);
    expectWhole(folders[0] as string);
    expect([...bench().hub.fetched].sort()).toEqual([...needed].sort());
  });

  it("go on with what one of them had when it was killed", async () => {
    const { hub } = bench();
    hub.faults.push({ path: FIRST, slow: 50 });
    const first = start();
    await untilStage(first, "downloading");
    const second = start();
    await untilStage(second, "waiting for another download of it");
    first.child.kill("SIGKILL");
    expectWhole(await folderOf(second));
    expect(hub.fetched.filter((name) => name.startsWith(`${FIRST} from `))).toHaveLength(1);
  });
});
