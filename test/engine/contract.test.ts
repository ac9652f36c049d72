/** @file The contract suite against the engines themselves and against what stands between them and their users. */

import type { Engine, LoadParams } from "../../src/engine/engine.ts";
import { ModelPool } from "../../src/runtime/model-pool.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { engineContract } from "./contract.ts";
import { type Disk, MemoryEngine } from "./memory-engine.ts";
import { connectThrough, memoryWorker } from "./ports.ts";

const load: LoadParams = { name: "memory", device: "cpu", precision: "exact", quantize: "none" };

engineContract("memory", async () => subject(new MemoryEngine()));
engineContract("through a port", async () => subject(await connectThrough(new MemoryEngine())));
engineContract("pool of workers", async () => subject(poolOf(new Map())));
engineContract("pool, through a port", async () => subject(await connectThrough(poolOf(new Map()))));
engineContract("lasting", async () => {
  const disk: Disk = new Map();
  return subject(new ReconnectingEngine(() => connectThrough(new MemoryEngine(disk))));
});

function poolOf(disk: Disk): Engine {
  return new ModelPool(() => memoryWorker(new MemoryEngine(disk)));
}

function subject(engine: Engine): { engine: Engine; load: LoadParams; close: () => Promise<void> } {
  return { engine, load, close: () => engine.close() };
}
