/** @file The contract suite against the engine that computes, in this process, in a worker thread, and in a runtime. */

import { join } from "node:path";
import { beforeAll } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import type { Engine, LoadParams } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { engineContract, type Subject } from "./contract.ts";

const folder = ownHome();

beforeAll(async () => {
  await writeSmallModel(join(folder, "model"));
}, 120_000);

engineContract("local", async () => subject(new LocalEngine(cpu)));
engineContract("in a runtime", async () => subject(await connectRuntime()));
engineContract("lasting, in a runtime", async () => subject(new ReconnectingEngine(() => connectRuntime())));

function subject(engine: Engine): Subject {
  const load: LoadParams = { name: join(folder, "model"), device: "cpu", precision: "exact", quantize: "none" };
  return { engine, load, close: () => engine.close() };
}
