/** @file How runs of training stand, in words and as a table: for cells and for commands. */
import type { ChatGLM, RunInfo } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { renderTable } from "../render/table.ts";
import { duration } from "../render/text.ts";
import { asWord } from "../words.ts";

/** The last run of each adapter that is seen and has had one. */
export async function runsOf(model: ChatGLM): Promise<readonly RunInfo[]> {
  const names = (await model.adapters()).map(({ name }) => name);
  const runs = [...new Set(names)].map(async (name) => (await model.adapter(name)).run());
  return (await Promise.all(runs)).flatMap((run) => (run ? [run] : []));
}

/** @param begin what begins a run, for where there is none */
export function runsTable(runs: readonly RunInfo[], begin: string): ReturnType<typeof renderTable> {
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
    ...[{ title: "adapter", whole: true }, { title: "engine" }, { title: "state", whole: true }],
    { title: "step", align: "right" as const },
    ...[{ title: "begun", align: "right" as const }, { title: "goes on" }],
    { title: "metrics and checkpoints", whole: true },
  ];
  return renderTable({ columns, rows, empty: `No run of training yet: ${begin}.` });
}

const REMEDIES: Readonly<Record<RunInfo["state"], (again: string) => string>> = {
  running: () => "",
  done: () => "",
  stopped: (again) => ` ${again}`,
  interrupted: (again) => ` Whoever ran it was killed. ${again}`,
  failed: (again) => ` ${again}`,
  damaged: () => "",
};

/** A job is not taken up again, and what it has trained may have to be fetched. */
function remedyOf({ engine, name, state, taken, step }: RunInfo, again: string): string {
  if (engine === "local") return REMEDIES[state](again);
  if (state === "running") return "";
  if (taken === false) return ` %train attach ${asWord(name)} brings its values back.`;
  if (state === "done") return "";
  return step > 0 ? ` ${name} has its values. The same cell trains on from there.` : " It has trained nothing.";
}

/** @param again what goes on with a run that did not come to its end: a sentence */
export function stateOf(run: RunInfo, again: string): string {
  const { name, state, step, steps, why } = run;
  const at = state === "damaged" ? "" : ` after step ${step} of ${plural(steps, "step")}`;
  return `${name}: ${state}${at}${why === undefined ? "" : ` (${why.replace(/\.$/, "")})`}.${remedyOf(run, again)}`;
}
