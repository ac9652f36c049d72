/** @file The processes that this one has started, as the system lists them, and how they are ended. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers";

interface Entry {
  readonly pid: number;
  readonly parent: number;
  /** Processes that are started with `detached` have a group of their own: they are to outlive the kernel. */
  readonly group: number;
  /** When it was started, in some unit: another process of the same number has another. */
  readonly started: string;
}

/** Milliseconds that a process has after each signal. */
const PATIENCE = 300;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL"] as const;

/** Ends these children and what they have started: asks first, and insists when that does not help. */
export function endProcesses(pids: readonly number[]): void {
  if (pids.length === 0) return;
  const table = processTable();
  const own = table.find(({ pid }) => pid === process.pid);
  const roots = table.filter(({ pid, group }) => pids.includes(pid) && group === own?.group);
  insist([...roots, ...descendants(roots, table)], SIGNALS);
}

function insist(entries: readonly Entry[], [signal, ...later]: readonly NodeJS.Signals[]): void {
  if (signal === undefined || entries.length === 0) return;
  send(entries, signal);
  setTimeout(() => {
    const table = processTable();
    const left = entries.filter((entry) =>
      table.some(({ pid, started }) => pid === entry.pid && started === entry.started),
    );
    insist(left, later);
  }, PATIENCE).unref();
}

/** Signals every process that this one has started, directly or not, also those whose own parents have ended. */
export function signalChildren(signal: NodeJS.Signals): void {
  const table = processTable();
  const own = table.find(({ pid }) => pid === process.pid);
  if (!own) return;
  const below = descendants([own], table);
  // A leader's group holds what it has started, and in a shell's pipeline its siblings.
  const left = table.filter(
    (entry) => own.group === own.pid && entry.group === own.group && entry.parent !== own.parent,
  );
  send(new Set([...below, ...left.filter(({ pid }) => pid !== own.pid)]), signal);
}

/** Children that the main thread has started, undefined where the system does not tell. Takes microseconds. */
export function childrenNow(): readonly number[] | undefined {
  try {
    const list = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
    return list.split(" ").filter(Boolean).map(Number);
  } catch {
    return undefined;
  }
}

function send(entries: Iterable<Entry>, signal: NodeJS.Signals): void {
  for (const { pid } of entries) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself.
    }
  }
}

/** What `roots` have started, directly or not, in their own group. */
function descendants(roots: readonly Entry[], table: readonly Entry[]): readonly Entry[] {
  const found: Entry[] = [];
  for (let parents = roots; parents.length > 0; ) {
    parents = table.filter((entry) => parents.some(({ pid, group }) => pid === entry.parent && group === entry.group));
    found.push(...parents);
  }
  return found;
}

/** All processes of this system that can be seen. */
function processTable(): readonly Entry[] {
  if (process.platform === "win32") return [];
  return process.platform === "linux" ? fromProc() : fromPs();
}

function fromProc(): readonly Entry[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // "pid (name) state ppid pgrp ...": the name may hold anything. The 22nd field is the start.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(name), parent: Number(fields[1]), group: Number(fields[2]), started: fields[19] ?? "" }];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

function fromPs(): readonly Entry[] {
  try {
    // Not imported at the top: only some systems need it, and the kernel starts sooner without.
    const { execFileSync } = process.getBuiltinModule("node:child_process");
    const list = execFileSync("ps", ["-axo", "pid=,ppid=,pgid=,lstart="], { encoding: "utf8" });
    return list.split("\n").flatMap((line) => {
      const [pid, parent, group, ...started] = line.trim().split(/\s+/);
      return pid
        ? [{ pid: Number(pid), parent: Number(parent), group: Number(group), started: started.join(" ") }]
        : [];
    });
  } catch {
    return [];
  }
}
