/**
 * @file Benchmarks by name: `npm run bench -- NAME [options]`. Each prints a table; bench/results.md has measured figures.
 *
 *   data        a large file of JSON lines: peak memory and rows a second
 *   device      the processor and the GPU: bandwidth, GEMM peak, and how much of them models get, beside PyTorch; kernels and traffic
 *   lora-step   a LoRA training step: its share of the machine's GEMM peak, and beside PyTorch + PEFT
 *   kernel      the kernel's start, restart and memory beside tslab's
 *   models      a model of 6B shape in 4 and 8 bits beside llama.cpp: speed, accuracy, loading, memory
 *   runtime     a model that outlives its kernels: time to the first token, tokens a second, adapters, memory
 */
/** Each with what it needs only: some need packages that others do without. */
const benches: Readonly<Record<string, () => Promise<(args: readonly string[]) => Promise<void>>>> = {
  data: async () => (await import("./data.ts")).dataBench,
  device: async () => (await import("./device.ts")).devices,
  "lora-step": async () => (await import("./lora-step.ts")).loraStep,
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
