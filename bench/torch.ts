/** @file PyTorch + PEFT at the same step, in a process of its own that answers one line with one line. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { packageFolder } from "../src/version.ts";
import { LEARNING_RATE, LORA, type RandomModel, type Shape } from "./lora-model.ts";

export interface TorchTurn {
  /** Of the first step of the turn. */
  readonly loss: number;
  /** Seconds of each step. */
  readonly seconds: readonly number[];
}

/** The Python of GLMLAB_TORCH_PYTHON, else that of bench/.venv, else none. */
export function torchPython(): string | undefined {
  const own = join(packageFolder, "bench", ".venv", "bin", "python");
  return process.env.GLMLAB_TORCH_PYTHON ?? (existsSync(own) ? own : undefined);
}

export class TorchStep {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: NonNullable<ChildProcess["stdin"]>;

  /** @param compiled through torch.compile instead of eagerly */
  constructor(python: string, shape: Shape, { folder, batch }: RandomModel, compiled: boolean) {
    const script = join(packageFolder, "bench", "lora_step.py");
    const child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#input = child.stdin;
    const lines: Interface = createInterface(child.stdout);
    this.#lines = lines[Symbol.asyncIterator]();
    child.on("error", (error) => lines.close() ?? console.error(`${python}: ${error.message}`));
    this.#send({ shape, folder, batch, lora: LORA, lr: LEARNING_RATE, compiled });
  }

  /** Steps until `budget` seconds have passed. */
  async run(budget: number): Promise<TorchTurn> {
    this.#send({ budget });
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("bench/lora_step.py ended early; its message is above");
    return JSON.parse(value) as TorchTurn;
  }

  dispose(): void {
    this.#input.end();
    this.#child.kill();
  }

  #send(message: unknown): void {
    this.#input.write(`${JSON.stringify(message)}\n`);
  }
}
