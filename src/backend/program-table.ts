/** @file Programs by name, each compiled when it is first asked for. */
import type { Program } from "./program.ts";

export class ProgramTable {
  readonly #programs = new Map<string, Promise<Program>>();

  /** One that could not be compiled is compiled again when it is asked for again. */
  get(key: string, compile: () => Promise<Program>): Promise<Program> {
    const known = this.#programs.get(key);
    if (known) return known;
    const made = compile();
    made.catch(() => this.#programs.delete(key));
    this.#programs.set(key, made);
    return made;
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(programs.map((result) => (result.status === "fulfilled" ? result.value.dispose() : undefined)));
  }
}
