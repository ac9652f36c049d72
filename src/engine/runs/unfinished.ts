/** @file How models were loaded whose adapters have runs of training that are to go on: what a new runtime loads by itself. */
import { join } from "node:path";
import { dataFolder } from "../../folders.ts";
import type { LoadParams } from "../engine.ts";
import { foldersIn, RunFolder, runFoldersIn } from "./run-folder.ts";

/**
 * Each way of loading once. Runs that cannot be read are passed over: whoever asks for their adapters is told.
 * @param folder below which adapters are kept, by model and owner
 */
export async function unfinishedLoads(folder: string = join(dataFolder(), "adapters")): Promise<readonly LoadParams[]> {
  const loads = new Map<string, LoadParams>();
  for (const model of await foldersIn(folder)) {
    for (const path of await runFoldersIn(model)) {
      const run = new RunFolder(path);
      const { state, detached } = (await run.record().catch(() => undefined)) ?? {};
      if (state !== "running" || !detached) continue;
      const input = await run.input().catch(() => undefined);
      if (input) loads.set(JSON.stringify(input.load), input.load);
    }
  }
  return [...loads.values()];
}
