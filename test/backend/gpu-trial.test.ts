/** @file The trial of a GPU whose own driver does not start, beside a software driver that does. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { surveyGpus } from "../../src/backend/gpu-survey.ts";
import { tryGpu } from "../../src/backend/gpu-trial.ts";
import { softwareLibrary } from "../../src/backend/software-driver.ts";
import { webGpuDriver } from "../webgpu-driver.ts";

const folder = mkdtempSync(join(tmpdir(), "glmlab-trial-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

const driver = await webGpuDriver();
const software = typeof driver === "string" ? undefined : driver.VK_DRIVER_FILES;

it("knows a software driver by its library", () => {
  expect(softwareLibrary(["/usr/lib/libvulkan.so.1", "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"])).toBe(
    "libvulkan_lvp.so",
  );
  expect(softwareLibrary(["/usr/lib/chromium/libvk_swiftshader.so"])).toBe("libvk_swiftshader.so");
  expect(softwareLibrary(["/memfd:swiftshader_jit (deleted)", "/usr/lib/libGLX_nvidia.so.0", "/lvp/libm.so.6"])).toBe(
    undefined,
  );
});

it.skipIf(software === undefined)(
  "says that a software driver computes in a GPU's place, and nothing where there is no other",
  { timeout: 120_000 },
  async () => {
    for (const [name, value] of Object.entries(driver)) vi.stubEnv(name, value);
    expect(await surveyGpus()).toMatchObject({ softwareOnly: true });
    expect(await tryGpu()).toBe(undefined);

    const [tool, manifest] = [join(folder, "nvidia-smi"), join(folder, "nvidia.json")];
    writeFileSync(tool, "#!/bin/sh\necho 'NVIDIA L4, 23034, 22000'\n");
    chmodSync(tool, 0o755);
    const icd = {
      file_format_version: "1.0.0",
      ICD: { library_path: join(folder, "libGLX_nvidia.so.0"), api_version: "1.3.0" },
    };
    writeFileSync(manifest, JSON.stringify(icd));
    vi.stubEnv("PATH", `${folder}${delimiter}${process.env.PATH}`);
    for (const name of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]) vi.stubEnv(name, `${manifest}${delimiter}${software}`);
    const survey = await surveyGpus();
    expect(survey).toMatchObject({ softwareOnly: false });
    expect(survey.obstacle).toBe(undefined);
    expect(await tryGpu()).toMatch(
      /^its driver does not start, and a software driver \(libvk_swiftshader\.so\) computes in its place/,
    );
  },
);
