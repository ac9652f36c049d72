/** @file A contender's process as its parent sees it: calls that take turns. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { packageFolder } from "../../src/version.ts";
import type { Contender, Loaded, Reply, Request, Trainer, Turn } from "./contender.ts";

export class ContenderProcess implements Contender, Trainer {
  readonly #script: string;
  readonly #child: ChildProcess;

  /**
   * @param script of bench/models, as compiled
   * @param args what it wants to know
   * @param env added to this process's own environment
   */
  constructor(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#script = script;
    const path = join(packageFolder, "dist", "bench", "models", script);
    // Its output would end up between the lines of tables.
    this.#child = fork(path, [...args], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, ...env },
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  load(): Promise<Loaded> {
    return this.#ask("load");
  }

  turn(prompt: readonly number[], tokens: number): Promise<Turn> {
    return this.#ask("turn", prompt, tokens);
  }

  logits(ids: readonly number[]): Promise<Float32Array> {
    return this.#ask("logits", ids);
  }

  /** Of this library only. */
  steps(ids: readonly number[], count: number): Promise<number[]> {
    return this.#ask("steps", ids, count);
  }

  /** Calls must not overlap: replies carry no number. */
  #ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const child = this.#child;
    return new Promise<T>((resolve, reject) => {
      const settle = (): void => {
        child.off("message", answered);
        child.off("exit", ended);
      };
      const answered = (reply: Reply): void => {
        settle();
        if ("error" in reply) reject(new Error(reply.error));
        else resolve(reply.value as T);
      };
      const ended = (code: number | null, signal: string | null): void => {
        settle();
        reject(new Error(`${this.#script} ended (${code ?? signal}) during ${method}; its message is above`));
      };
      child.on("message", answered);
      child.on("exit", ended);
      child.send({ method, args } satisfies Request);
    });
  }

  async dispose(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
