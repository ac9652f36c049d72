/**
 * @file The driver that tests of WebGPU run on: that which VK_DRIVER_FILES names, that of a real GPU where there is one,
 * else the software driver that Debian's chromium brings. It is told in the environment of the process that computes: this one has read its own already.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine } from "../src/backend/machine.ts";

const CHROMIUM = "/usr/lib/chromium";
const MANIFEST = join(CHROMIUM, "vk_swiftshader_icd.json");

/** @returns the variables, or why there is no driver */
export async function webGpuDriver(): Promise<Readonly<Record<string, string>> | string> {
  if (process.env.VK_DRIVER_FILES) return {};
  const gpu = (await machine.report()).find(({ name }) => name === "webgpu");
  if (gpu && !gpu.isSoftware && gpu.obstacle === undefined) return {};
  if (process.platform !== "linux") return "no GPU, and software drivers are only looked for on Linux";
  if (!existsSync(MANIFEST)) return `no GPU, and no software driver: ${MANIFEST} (Debian's chromium) is not there`;
  return {
    VK_DRIVER_FILES: MANIFEST,
    VK_ICD_FILENAMES: MANIFEST,
    // Its folder has a loader, too, for machines without libvulkan1.
    LD_LIBRARY_PATH: [CHROMIUM, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir(),
  };
}
