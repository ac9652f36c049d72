/**
 * @file What can be told of this machine's GPUs without touching a driver: which there are, and whether what WebGPU needs of
 * the system is there. On Linux that is a Vulkan loader and a driver's manifest; elsewhere the system brings both.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readdir, readFile, stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { SOFTWARE } from "./software-driver.ts";

export interface Gpu {
  /** "NVIDIA H100 80GB HBM3", or what is known of it: "AMD (1002:744c)". */
  readonly name: string;
  /** Bytes of memory, where the system tells: its own, or what it may use of the machine's. */
  readonly memory?: number;
  /** Bytes of that which nobody uses now. */
  readonly free?: number;
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

/** By PCI vendor. */
const VENDORS: Readonly<Record<string, string>> = { "10de": "NVIDIA", "1002": "AMD", "8086": "Intel" };
/** What the libraries of a vendor's Vulkan drivers are called. */
const DRIVERS: Readonly<Record<string, RegExp>> = { NVIDIA: /nvidia|nouveau/i, AMD: /radeon|amd/i, Intel: /intel/i };
/** PCI classes of display controllers and of those without a display. */
const GRAPHICS = /^0x03/;

export async function surveyGpus(): Promise<GpuSurvey> {
  if (process.platform === "linux") return surveyLinux();
  const shared = totalmem() * SHARED_PART;
  if (process.platform === "darwin") return { gpus: [{ name: "Apple GPU", memory: shared }], softwareOnly: false };
  return { gpus: [{ name: "GPU" }], softwareOnly: false };
}

async function surveyLinux(): Promise<GpuSurvey> {
  const [gpus, drivers] = [await pciGpus(), await vulkanDrivers()];
  const served = gpus.filter((gpu) => drivers.some((driver) => DRIVERS[vendorOf(gpu)]?.test(driver)));
  const softwareOnly = served.length === 0 && drivers.some((driver) => SOFTWARE.test(driver));
  const obstacle =
    obstacleOf(gpus, served.length > 0 || softwareOnly, await hasLoader()) ?? (await renderObstacle(served));
  // One that has a driver comes first: it is the one that computes.
  const others = gpus.filter((gpu) => !served.includes(gpu));
  return { gpus: [...served, ...others], softwareOnly, ...(obstacle === undefined ? {} : { obstacle }) };
}

/** Mesa's drivers open a device of the system; where they may not, a software driver beside them would start in their place. */
async function renderObstacle(served: readonly Gpu[]): Promise<string | undefined> {
  if (served.length === 0 || served.some((gpu) => vendorOf(gpu) === "NVIDIA")) return undefined;
  const nodes = (await readdir("/dev/dri").catch(() => [])).filter((name) => name.startsWith("renderD"));
  for (const node of nodes) {
    const open = await access(join("/dev/dri", node), constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    if (open) return undefined;
  }
  return nodes.length === 0
    ? "there is no /dev/dri/renderD128. In a container, start it with --device /dev/dri"
    : `you may not open /dev/dri/${nodes[0]}. Join the group that may (sudo usermod -aG render,video $USER), and log in again`;
}

/** Names begin with it. */
const vendorOf = ({ name }: Gpu): string => name.split(" ")[0] ?? "";

function obstacleOf(gpus: readonly Gpu[], hasDriver: boolean, loader: boolean): string | undefined {
  if (gpus.length === 0 && !hasDriver)
    return "this machine shows no GPU (in a container: start it with --gpus all, or --device /dev/dri)";
  if (!loader) {
    return (
      "there is no Vulkan loader (libvulkan.so.1). Install it: libvulkan1 on Debian and Ubuntu, vulkan-loader on Fedora, " +
      "vulkan-icd-loader on Arch"
    );
  }
  if (hasDriver) return undefined;
  if (gpus.some((gpu) => vendorOf(gpu) === "NVIDIA")) {
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
    const [own, used] = [Number(await fact("mem_info_vram_total")), Number(await fact("mem_info_vram_used"))];
    const shared = name === "Intel" ? { memory: totalmem() * SHARED_PART } : {};
    others.push({ name: `${name} (${vendor}:${id})`, ...(own > 0 ? { memory: own, free: own - used } : shared) });
  }
  return [...nvidia, ...others];
}

async function nvidiaGpus(): Promise<Gpu[]> {
  const query = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"];
  const answer = await promisify(execFile)("nvidia-smi", query, { timeout: 5000 }).catch(() => undefined);
  const lines = answer?.stdout.trim().split("\n").filter(Boolean) ?? [];
  return lines.flatMap((line): Gpu[] => {
    const [, name, total, free] = /^(.*),\s*(\d+),\s*(\d+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const title = name.startsWith("NVIDIA") ? name : `NVIDIA ${name}`;
    return [{ name: title, memory: Number(total) * MEGABYTE, free: Number(free) * MEGABYTE }];
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
