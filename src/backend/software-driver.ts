/**
 * @file Whether a driver that computes on the processor has taken a GPU's place. Vulkan's loader takes whatever driver starts:
 * where the GPU's own does not, Mesa's lavapipe (llvmpipe) or SwiftShader beside it does, and onnxruntime does not tell the name.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";

/** Libraries of drivers that compute on the processor, by their names. */
export const SOFTWARE: RegExp = /swiftshader|lvp|lavapipe|llvmpipe/i;

/** What drivers of hardware hold open: the kernel's part of them. */
const HARDWARE = /^\/dev\/(dri\/|nvidia|nvhost|nvmap|dxg|kgsl|mali)/;

/**
 * The library of the software driver on which this process computes, once it has computed on a GPU; undefined where a
 * device of the system is open, or nothing can be told.
 */
export async function softwareDriverInUse(): Promise<string | undefined> {
  const open = await openFiles();
  return open.some((path) => HARDWARE.test(path)) ? undefined : softwareLibrary(await mappedFiles());
}

/** The first of these files that is a software driver's. */
export const softwareLibrary = (files: readonly string[]): string | undefined =>
  files.map((file) => basename(file)).find((name) => name.includes(".so") && SOFTWARE.test(name));

async function openFiles(): Promise<string[]> {
  const numbers = await readdir("/proc/self/fd").catch(() => []);
  return Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => "")));
}

async function mappedFiles(): Promise<string[]> {
  const text = await readFile("/proc/self/maps", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []);
}
