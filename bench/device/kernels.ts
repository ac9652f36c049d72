/** @file Kernels that a GPU is told to start for a token and for a training step, counted in the log of another process. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageFolder } from "../../src/version.ts";
import { countedCases, KernelCounter, keyOf, LAYERS, type Work } from "./kernel-cases.ts";

/** A straight line: of each layer, and of what every model has once. */
export interface PerLayer {
  readonly layer: number;
  readonly rest: number;
}

export interface KernelRow {
  readonly structure: string;
  readonly form: string;
  readonly kernels: Readonly<Record<Work, PerLayer>>;
}

const PROCESS = join(packageFolder, "dist", "bench", "device", "kernels-process.js");
/** Of the log, what is shown when the process fails. */
const LAST_LINES = 5;

/** @throws Error with the end of the log */
export async function countKernels(): Promise<KernelRow[]> {
  const counter = new KernelCounter();
  const child = spawn(process.execPath, [PROCESS], { stdio: ["ignore", "ignore", "pipe"] });
  const stop = (): void => void child.kill();
  process.once("exit", stop);
  const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  const last: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    counter.read(line);
    if (last.push(line) > LAST_LINES) last.shift();
  }
  const code = await ended;
  process.off("exit", stop);
  if (code !== 0) throw new Error(`the process whose kernels are counted ended with ${code}:\n${last.join("\n")}`);
  return rowsOf(counter.counts);
}

export function rowsOf(counts: ReadonlyMap<string, number>): KernelRow[] {
  const [few, many] = LAYERS;
  return (
    countedCases()
      // GPUs without float16 leave it out.
      .filter((one) => one.layers === few && counts.has(keyOf({ ...one, work: "token" })))
      .map(({ structure, form }) => {
        const line = (work: Work): PerLayer => {
          const at = (layers: number): number => counts.get(keyOf({ structure, form, layers, work })) ?? Number.NaN;
          const layer = (at(many) - at(few)) / (many - few);
          return { layer, rest: at(few) - few * layer };
        };
        const kernels = {
          token: line("token"),
          "adapted token": line("adapted token"),
          "training step": line("training step"),
        };
        return { structure, form, kernels };
      })
  );
}
