/** @file `glmlab train attach`, `stop` and `runs`: runs of training that go by themselves, watched and ended from any terminal. */
import { isInterrupt } from "../../magics/interrupt.ts";
import { runsOf, runsTable, stateOf } from "../../magics/run/run-state.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterHandle, RunInfo } from "../../src/index.ts";
import type { Command, Values } from "./command.ts";
import { InterruptedError } from "./interrupts.ts";
import { inRuntime, RUNTIME_OPTIONS, type Workplace, withModel, word } from "./loading.ts";
import { TrainLog } from "./train-log.ts";
import { LOG_EVERY, mustBeSavable, type RunCommandLines, runCommandLines, SAVE_OPTIONS, saved } from "./train-run.ts";

const AGAIN = "The command that began it (without --new)";

export const attach: Command = {
  options: { ...SAVE_OPTIONS, ...LOG_EVERY, ...RUNTIME_OPTIONS },
  words: 2,
  more: [
    "The model is named with the same options as when the run began. Ctrl-C ends the watching, and not the run.",
    "Exit codes: 0 the run is done, 1 it was stopped or has failed, 2 not understood, 130 interrupted.",
  ],
  run: (values, words) => withRun("attach", values, words, watched),
};

export const stop: Command = {
  options: { ...SAVE_OPTIONS, ...RUNTIME_OPTIONS },
  words: 2,
  more: ["The step that runs is finished and kept. The model is named with the same options as when the run began."],
  run: (values, words) =>
    withRun("stop", values, words, async ({ adapter, attach, values: asked }) => {
      console.log(stateOf(await adapter.stopFit(), { again: AGAIN, attach: () => attach }));
      await saved(adapter, asked);
      return 0;
    }),
};

export const runs: Command = {
  options: RUNTIME_OPTIONS,
  words: 1,
  more: ["Runs of any adapter of the command line, and of shared ones: those that go by themselves, and others."],
  run(values, words) {
    const model = word("glmlab train runs", words, 0, "a MODEL");
    return withModel(model, inRuntime("glmlab train runs", values), async (place) => {
      const found = await runsOf(place.model);
      console.log(String(runsTable(found, "glmlab train MODEL DATA --adapter NAME --detach")["text/plain"]));
      return 0;
    });
  },
};

/** The run of an adapter, and what is asked about it. */
interface Asked extends RunCommandLines {
  readonly place: Workplace;
  readonly adapter: AdapterHandle;
  readonly values: Values;
}

async function withRun(
  action: "attach" | "stop",
  given: Values,
  words: readonly string[],
  work: (asked: Asked) => Promise<number>,
): Promise<number> {
  const subject = `glmlab train ${action}`;
  const model = word(subject, words, 0, "a MODEL and the NAME of an adapter, got nothing");
  const name = word(subject, words, 1, "the NAME of an adapter after the model");
  const values = inRuntime(subject, given);
  await mustBeSavable(subject, name, values);
  return withModel(model, values, async (place) => {
    const adapter = await place.model.adapter(name);
    return work({ place, adapter, values, ...(await runCommandLines(model, name, values)) });
  });
}

async function watched({ place: { interrupts }, adapter, values, attach, stop }: Asked): Promise<number> {
  const log = new TrainLog(adapter.name, values["log-every"] as number | undefined, { isWhole: true });
  try {
    for await (const event of adapter.attach()) log.take(event);
  } catch (error) {
    log.end("stopped");
    if (interrupts.isInterrupted && isInterrupt(error)) {
      console.error(`${adapter.name} trains on; only this view of it has ended. To end it: ${stop}`);
      throw new InterruptedError(interrupts.status);
    }
    // Somebody has ended it: how it stands says the same, and what goes on with it.
    if (!(error instanceof GlmError && error.code === "training-stopped")) throw error;
  }
  const run = (await adapter.run()) as RunInfo;
  const isDone = run.state === "done";
  log.end(isDone ? "done" : "stopped");
  if (isDone) console.log(`${adapter.name}: ${log.summary({ validateEvery: 1, monitor: "score" })}`);
  else console.error(stateOf(run, { again: AGAIN, attach: () => attach }));
  if (run.step > 0) await saved(adapter, values);
  return isDone ? 0 : 1;
}
