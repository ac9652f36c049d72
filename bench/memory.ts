/** @file How much memory a process takes, as its system tells. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** In bytes. */
export interface ProcessMemory {
  /** All pages in memory, those shared with other processes too. */
  readonly resident: number;
  /** Pages that no other process has; undefined where the system does not tell. */
  readonly private?: number;
  /** Pages that are in no file, as its heaps are; undefined where the system does not tell. */
  readonly anonymous?: number;
  /** Its share: what several processes have in memory is divided among them; undefined where the system does not tell. */
  readonly share?: number;
}

export function memoryOf(pid: number): ProcessMemory {
  if (process.platform !== "linux") {
    const kilobytes = execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
    return { resident: Number(kilobytes) * 1024 };
  }
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string): number => Number(new RegExp(`^${name}: *(\\d+) kB`, "m").exec(rollup)?.[1]) * 1024;
  return {
    resident: bytes("Rss"),
    private: bytes("Private_Clean") + bytes("Private_Dirty"),
    anonymous: bytes("Anonymous"),
    share: bytes("Pss"),
  };
}

/** Files below `folder` that a process has mapped; none where the system does not tell. */
export function mappedFiles(pid: number, folder: string): string[] {
  if (process.platform !== "linux") return [];
  const paths = readFileSync(`/proc/${pid}/maps`, "utf8").matchAll(/ (\/.*)$/gm);
  return [...new Set([...paths].map((match) => match[1] as string))].filter((path) => path.startsWith(folder));
}
