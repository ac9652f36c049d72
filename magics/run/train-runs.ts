/** @file What %train attach, stop and runs do: runs of training, watched and ended from any notebook that sees their adapter. */
import type { ChatGLM, RunInfo } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { isInterrupt } from "../interrupt.ts";
import { show, write } from "../live.ts";
import { renderTable } from "../render/table.ts";
import { duration } from "../render/text.ts";
import { currentModel } from "../session.ts";
import { asWord } from "../words.ts";
import type { OfModel } from "./chat.ts";
import { TrainingView } from "./training-view.ts";

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
  write(`${stateOf(run)}\n`);
  return run;
}

/** Ends an adapter's run after its step, which is kept. */
export async function trainStop(name: string, { model: given }: OfModel = {}): Promise<RunInfo> {
  const run = await (await currentModel(given).adapter(name)).stopFit();
  write(`${stateOf(run)}\n`);
  return run;
}

/** Shows and returns the runs of all adapters that this notebook sees. */
export async function trainRuns({ model: given }: OfModel = {}): Promise<readonly RunInfo[]> {
  const runs = await runsOf(currentModel(given));
  const rows = runs.map((run) => [
    run.name,
    run.engine,
    run.taken === false && run.state !== "running" ? `${run.state}, not brought back` : run.state,
    run.state === "damaged" ? "" : `${run.step}/${run.steps}`,
    run.started === 0 ? "" : `${duration((Date.now() - run.started) / 1000)} ago`,
    run.detached && (run.state === "running" || run.state === "interrupted") ? "by itself" : "",
    run.folder,
  ]);
  const columns = [
    ...[
      { title: "adapter" },
      { title: "engine" },
      { title: "state", whole: true },
      { title: "step", align: "right" as const },
    ],
    ...[
      { title: "begun", align: "right" as const },
      { title: "goes on" },
      { title: "metrics and checkpoints", whole: true },
    ],
  ];
  show(renderTable({ columns, rows, empty: "No run of training yet: %%train NAME." }));
  return runs;
}

async function runsOf(model: ChatGLM): Promise<readonly RunInfo[]> {
  const names = (await model.adapters()).map(({ name }) => name);
  const runs = [...new Set(names)].map(async (name) => (await model.adapter(name)).run());
  return (await Promise.all(runs)).flatMap((run) => (run ? [run] : []));
}

const RESUMED = " The same cell with --resume goes on from there.";
const REMEDIES: Readonly<Record<RunInfo["state"], string>> = {
  running: "",
  done: "",
  stopped: RESUMED,
  interrupted: ` Whoever ran it was killed.${RESUMED}`,
  failed: RESUMED,
  damaged: "",
};

/** A job is not taken up again, and what it has trained may have to be fetched. */
function remedyOf({ engine, name, state, taken, step }: RunInfo): string {
  if (engine === "local") return REMEDIES[state];
  if (state === "running") return "";
  if (taken === false) return ` %train attach ${asWord(name)} brings its values back.`;
  if (state === "done") return "";
  return step > 0 ? ` ${name} has its values. The same cell trains on from there.` : " It has trained nothing.";
}

function stateOf(run: RunInfo): string {
  const { name, state, step, steps, why } = run;
  const at = state === "damaged" ? "" : ` after step ${step} of ${plural(steps, "step")}`;
  return `${name}: ${state}${at}${why === undefined ? "" : ` (${why.replace(/\.$/, "")})`}.${remedyOf(run)}`;
}
