/** @file A Python script of this folder in a process of its own: lines of JSON go in and come out. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageFolder } from "../src/version.ts";

export class PythonScript {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #input: NonNullable<ChildProcess["stdin"]>;
  readonly #lines: AsyncIterator<string>;
  /** How it ended. */
  readonly #ended: Promise<string>;
  readonly #stop = (): void => void this.#child.kill();

  /** @param script a file's name in bench/ */
  constructor(python: string, script: string) {
    this.#name = `${python} bench/${script}`;
    // Without -B, Python would write compiled files beside the sources.
    const child = spawn(python, ["-B", join(packageFolder, "bench", script)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#input = child.stdin;
    const lines = createInterface(child.stdout);
    this.#lines = lines[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      child.once("error", ({ message }) => {
        lines.close();
        resolve(`did not start: ${message}`);
      });
      child.once("close", (code, signal) =>
        resolve(`ended early with ${code ?? signal}; if it said why, that is above`),
      );
    });
    // What is written to a process that has ended is lost; whoever waits for the answer is told.
    child.stdin.on("error", () => undefined);
    process.once("exit", this.#stop);
  }

  send(message: unknown): void {
    this.#input.write(`${JSON.stringify(message)}\n`);
  }

  /**
   * The next line that it prints.
   * @throws Error when it ends instead, or prints something else
   */
  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#name} ${await this.#ended}`);
    try {
      return JSON.parse(value);
    } catch {
      throw new Error(`${this.#name}: expected a line of JSON, got ${JSON.stringify(value)}`);
    }
  }

  dispose(): void {
    process.off("exit", this.#stop);
    this.#input.end();
    this.#child.kill();
  }
}
