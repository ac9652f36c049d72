/** @file How models were loaded whose adapters have runs of training that are to go on: what a new runtime loads by itself. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { dataFolder } from "../../folders.ts";
import type { LoadParams } from "../engine.ts";
import { isRunFolder } from "../kept-name.ts";
import { RunFolder } from "./run-folder.ts";

/**
 * Each way of loading once. Runs that cannot be read are passed over: whoever asks for their adapters is told.
 * @param folder below which adapters are kept, by model and owner
 */
export async function unfinishedLoads(folder: string = join(dataFolder(), "adapters")): Promise<readonly LoadParams[]> {
  const loads = new Map<string, LoadParams>();
  for (const model of await namesIn(folder)) {
    for (const owner of await namesIn(join(folder, model))) {
      for (const name of (await namesIn(join(folder, model, owner))).filter(isRunFolder)) {
        const run = new RunFolder(join(folder, model, owner, name));
        const { state, detached } = (await run.record().catch(() => undefined)) ?? {};
        if (state !== "running" || !detached) continue;
        const input = await run.input().catch(() => undefined);
        if (input) loads.set(JSON.stringify(input.load), input.load);
      }
    }
  }
  return [...loads.values()];
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
