/** @file Files in and out of the system's page cache, which decides what loading costs. */
import { execFileSync } from "node:child_process";

/** Seconds that `cat` takes to read the files. */
export function catSeconds(files: readonly string[]): number {
  const started = performance.now();
  execFileSync("cat", [...files], { stdio: ["ignore", "ignore", "inherit"] });
  return (performance.now() - started) / 1000;
}

/**
 * Puts files out of the page cache, as after a restart of the machine; pages that some process has mapped stay.
 * @returns false where the system has no way to do so
 */
export function evict(files: readonly string[]): boolean {
  if (process.platform !== "linux") return false;
  // Only pages that are on the disk can be dropped.
  execFileSync("sync", [...files]);
  for (const file of files) {
    execFileSync("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"], { stdio: "ignore" });
  }
  return true;
}
