/** @file How much memory a process takes, as its system tells. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** In bytes. */
export interface ProcessMemory {
  /** All pages in memory, those shared with other processes too. */
  readonly resident: number;
  /** Pages that no other process has; undefined where the system does not tell. */
  readonly private?: number;
}

export function memoryOf(pid: number): ProcessMemory {
  if (process.platform !== "linux") {
    const kilobytes = execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
    return { resident: Number(kilobytes) * 1024 };
  }
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string): number => Number(new RegExp(`^${name}: *(\\d+) kB`, "m").exec(rollup)?.[1]) * 1024;
  return { resident: bytes("Rss"), private: bytes("Private_Clean") + bytes("Private_Dirty") };
}
