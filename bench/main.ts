/**
 * @file Benchmarks by name: `npm run bench -- NAME [options]`. Each prints a table; bench/results.md has measured figures.
 *
 *   lora-step   a LoRA training step: its share of the machine's GEMM peak, and beside PyTorch + PEFT
 *   kernel      the kernel's start, restart and memory beside tslab's
 *   models      a model of 6B shape in 4 and 8 bits beside llama.cpp: speed, accuracy, loading, memory
 *   runtime     a model that outlives its kernels: time to the first token, tokens a second, adapters, memory
 */
import { kernels } from "./kernel.ts";
import { loraStep } from "./lora-step.ts";
import { models } from "./models.ts";
import { runtime } from "./runtime.ts";

const benches: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  "lora-step": loraStep,
  kernel: kernels,
  models,
  runtime,
};

const [name, ...args] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
if (bench) await bench(args);
else {
  console.error(`npm run bench -- NAME: expected one of ${Object.keys(benches).join(", ")}, got ${name ?? "nothing"}`);
  process.exitCode = 1;
}
