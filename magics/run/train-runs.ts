/** @file What %train attach, stop and runs do: runs of training, watched and ended from any notebook that sees their adapter. */
import type { RunInfo } from "../../src/index.ts";
import { isInterrupt } from "../interrupt.ts";
import { show, write } from "../live.ts";
import { currentModel } from "../session.ts";
import { asWord } from "../words.ts";
import type { OfModel } from "./chat.ts";
import { type RunWords, runsOf, runsTable, stateOf } from "./run-state.ts";
import { TrainingView } from "./training-view.ts";

const WORDS: RunWords = { again: "The same cell", attach: (name) => `%train attach ${asWord(name)}` };

/** Shows an adapter's run from its start, and goes on showing it until it is over. To interrupt the cell does nothing to the run. */
export async function trainAttach(name: string, { model: given }: OfModel = {}): Promise<RunInfo> {
  const adapter = await currentModel(given).adapter(name);
  const view = new TrainingView(name);
  if ((await adapter.run())?.engine === "torchrun") view.startsJob();
  try {
    for await (const event of adapter.attach()) view.take(event);
  } catch (error) {
    view.stop("stopped");
    await view.picture();
    if (isInterrupt(error))
      write(`${name} trains on; only this cell has ended. %train stop ${asWord(name)} ends it.\n`, "stderr");
    throw error;
  }
  const run = (await adapter.run()) as RunInfo;
  if (run.state === "done") view.done();
  else view.stop("stopped");
  await view.picture();
  write(`${stateOf(run, WORDS)}\n`);
  return run;
}

/** Ends an adapter's run after its step, which is kept. */
export async function trainStop(name: string, { model: given }: OfModel = {}): Promise<RunInfo> {
  const run = await (await currentModel(given).adapter(name)).stopFit();
  write(`${stateOf(run, WORDS)}\n`);
  return run;
}

/** Shows and returns the runs of all adapters that this notebook sees. */
export async function trainRuns({ model: given }: OfModel = {}): Promise<readonly RunInfo[]> {
  const runs = await runsOf(currentModel(given));
  show(runsTable(runs, "%%train NAME"));
  return runs;
}
