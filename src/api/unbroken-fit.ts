/** @file Training that goes on where its runtime is lost: in the next one, from its last checkpoint. */
import type { Engine, Streams } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { FitEvent } from "../train/trainer.ts";

/**
 * The events of the stream `fit`. When the runtime was lost, a further "start" event tells from which step it goes on; steps that were
 * told already and are not in its checkpoint are taken and told again, with the same losses.
 * @throws GlmError "runtime-lost" when it is lost again before it came further
 */
export async function* unbrokenFit(
  engine: Engine,
  params: Streams["fit"]["params"],
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<FitEvent, void, void> {
  /** The last step and the last epoch that were told, and the step after which it was lost before. */
  const told = { step: 0, epoch: 0 };
  let lostAt = -1;
  for (let resume = params.resume === true; ; resume = true) {
    /** Whether what comes may have been told, and whether this try has begun. */
    let isAgain = lostAt >= 0;
    let hasBegun = false;
    try {
      for await (const event of engine.stream("fit", { ...params, ...(resume ? { resume } : {}) }, options)) {
        // Before, nothing is kept that could go on.
        if (event.type === "start") hasBegun = true;
        // Steps from the checkpoint on are taken again, and told.
        if (event.type === "start" && isAgain) told.step = Math.min(told.step, event.from ?? 0);
        else if (isAgain && isTold(event, told)) continue;
        // What has no place among the steps says nothing of how far it is told.
        else if (event.type === "step") isAgain = false;
        if (event.type === "step") told.step = event.step;
        if (event.type === "epoch") told.epoch = event.epoch;
        yield event;
      }
      return;
    } catch (error) {
      // What is said of a loss before it began concerns its user.
      const isLost = hasBegun && error instanceof GlmError && error.code === "runtime-lost";
      if (!isLost || told.step <= lostAt) throw error;
      lostAt = told.step;
    }
  }
}

/** Whether an event that comes when a run goes on was told before. */
function isTold(event: FitEvent, { step, epoch }: { readonly step: number; readonly epoch: number }): boolean {
  if (event.type === "epoch") return event.epoch <= epoch;
  return "step" in event && event.step <= step;
}
