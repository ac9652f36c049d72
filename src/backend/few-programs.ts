/**
 * @file Programs of which few are in memory at a time: each takes memory of its own and a thread. Those that were used last
 * stay; another is compiled again when it is needed. Equal graphs are one program, whoever made them.
 */
import { createHash } from "node:crypto";
import { encode } from "../graph/encode.ts";
import type { Graph } from "../graph/value.ts";
import type { Compile, CompileOptions, Program } from "./program.ts";

/** One graph, compiled or not. */
interface Entry {
  readonly graph: Graph;
  readonly options: CompileOptions;
  /** Handles that were given out for it and not disposed of. */
  handles: number;
  program: Promise<Program> | undefined;
  /** Runs under way: it must stay meanwhile. */
  running: number;
}

export class FewPrograms {
  readonly #compile: Compile;
  readonly #most: number;
  /** Not held: a graph that nobody has a program of any more goes. */
  readonly #entries = new Map<string, WeakRef<Entry>>();
  /** Those that are compiled, the one used last at the end. */
  readonly #compiled = new Set<Entry>();

  /** @param most that are compiled at a time, unless more of them run at once */
  constructor(compile: Compile, most: number) {
    this.#compile = compile;
    this.#most = most;
  }

  /** How many are in memory. */
  get size(): number {
    return this.#compiled.size;
  }

  readonly compile: Compile = async (graph, options = {}) => {
    const key = `${createHash("sha256").update(encode(graph)).digest("hex")} ${JSON.stringify(options)}`;
    for (const [other, known] of this.#entries) if (!known.deref()) this.#entries.delete(other);
    const entry = this.#entries.get(key)?.deref() ?? { graph, options, handles: 0, program: undefined, running: 0 };
    this.#entries.set(key, new WeakRef(entry));
    entry.handles += 1;
    const dispose = async (): Promise<void> => {
      entry.handles -= 1;
      if (entry.handles > 0) return;
      this.#entries.delete(key);
      await this.#release(entry);
    };
    try {
      await this.#use(entry, async () => undefined);
    } catch (error) {
      await dispose();
      throw error;
    }
    return { run: (inputs, into) => this.#use(entry, (program) => program.run(inputs, into)), dispose };
  };

  async dispose(): Promise<void> {
    this.#entries.clear();
    await Promise.all([...this.#compiled].map((entry) => this.#release(entry)));
  }

  async #use<T>(entry: Entry, work: (program: Program) => Promise<T>): Promise<T> {
    entry.running += 1;
    this.#compiled.delete(entry);
    this.#compiled.add(entry);
    try {
      // Before there is one more, not after.
      await this.#makeRoom();
      entry.program ??= this.#compile(entry.graph, entry.options);
      const { program } = entry;
      program.catch(() => {
        if (entry.program === program) entry.program = undefined;
        this.#compiled.delete(entry);
      });
      return await work(await program);
    } finally {
      entry.running -= 1;
      await this.#makeRoom();
    }
  }

  async #makeRoom(): Promise<void> {
    for (const entry of this.#compiled) {
      if (this.#compiled.size <= this.#most) return;
      if (entry.running === 0) await this.#release(entry);
    }
  }

  async #release(entry: Entry): Promise<void> {
    const { program } = entry;
    entry.program = undefined;
    this.#compiled.delete(entry);
    const compiled = await program?.catch(() => undefined);
    await compiled?.dispose();
  }
}
