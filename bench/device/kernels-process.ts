/** @file The process whose log kernels.ts reads: it says on stderr what the kernels are for that are started from there on. */
import { writeSync } from "node:fs";
import { WebGpu } from "../../src/backend/webgpu.ts";
import { generate } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { bindStore } from "../../src/quantization/weight-store.ts";
import { countedCases, type KernelCase, marker, NOTHING_COUNTED, type Work } from "./kernel-cases.ts";
import { exitWhenTold, scratchFiles } from "./scratch.ts";
import { structureOf } from "./shapes.ts";
import { loraOf, randomIds, training } from "./training.ts";
import { largestWeight, planOf, randomWeights } from "./weights.ts";

/** As many kernels as a large batch takes, and no wait for software drivers. */
const SMALL = { batch: 2, seq: 16, labelled: 16 };
const device = await WebGpu.open({ logs: true });
/** The log is written to the same descriptor, each line before whoever ran the kernel goes on. */
const say = (line: string): void => void writeSync(2, `\n${line}\n`);
exitWhenTold();
for (const one of countedCases()) if (one.form !== "float16" || device.can.float16) await count(one);

async function count(one: KernelCase): Promise<void> {
  const config = structureOf(one.structure, one.layers);
  const counted = async (work: Work, run: () => Promise<unknown>): Promise<void> => {
    say(marker({ ...one, work }));
    await run();
    say(NOTHING_COUNTED);
  };
  const scratch = await scratchFiles(largestWeight(config));
  const weights = bindStore(randomWeights(planOf(config, one.form, device.can), scratch));
  const model = new ForwardModel(config, weights, device);
  const adapter = loraOf(config);
  try {
    const effect = await adapter.forInference(await adapter.initialize(0));
    for (const [work, given] of [
      ["token", undefined],
      ["adapted token", effect],
    ] as const) {
      const rows = [{ ids: randomIds(config, 16), effect: given }];
      const answer = generate(model, rows, { ...GREEDY, stop: [], maxNewTokens: 4 });
      // The prompt's events, and two tokens, after which nothing is done for the first time.
      for (let tokens = 0; tokens < 2; ) {
        const { value } = await answer.next();
        if (value?.type === "token") tokens += 1;
      }
      await counted(work, () => answer.next());
      await answer.return();
    }
    const { step, close } = await training(config, adapter, weights, device, SMALL);
    try {
      await step();
      await step();
      await counted("training step", step);
    } finally {
      await close();
    }
  } finally {
    await model.dispose();
    await scratch.dispose();
  }
}
