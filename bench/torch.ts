/** @file PyTorch + PEFT at the same step, in a process of its own. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../src/version.ts";
import { LEARNING_RATE, LORA, type RandomModel, type Shape } from "./lora-model.ts";
import { PythonScript } from "./python-script.ts";

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
  readonly #script: PythonScript;

  /** @param compiled through torch.compile instead of eagerly */
  constructor(python: string, shape: Shape, { folder, batch }: RandomModel, compiled: boolean) {
    this.#script = new PythonScript(python, "lora_step.py");
    this.#script.send({ shape, folder, batch, lora: LORA, lr: LEARNING_RATE, compiled });
  }

  /** Steps until `budget` seconds have passed. */
  async run(budget: number): Promise<TorchTurn> {
    this.#script.send({ budget });
    return (await this.#script.next()) as TorchTurn;
  }

  dispose(): void {
    this.#script.dispose();
  }
}
