/** @file The published numbers on WebGPU: through a runtime, whose model is in a process of its own. */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, it, vi } from "vitest";
import { ensureBuilt } from "../../scripts/build.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import { webGpuDriver } from "../webgpu-driver.ts";
import { oracleSuite } from "./oracle-suite.ts";

// The software driver makes machine code of every kernel when it first meets it.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const driver = await webGpuDriver();
const scratch = mkdtempSync(join(tmpdir(), "glm-"));

beforeAll(async () => {
  await ensureBuilt();
  vi.stubEnv("GLMLAB_DATA", join(scratch, "data"));
  vi.stubEnv("GLMLAB_CACHE", join(scratch, "cache"));
  vi.stubEnv("GLMLAB_RUNTIME_DIR", join(scratch, "run"));
  if (typeof driver !== "string") for (const [name, value] of Object.entries(driver)) vi.stubEnv(name, value);
}, 120_000);

afterAll(async () => {
  await stopRuntime(runtimeFolder());
  await rm(scratch, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

if (typeof driver === "string") it.skip(`the published numbers on WebGPU (${driver})`, () => undefined);
else oracleSuite("on WebGPU", { device: "webgpu", scratch, open: () => connectRuntime() });
