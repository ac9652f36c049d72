/**
 * @file This library's side of bench/methods.ts and bench/checkpointing.ts, in a process of its own, so that its peak memory is that of one method.
 * Reads a line with the task, then, for each line {"budget": seconds}, steps for that long and prints {"loss", "seconds"}.
 */
import { createInterface } from "node:readline";
import type { AdapterConfig } from "../src/adapters/adapter.ts";
import type { ChatGLMConfig } from "../src/models/config.ts";
import type { TokenBatch } from "../src/train/batch.ts";
import type { Checkpointing } from "../src/train/checkpointing.ts";
import { ourStep, type Step } from "./lora-model.ts";
import { timed } from "./timing.ts";

export interface MethodTask extends Checkpointing {
  readonly folder: string;
  readonly config: ChatGLMConfig;
  readonly batch: TokenBatch;
  readonly method: AdapterConfig;
}

let step: Step | undefined;
for await (const line of createInterface(process.stdin)) {
  const message = JSON.parse(line) as MethodTask | { readonly budget: number };
  if ("budget" in message) {
    const { run } = step as Step;
    const losses: number[] = [];
    const seconds = await timed(async () => losses.push(await run()), message.budget);
    console.log(JSON.stringify({ loss: losses[0], seconds }));
  } else step = await ourStep(message, message.method, message);
}
await step?.dispose();
