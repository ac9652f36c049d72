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

/** The most that was in memory of a process since it began, in bytes, with the pages of files; NaN where the system does not tell. */
export function peakOf(pid: number): number {
  if (process.platform !== "linux") return Number.NaN;
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

export interface Mapped {
  readonly files: readonly string[];
  /** Bytes of these files that are mapped, each once. */
  readonly bytes: number;
}

/** What a process has mapped of files below `folder`; nothing where the system does not tell. */
export function mappedFiles(pid: number, folder: string): Mapped {
  const ranges = process.platform === "linux" ? rangesIn(readFileSync(`/proc/${pid}/maps`, "utf8"), folder) : [];
  let [bytes, file, end] = [0, "", 0];
  for (const range of ranges) {
    if (range.file !== file) [file, end] = [range.file, 0];
    bytes += Math.max(0, range.end - Math.max(range.start, end));
    end = Math.max(end, range.end);
  }
  return { files: [...new Set(ranges.map((range) => range.file))], bytes };
}

interface MappedRange {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** Ranges of files, file by file and in order; a file may have been mapped more than once. */
function rangesIn(maps: string, folder: string): MappedRange[] {
  const ranges: MappedRange[] = [];
  for (const [, from = "", to = "", offset = "", file = ""] of maps.matchAll(
    /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+ +(\/.*)$/gm,
  )) {
    const start = Number.parseInt(offset, 16);
    const length = Number.parseInt(to, 16) - Number.parseInt(from, 16);
    if (file.startsWith(folder)) ranges.push({ file, start, end: start + length });
  }
  return ranges.sort((a, b) => (a.file === b.file ? a.start - b.start : a.file < b.file ? -1 : 1));
}
