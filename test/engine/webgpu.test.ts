/** @file The published numbers on WebGPU: through a runtime, whose model is in a process of its own. */
import { beforeAll, it, vi } from "vitest";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { ownHome } from "../home.ts";
import { webGpuDriver } from "../webgpu-driver.ts";
import { oracleSuite } from "./oracle-suite.ts";

// The software driver makes machine code of every kernel when it first meets it.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const driver = await webGpuDriver();
const scratch = ownHome();

beforeAll(() => {
  if (typeof driver === "string") return;
  for (const [name, value] of Object.entries(driver)) vi.stubEnv(name, value);
});

if (typeof driver === "string") it.skip(`the published numbers on WebGPU (${driver})`, () => undefined);
else oracleSuite("on WebGPU", { device: "webgpu", scratch, open: () => connectRuntime() });
