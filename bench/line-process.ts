/** @file A program in a process of its own: lines of JSON go in and come out. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class LineProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #input: NonNullable<ChildProcess["stdin"]>;
  readonly #lines: AsyncIterator<string>;
  /** How it ended. */
  readonly #ended: Promise<string>;
  readonly #stop = (): void => void this.#child.kill();

  /**
   * @param name what messages call it
   * @param env this process's environment, unless given
   */
  constructor(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#name = name;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env });
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

  get pid(): number {
    return this.#child.pid as number;
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
