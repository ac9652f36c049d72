/** @file The processes that cells start end with their cell when it is interrupted. */
import childProcess, { ChildProcess } from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { ambient } from "../src/ambient.ts";
import { attempt } from "./describe.ts";
import { endProcesses } from "./processes.ts";
import { Interrupted } from "./timers.ts";

interface SpawnOptions {
  readonly detached?: boolean;
}

/**
 * From now on what a cell starts ends when the cell is interrupted, unless it was detached.
 * @param takeInterrupt interrupts the running cell if that was asked for while its thread was blocked
 */
export function endChildrenWithCells(takeInterrupt: () => boolean): void {
  const prototype = ChildProcess.prototype as ChildProcess & { spawn(options: SpawnOptions): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const result = spawn.call(this, options);
    const { signal } = ambient();
    const { pid } = this;
    if (signal && pid !== undefined && options.detached !== true) {
      const end = (): void => endProcesses([pid]);
      signal.addEventListener("abort", end, { once: true });
      this.once("exit", () => signal.removeEventListener("abort", end));
    }
    return result;
  };
  interruptAfter(takeInterrupt);
}

/** From now on a cell that waited for a child (execSync) when it was interrupted goes no further than there. */
function interruptAfter(takeInterrupt: () => boolean): void {
  for (const name of ["spawnSync", "execSync", "execFileSync"] as const) {
    const run = childProcess[name] as (...args: unknown[]) => unknown;
    const interruptible = (...args: unknown[]): unknown => {
      const ran = attempt(() => run(...args));
      if (ambient().signal && takeInterrupt()) throw new Interrupted();
      if ("thrown" in ran) throw ran.thrown;
      return ran.value;
    };
    Object.assign(childProcess, { [name]: interruptible });
  }
  syncBuiltinESMExports();
}
