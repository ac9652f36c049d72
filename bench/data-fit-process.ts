/** @file A process of its own that trains on a data set from a file, in the runtime: what it takes of memory, and what the runtime does. */
import { readFileSync } from "node:fs";
import { load, loadDataset, lora } from "../src/index.ts";
import { stopRuntime } from "../src/runtime/cli.ts";
import { runtimeStatus } from "../src/runtime/connect.ts";

/** The system's own mark of a process, in bytes: what is sampled may miss it. */
const peakOf = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024;

const [path = ""] = process.argv.slice(2);
const glm = await load("tiny", { runtime: "auto" });
const adapter = await glm.createAdapter("large", lora());
const settings = { maxSteps: 50, batchSize: 8, maxLength: 256, scheduler: "constant" } as const;
const data = await loadDataset(path);
// What such steps take by themselves: the first rows are of all lengths.
const few = Array.from({ length: 64 }, (_, row) => data.at(row));
for await (const _ of adapter.fit(few, settings));
const runtime = (await runtimeStatus())?.pid ?? 0;
const before = { notebook: process.resourceUsage().maxRSS * 1024, runtime: peakOf(runtime) };
const start = performance.now();
let begun = start;
let steps = 0;
for await (const event of adapter.fit(data, settings)) {
  if (event.type === "start") begun = performance.now();
  if (event.type === "step") steps += 1;
}
const end = performance.now();
const peak = { notebook: process.resourceUsage().maxRSS * 1024, runtime: peakOf(runtime) };
const times = { encodeSeconds: (begun - start) / 1000, stepSeconds: (end - begun) / 1000 / steps };
await glm.dispose();
await stopRuntime();
process.stdout.write(JSON.stringify({ rows: data.length, ...times, before, peak }));
