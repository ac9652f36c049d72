/** @file How runs of training stand, in words and as a table: for cells and for commands. */
import type { ChatGLM, RunInfo } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { renderTable } from "../render/table.ts";
import { duration } from "../render/text.ts";

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
    ...[{ title: "step", align: "right" as const }, { title: "begun", align: "right" as const }, { title: "goes on" }],
    { title: "metrics and checkpoints", whole: true },
  ];
  return renderTable({ columns, rows, empty: `No run of training yet: ${begin}.` });
}

/** What remedies are called where they are read. */
export interface RunWords {
  /** What began the run, and begins one anew: "The same cell". */
  readonly again: string;
  /** What shows an adapter's run. */
  readonly attach: (name: string) => string;
}

/** In a sentence: what became of a run, after which step, and what goes on with one that did not come to its end. */
export function stateOf(run: RunInfo, words: RunWords): string {
  const { name, state, step, steps, why } = run;
  const at = state === "damaged" ? "" : ` after step ${step} of ${plural(steps, "step")}`;
  return `${name}: ${state}${at}${why === undefined ? "" : ` (${why.replace(/\.$/, "")})`}.${remedyOf(run, words)}`;
}

/** A job is not taken up again, and what it has trained may have to be fetched. */
function remedyOf({ engine, name, state, taken, step }: RunInfo, { again, attach }: RunWords): string {
  if (engine === "local") return resumed(state, again);
  if (state === "running") return "";
  if (taken === false) return ` ${attach(name)} brings its values back.`;
  if (state === "done") return "";
  return step > 0 ? ` ${name} has its values. ${again} trains on from there.` : " It has trained nothing.";
}

function resumed(state: RunInfo["state"], again: string): string {
  if (state === "running" || state === "done" || state === "damaged") return "";
  return `${state === "interrupted" ? " Whoever ran it was killed." : ""} ${again} with --resume goes on from there.`;
}
