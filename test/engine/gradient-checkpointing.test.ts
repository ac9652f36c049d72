/** @file Gradient checkpointing as an option of runs and of gradients by hand: where it is asked for, and only there. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import type { Device } from "../../src/backend/device.ts";
import { only } from "../../src/backend/devices.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { liveNodes } from "../../src/graph/value.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { loadModel } from "./oracle-suite.ts";

const scratch = ownHome();
const ROWS = [
  { prompt: "a b", response: "c d" },
  { prompt: "b", response: "a" },
  { prompt: "d e a", response: "b" },
];
const LORA = { method: "lora", r: 2, alpha: 4, dropout: 0.2, targets: "all-linear" } as const;
const FIT: FitOptions = {
  ...{ epochs: 3, lr: 0.01, batchSize: 2, accumulate: 1, clip: 0.5, weightDecay: 0.1, scheduler: "linear", warmup: 1 },
  ...{ patience: 0, rehearse: [], rehearsePerBatch: 0, maxLength: 64, seed: 3, stop: [] },
};

/** Of each graph for training that is compiled, whether it computes layers again. */
const compiled: boolean[] = [];
const watched: Device = {
  ...cpu,
  compile: (graph, options) => {
    const isTraining = graph.outputs.some(({ name }) => name.startsWith("gradient of "));
    if (isTraining) compiled.push(liveNodes(graph).some(({ op }) => op === "Size"));
    return cpu.compile(graph, options);
  },
};

describe("gradient checkpointing", () => {
  const engine = new LocalEngine(only(watched));
  let model: string;
  const ref = (name: string) => ({ owner: "test", name });

  beforeAll(async () => {
    model = (await loadModel(engine, await writeSmallModel(join(scratch, "small")))).key;
  });
  afterAll(() => engine.close());

  const run = async (
    name: string,
    options: FitOptions,
    more: { readonly resume?: boolean; readonly until?: number } = {},
  ) => {
    const losses: number[] = [];
    const params = { model, adapter: ref(name), rows: ROWS, validation: [], options };
    const { until = Number.POSITIVE_INFINITY, resume } = more;
    for await (const event of engine.stream("fit", { ...params, ...(resume ? { resume } : {}) })) {
      if (event.type === "step") losses.push(event.loss);
      if (event.type === "step" && event.step === until) break;
    }
    return losses;
  };

  it("is a setting of runs, which go on with it or without it", async () => {
    for (const name of ["kept", "again", "stopped"]) {
      await engine.call("createAdapter", { model, adapter: ref(name), config: LORA, seed: 1 });
    }
    compiled.length = 0;
    const kept = await run("kept", FIT);
    expect(compiled).toEqual([false]);
    const checkpointed = { ...FIT, gradientCheckpointing: true };
    expect(await run("again", checkpointed)).toEqual(kept);
    expect(compiled).toEqual([false, true]);
    expect(kept.length).toBe(6);
    const begun = await run("stopped", FIT, { until: 2 });
    expect([...begun, ...(await run("stopped", checkpointed, { resume: true }))].slice(-kept.length)).toEqual(kept);
  });

  it("is an option of gradients by hand", async () => {
    await engine.call("createAdapter", { model, adapter: ref("hand"), config: LORA, seed: 1 });
    const batch = { inputIds: [[5, 6, 7, 3]], labels: [[-100, 6, 7, 3]] };
    const gradientsOf = async (gradientCheckpointing: boolean) => {
      const params = { model, adapter: ref("hand"), batch, seed: 5, gradientCheckpointing };
      const { loss, handle } = await engine.call("gradients", params);
      return { loss, gradients: await engine.call("readGradients", { model, handle }) };
    };
    expect(await gradientsOf(true)).toEqual(await gradientsOf(false));
  });
});
