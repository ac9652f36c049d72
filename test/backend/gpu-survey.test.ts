/** @file What is told of GPUs without their drivers: machines that are made up of a loader, manifests and NVIDIA's tool. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { surveyGpus } from "../../src/backend/gpu-survey.ts";

const folder = mkdtempSync(join(tmpdir(), "glmlab-survey-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

/** Puts a program before all others of its name. */
function withNvidia(said: string): void {
  const tool = join(folder, "nvidia-smi");
  writeFileSync(tool, `#!/bin/sh\necho '${said}'\n`);
  chmodSync(tool, 0o755);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
}

/** A driver's manifest, and a loader to find it. */
function withDriver(library: string | undefined): void {
  const manifest = join(folder, "driver.json");
  writeFileSync(manifest, library === undefined ? "{}" : JSON.stringify({ ICD: { library_path: library } }, null, 2));
  vi.stubEnv("VK_DRIVER_FILES", manifest);
  writeFileSync(join(folder, "libvulkan.so.1"), "");
  vi.stubEnv("LD_LIBRARY_PATH", folder);
}

describe.skipIf(process.platform !== "linux")("a machine", () => {
  it("with NVIDIA's driver: the GPU's name and memory, and nothing in the way", async () => {
    withNvidia("NVIDIA H100 80GB HBM3, 81559, 80000");
    withDriver("libGLX_nvidia.so.0");
    const { gpus, ...survey } = await surveyGpus();
    expect(gpus[0]).toEqual({ name: "NVIDIA H100 80GB HBM3", memory: 81559 * 2 ** 20, free: 80000 * 2 ** 20 });
    expect(survey).toEqual({ softwareOnly: false });
  });

  it("with a GPU in a container without its graphics part: what to start it with", async () => {
    withNvidia("Tesla T4, 15360, 15000");
    withDriver(undefined);
    const { gpus, obstacle } = await surveyGpus();
    expect(gpus[0]?.name).toBe("NVIDIA Tesla T4");
    expect(obstacle).toContain("NVIDIA_DRIVER_CAPABILITIES=all");
  });

  it("with a driver of another vendor's GPU: not usable by that", async () => {
    withNvidia("NVIDIA L4, 23034, 22000");
    withDriver("/usr/lib/x86_64-linux-gnu/libvulkan_intel.so");
    expect((await surveyGpus()).obstacle).toContain("no Vulkan driver for it");
  });

  it.each(["./libvk_swiftshader.so", "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"])(
    "with a software driver beside a GPU that has none: software only (%s)",
    async (library) => {
      withNvidia("NVIDIA L4, 23034, 22000");
      withDriver(library);
      expect(await surveyGpus()).toMatchObject({ softwareOnly: true });
    },
  );

  it("whose tool finds nothing: no GPU of NVIDIA's", async () => {
    withNvidia("No devices were found");
    withDriver("libGLX_nvidia.so.0");
    expect((await surveyGpus()).gpus.filter(({ name }) => name.includes("devices"))).toEqual([]);
  });
});
