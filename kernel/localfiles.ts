/** @file Local TypeScript and JavaScript files that cells import: run once, and again after they have changed. */
import { dirname, extname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
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

  /**
   * Takes files as newly compiled, and others, which are not compiled (any more), as changed; those that have changed, and
   * those that import them, will be run again.
   */
  update(files: ReadonlyMap<string, CompiledModule>, others: Iterable<string>): void {
    // A new compiler compiles every file anew.
    const compiled = [...files.keys()].filter((path) => files.get(path)?.module !== this.#compiled.get(path)?.module);
    const changed = [...compiled, ...others];
    for (const path of others) this.#compiled.delete(path);
    for (const [path, compiled] of files) this.#compiled.set(path, compiled);
    for (let path = changed.pop(); path !== undefined; path = changed.pop()) {
      this.#loaded.delete(path);
      for (const [importer, { imports }] of this.#compiled) {
        const isAffected =
          this.#loaded.has(importer) && imports.some((name) => candidates(name, dirname(importer)).includes(path));
        if (isAffected) changed.push(importer);
      }
    }
  }

  /** Those of the files that were compiled. */
  compiled(paths: Iterable<string>): readonly string[] {
    return [...paths].filter((path) => this.#compiled.has(path));
  }

  /** The path of the file that a relative import of a file in `folder` means, if it was compiled. */
  find(specifier: string, folder: string): string | undefined {
    return candidates(specifier, folder).find((candidate) => this.#compiled.has(candidate));
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

/** Extensions of what is meant by that of the JavaScript it becomes, as TypeScript has it. */
const SOURCES: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};

/** The paths that a relative import of a file in `folder` may mean, in order; none for packages. */
function candidates(specifier: string, folder: string): readonly string[] {
  const isUrl = specifier.startsWith("file:");
  if (!isUrl && !/^(\.\.?(\/|$)|\/)/.test(specifier)) return [];
  const path = isUrl ? fileURLToPath(specifier) : resolve(folder, specifier);
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const extended = [".ts", ".tsx", ".js", ".jsx", ".json"];
  return [
    ...(SOURCES[extension] ?? []).map((source) => stem + source),
    path,
    ...extended.map((added) => path + added),
    ...extended.map((added) => resolve(path, `index${added}`)),
  ];
}
