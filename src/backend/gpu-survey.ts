/**
 * @file What can be told of this machine's GPUs without touching a driver: which there are, and whether what WebGPU needs of
 * the system is there. On Linux that is a Vulkan loader and a driver's manifest; elsewhere the system brings both.
 */
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export interface Gpu {
  /** "NVIDIA H100 80GB HBM3", or what is known of it: "AMD (1002:744c)". */
  readonly name: string;
  /** Bytes of memory, where the system tells: its own, or what it may use of the machine's. */
  readonly memory?: number;
}

export interface GpuSurvey {
  readonly gpus: readonly Gpu[];
  /** Why WebGPU cannot use them, and what to do; absent where nothing is known to be in the way. */
  readonly obstacle?: string;
  /** Whether the only drivers compute on the processor. */
  readonly softwareOnly: boolean;
}

const MEGABYTE = 2 ** 20;
/** Of a machine whose GPU has no memory of its own, what that may use. */
const SHARED_PART = 3 / 4;

const VENDORS: Readonly<Record<string, string>> = {
  "10de": "NVIDIA",
  "1002": "AMD",
  "8086": "Intel",
  "5143": "Qualcomm",
};
/** PCI classes of display controllers and of those without a display. */
const GRAPHICS = /^0x03/;
const SOFTWARE = /swiftshader|lvp|lavapipe|llvmpipe/i;

export async function surveyGpus(): Promise<GpuSurvey> {
  if (process.platform === "linux") return surveyLinux();
  const shared = totalmem() * SHARED_PART;
  if (process.platform === "darwin") return { gpus: [{ name: "Apple GPU", memory: shared }], softwareOnly: false };
  return { gpus: [{ name: "GPU" }], softwareOnly: false };
}

async function surveyLinux(): Promise<GpuSurvey> {
  const [gpus, drivers] = [await pciGpus(), await vulkanDrivers()];
  const softwareOnly = drivers.length > 0 && drivers.every((driver) => SOFTWARE.test(driver));
  const obstacle = obstacleOf(gpus, drivers, await hasLoader());
  return { gpus, softwareOnly, ...(obstacle === undefined ? {} : { obstacle }) };
}

function obstacleOf(gpus: readonly Gpu[], drivers: readonly string[], loader: boolean): string | undefined {
  if (gpus.length === 0 && drivers.length === 0) return "this machine shows no GPU";
  if (!loader) {
    return (
      "there is no Vulkan loader (libvulkan.so.1). Install it: libvulkan1 on Debian and Ubuntu, vulkan-loader on Fedora, " +
      "vulkan-icd-loader on Arch"
    );
  }
  if (drivers.length > 0) return undefined;
  if (gpus.some(({ name }) => name.startsWith("NVIDIA"))) {
    return (
      "there is no Vulkan driver for it. In a container, start it with NVIDIA_DRIVER_CAPABILITIES=all (graphics is what " +
      "is missing); on a machine of its own, install NVIDIA's driver with its GL part (libnvidia-gl)"
    );
  }
  return "there is no Vulkan driver for it. Install mesa-vulkan-drivers";
}

async function pciGpus(): Promise<Gpu[]> {
  const root = "/sys/bus/pci/devices";
  const nvidia = await nvidiaGpus();
  const others: Gpu[] = [];
  for (const device of await readdir(root).catch(() => [])) {
    const fact = async (name: string): Promise<string> =>
      (await readFile(join(root, device, name), "utf8").catch(() => "")).trim();
    if (!GRAPHICS.test(await fact("class"))) continue;
    const [vendor, id] = [await fact("vendor"), await fact("device")].map((text) => text.replace(/^0x/, ""));
    const name = VENDORS[vendor ?? ""];
    // Those of virtual machines draw pictures and compute nothing.
    if (name === undefined || (name === "NVIDIA" && nvidia.length > 0)) continue;
    const own = Number(await fact("mem_info_vram_total"));
    const memory = own > 0 ? own : name === "Intel" ? totalmem() * SHARED_PART : undefined;
    others.push({ name: `${name} (${vendor}:${id})`, ...(memory === undefined ? {} : { memory }) });
  }
  return [...nvidia, ...others];
}

async function nvidiaGpus(): Promise<Gpu[]> {
  const query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];
  const answer = await promisify(execFile)("nvidia-smi", query, { timeout: 5000 }).catch(() => undefined);
  const lines = answer?.stdout.trim().split("\n").filter(Boolean) ?? [];
  return lines.map((line) => {
    const [name = "", megabytes = ""] = line.split(/,\s*(?=\d+$)/);
    return { name: name.startsWith("NVIDIA") ? name : `NVIDIA ${name}`, memory: Number(megabytes) * MEGABYTE };
  });
}

/** The libraries that the manifests of Vulkan's drivers name. */
async function vulkanDrivers(): Promise<string[]> {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, VK_ADD_DRIVER_FILES } = process.env;
  const listed = (text: string | undefined): string[] => text?.split(delimiter).filter(Boolean) ?? [];
  const only = listed(VK_DRIVER_FILES ?? VK_ICD_FILENAMES);
  const files = only.length > 0 ? only : [...(await installed()), ...listed(VK_ADD_DRIVER_FILES)];
  const libraries = await Promise.all(
    files.map(async (file): Promise<string[]> => {
      const text = await readFile(file, "utf8").catch(() => "");
      const library = /"library_path"\s*:\s*"([^"]+)"/.exec(text)?.[1];
      return library === undefined ? [] : [library];
    }),
  );
  return libraries.flat();
}

async function installed(): Promise<string[]> {
  const roots = ["/etc", "/usr/local/etc", "/usr/local/share", "/usr/share"];
  const folders = roots.map((root) => join(root, "vulkan", "icd.d"));
  const found = await Promise.all(
    folders.map(async (folder) => (await readdir(folder).catch(() => [])).map((name) => join(folder, name))),
  );
  return found.flat();
}

/** Whether the loader lies where programs look for it. */
async function hasLoader(): Promise<boolean> {
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  const folders = [
    ...(process.env.LD_LIBRARY_PATH?.split(delimiter) ?? []),
    ...[
      `/usr/lib/${machine}-linux-gnu`,
      `/lib/${machine}-linux-gnu`,
      "/usr/lib64",
      "/usr/lib",
      "/usr/local/lib",
      "/lib64",
    ],
  ];
  for (const folder of folders.filter(Boolean)) {
    const found = await stat(join(folder, "libvulkan.so.1")).catch(() => undefined);
    if (found) return true;
  }
  return false;
}
