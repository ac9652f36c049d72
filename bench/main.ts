/**
 * @file Benchmarks by name: `npm run bench -- NAME [options]`. Each prints a table; bench/results.md has measured figures.
 *
 *   checkpointing  a training step with gradient checkpointing and without: its time and peak memory
 *   data        a large file of JSON lines: peak memory and rows a second
 *   device      the processor and the GPU: bandwidth, GEMM peak, and how much of them models get, beside PyTorch; kernels and traffic
 *   evaluate    rows answered by the base and three adapters: one pass that they share beside four passes
 *   lora-step   a LoRA training step: its share of the machine's GEMM peak, and beside PyTorch + PEFT
 *   adapters    eight answers with eight adapters, in one batch and one after the other
 *   kernel      the kernel's start, restart and memory beside tslab's
 *   methods     a training step of each method: its time and peak memory beside PyTorch (+ PEFT)
 *   models      a model of 6B shape in 4 and 8 bits beside llama.cpp: speed, accuracy, loading, memory
 *   runtime     a model that outlives its kernels: time to the first token, tokens a second, adapters, memory
 */
/** Each with what it needs only: some need packages that others do without. */
const benches: Readonly<Record<string, () => Promise<(args: readonly string[]) => Promise<void>>>> = {
  checkpointing: async () => (await import("./checkpointing.ts")).checkpointing,
  data: async () => (await import("./data.ts")).dataBench,
  device: async () => (await import("./device.ts")).devices,
  evaluate: async () => (await import("./evaluate.ts")).evaluate,
  "lora-step": async () => (await import("./lora-step.ts")).loraStep,
  methods: async () => (await import("./methods.ts")).methods,
  adapters: async () => (await import("./adapter-batch.ts")).adapterBatches,
  kernel: async () => (await import("./kernel.ts")).kernels,
  models: async () => (await import("./models.ts")).models,
  runtime: async () => (await import("./runtime.ts")).runtime,
};

const [name, ...args] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
if (bench) await (await bench())(args);
else {
  console.error(`npm run bench -- NAME: expected one of ${Object.keys(benches).join(", ")}, got ${name ?? "nothing"}`);
  process.exitCode = 1;
}
