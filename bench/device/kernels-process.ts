/** @file The process whose log kernels.ts reads: it says on stderr what it is about to do, and does it once. */
import { writeSync } from "node:fs";
import type { Device } from "../../src/backend/device.ts";
import { WebGpu } from "../../src/backend/webgpu.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { PHASE, type Phase } from "./kernels-log.ts";
import { phases } from "./phases.ts";
import { scratchFiles } from "./scratch.ts";
import { structures } from "./shapes.ts";
import { type FormName, largestWeight } from "./weights.ts";

const device: Device = new WebGpu({ logs: true });
const [, , structure = "", form = "float32", layers = "1"] = process.argv;
const config: ChatGLMConfig = { ...(structures[structure] as Omit<ChatGLMConfig, "layers">), layers: Number(layers) };
const scratch = await scratchFiles(largestWeight(config));
try {
  // The log is written to the same descriptor, before whoever ran the kernels goes on.
  const say = (phase: Phase | "rest"): void => void writeSync(2, `\n${PHASE}${phase}\n`);
  await phases({ config, form: form as FormName, device, scratch }, async (phase, run) => {
    await run();
    say(phase);
    await run();
    say("rest");
  });
} finally {
  await scratch.dispose();
}
