/** @file PyTorch + PEFT at the same step, in a process of its own that answers one line with one line. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
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

const folder = join(packageFolder, "bench", ".venv");
const own = process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");

/** The Python of GLMLAB_TORCH_PYTHON, else that of bench/.venv, else none. */
export function torchPython(): string | undefined {
  return process.env.GLMLAB_TORCH_PYTHON ?? (existsSync(own) ? own : undefined);
}

/** Makes bench/.venv and installs bench/requirements.txt into it: some gigabytes from PyPI. */
export function installTorch(): void {
  const requirements = join(packageFolder, "bench", "requirements.txt");
  execFileSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
  execFileSync(own, ["-m", "pip", "install", "--quiet", "--requirement", requirements], { stdio: "inherit" });
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
