/** @file The contract suite against the engine that computes, in this process, in a worker thread, and in a runtime. */

import { join } from "node:path";
import { beforeAll, it, vi } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { Engine, LoadParams } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { webGpuDriver } from "../webgpu-driver.ts";
import { engineContract, type Subject } from "./contract.ts";

const folder = ownHome();

beforeAll(async () => {
  await writeSmallModel(join(folder, "model"));
}, 120_000);

engineContract("local", async () => subject(new LocalEngine(only(cpu))));
engineContract("in a runtime", async () => subject(await connectRuntime()));
engineContract("lasting, in a runtime", async () => subject(new ReconnectingEngine(() => connectRuntime())));
const driver = await webGpuDriver();
if (typeof driver === "string") it.skip(`engine contract: on WebGPU (${driver})`, () => undefined);
else {
  engineContract("on WebGPU, in a runtime", async () => {
    // A new runtime: what it starts inherits where the driver is.
    await stopRuntime(runtimeFolder());
    for (const [name, value] of Object.entries(driver)) vi.stubEnv(name, value);
    return subject(await connectRuntime(), "webgpu");
  });
}

function subject(engine: Engine, device: LoadParams["device"] = "cpu"): Subject {
  const load: LoadParams = { name: join(folder, "model"), device, precision: "exact", quantize: "none" };
  return { engine, load, close: () => engine.close() };
}
