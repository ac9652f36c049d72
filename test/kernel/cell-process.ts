/** @file Runs cells in a process of their own (cell-host.mjs) and keeps what each of them put out. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { CellOutcome, Completeness, Completion, Language } from "../../kernel/language.ts";
import type { MimeBundle } from "../../src/ambient.ts";
import { lateness } from "./lateness.ts";

const host = fileURLToPath(new URL("cell-host.mjs", import.meta.url));

/** What an interruptible cell writes when it begins; tests do not see it. */
const BEGUN = "\u0002";

export interface Shown {
  readonly kind: "display" | "update";
  readonly bundle: MimeBundle;
  readonly id?: string;
}

/** What a cell put out; it grows when output comes late. */
export interface Output {
  stdout: string;
  stderr: string;
  readonly shown: Shown[];
}

export interface Ran {
  readonly outcome: CellOutcome;
  readonly output: Output;
  /** The result's text, undefined when there is none. */
  readonly text: unknown;
}

export class CellProcess {
  /** An empty folder, unless a test puts something there. */
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  readonly #outputs = new Map<number, Output>();
  #begun = (): void => {};
  #id = 0;
  #count = 0;

  private constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    const stdio = ["ignore", "inherit", "inherit", "ipc", "pipe"] as const;
    this.#child = spawn(process.execPath, [host], { cwd: folder, env: { ...process.env, ...env }, stdio: [...stdio] });
  }

  /** Resolves when the first cell may run. */
  static async start(
    env: NodeJS.ProcessEnv = {},
    folder = mkdtempSync(join(tmpdir(), "notebook-")),
  ): Promise<CellProcess> {
    const process = new CellProcess(folder, env);
    await new Promise<void>((resolve, reject) => {
      process.#child.once("exit", (code, signal) => {
        const error = new Error(`The host ended with ${code ?? signal}.`);
        reject(error);
        for (const waiting of process.#waiting.values()) waiting.reject(error);
      });
      process.#child.on("message", (message: { ready?: true }) => {
        if (message.ready) resolve();
        else process.#receive(message as never);
      });
    });
    return process;
  }

  async run(code: string): Promise<Ran> {
    const count = ++this.#count;
    const output: Output = { stdout: "", stderr: "", shown: [] };
    this.#outputs.set(count, output);
    const outcome = await this.#ask<CellOutcome>("execute", [code, count]);
    return { outcome, output, text: outcome.status === "ok" ? outcome.result?.["text/plain"] : undefined };
  }

  /** Runs a cell that must succeed and returns its result's text. */
  async text(code: string): Promise<unknown> {
    const { outcome, text } = await this.run(code);
    if (outcome.status === "error") throw new Error(`${code}\n${outcome.traceback.join("\n")}`);
    return text;
  }

  /** Runs a cell that must fail. */
  async failure(code: string): Promise<Extract<CellOutcome, { status: "error" }> & { plain: string }> {
    const { outcome } = await this.run(code);
    if (outcome.status === "ok") throw new Error(`This cell was to fail:\n${code}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    return { ...outcome, plain: outcome.traceback.join("\n").replace(/\u001b\[\d+m/g, "") };
  }

  /**
   * Interrupts a cell `delay` ms after it has begun. `took`: milliseconds from the interrupt to the cell's end; `late`:
   * how late a timer of this process was meanwhile, which says how busy the machine is.
   */
  async interrupt(code: string, delay = 100): Promise<Ran & { took: number; late: number }> {
    const begun = new Promise<void>((resolve) => {
      this.#begun = resolve;
    });
    const cell = this.run(`process.stdout.write(${JSON.stringify(BEGUN)}); ${code}`);
    await begun;
    await pause(delay);
    const start = performance.now();
    (this.#child.stdio[4] as Writable).write("interrupt\n");
    const late = lateness();
    const ran = await cell;
    const took = performance.now() - start;
    return { ...ran, took, late: await late };
  }

  complete(code: string, cursor: number = code.length): Promise<Completion> {
    return this.#ask("complete", [code, cursor]);
  }

  inspect(code: string, cursor: number): Promise<MimeBundle | undefined> {
    return this.#ask<ReturnType<Language["inspect"]>>("inspect", [code, cursor, 0]);
  }

  isComplete(code: string): Promise<Completeness> {
    return this.#ask("isComplete", [code]);
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  stop(): void {
    this.#child.removeAllListeners("exit");
    this.#child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #ask<T>(method: keyof Language, params: readonly unknown[]): Promise<T> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, method, params });
    });
  }

  #receive(
    message: { id: number; result: never } | { cell: number; kind: Shown["kind"] | "stdout" | "stderr"; value: never },
  ): void {
    if ("id" in message) {
      this.#waiting.get(message.id)?.resolve(message.result);
      this.#waiting.delete(message.id);
      return;
    }
    const output = this.#outputs.get(message.cell);
    if (!output) return;
    if (message.kind === "stdout" && message.value === BEGUN) this.#begun();
    else if (message.kind === "stdout" || message.kind === "stderr") output[message.kind] += message.value as string;
    else output.shown.push({ kind: message.kind, ...(message.value as Omit<Shown, "kind">) });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
