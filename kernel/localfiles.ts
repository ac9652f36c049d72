/** @file Local TypeScript and JavaScript files that cells import: run once, and again after they have changed. */
import { dirname, extname, relative, resolve } from "node:path";
import type { CompiledModule } from "./compiler.ts";

/** Runs a module's code, which fills `exports`. `chain` are the paths of the modules that wait for it, and its own. */
export type RunModule = (
  path: string,
  compiled: CompiledModule,
  exports: Record<string, unknown>,
  chain: readonly string[],
) => Promise<void>;

interface Loaded {
  readonly exports: Record<string, unknown>;
  readonly ready: Promise<void>;
}

export class LocalModules {
  readonly #compiled = new Map<string, CompiledModule>();
  readonly #loaded = new Map<string, Loaded>();
  readonly #run: RunModule;

  constructor(run: RunModule) {
    this.#run = run;
  }

  /** Takes files as newly compiled; those that have changed, and those that import them, will be run again. */
  update(files: ReadonlyMap<string, CompiledModule>): void {
    // A new compiler compiles every file anew.
    const changed = [...files.keys()].filter((path) => files.get(path)?.module !== this.#compiled.get(path)?.module);
    for (const [path, compiled] of files) this.#compiled.set(path, compiled);
    for (let path = changed.pop(); path !== undefined; path = changed.pop()) {
      this.#loaded.delete(path);
      for (const [importer, { imports }] of this.#compiled) {
        const isAffected =
          this.#loaded.has(importer) && imports.some((name) => this.find(name, dirname(importer)) === path);
        if (isAffected) changed.push(importer);
      }
    }
  }

  /** The path under which a relative import of a file in `folder` was compiled, if it was. */
  find(specifier: string, folder: string): string | undefined {
    if (!/^(\.\.?(\/|$)|\/)/.test(specifier)) return undefined;
    const path = resolve(folder, specifier);
    const stem = /^\.(ts|tsx|js|jsx)$/.test(extname(path)) ? path.slice(0, -extname(path).length) : path;
    return [`${stem}.js`, `${path}.js`, resolve(path, "index.js")].find((candidate) => this.#compiled.has(candidate));
  }

  /** The module's exports. `chain` are the modules that wait for it: in a cycle they get what there is so far. */
  async load(path: string, chain: readonly string[]): Promise<Record<string, unknown>> {
    const known = this.#loaded.get(path);
    if (known) {
      if (!chain.includes(path)) await known.ready;
      return known.exports;
    }
    const compiled = this.#compiled.get(path);
    if (!compiled) throw new Error(`${relative(process.cwd(), path)} was not compiled with the cell that imports it.`);
    const exports: Record<string, unknown> = {};
    const ready = Promise.resolve().then(() => this.#run(path, compiled, exports, [...chain, path]));
    this.#loaded.set(path, { exports, ready });
    try {
      await ready;
    } catch (error) {
      this.#loaded.delete(path);
      throw error;
    }
    return exports;
  }
}
