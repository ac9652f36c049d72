/** @file The program glmlab as a process, for tests of its commands. */
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const cli: string = fileURLToPath(new URL("../../dist/kernel/cli.js", import.meta.url));

/** Runs a command to its end. */
export function glmlab(cwd: string, args: readonly string[], input = ""): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [cli, ...args], { encoding: "utf8", cwd, input });
}

/** A command that goes on; `seen` waits until its output has a text. */
export interface RunningCommand {
  readonly process: ChildProcess;
  seen(text: string): Promise<void>;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  /** Of both streams, so far. */
  output(): string;
}

export function startGlmlab(cwd: string, args: readonly string[], command: readonly string[] = []): RunningCommand {
  const [program = process.execPath, ...before] = command;
  const child = spawn(program, [...before, ...(command.length > 0 ? [process.execPath] : []), cli, ...args], { cwd });
  let output = "";
  const waiting = new Set<() => void>();
  const take = (text: string): void => {
    output += text;
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", take);
  return {
    process: child,
    output: () => output,
    ended: new Promise((resolve) => child.once("close", (code) => resolve(code))),
    seen: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve();
          else if (child.exitCode !== null) reject(new Error(`it ended without saying ${text}: ${output}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        child.once("close", look);
        look();
      }),
  };
}
