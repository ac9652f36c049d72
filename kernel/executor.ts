/** @file Runs compiled cells and keeps the notebook's variables. Knows nothing of interrupts, output or errors. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";
import { CELL_SCOPE } from "./commonjs.ts";
import type { CompiledCell, CompiledModule } from "./compiler.ts";
import { LocalModules } from "./localfiles.ts";
import type { ModuleResolver } from "./resolve.ts";
import type { Origin, SourceMaps } from "./sourcemap.ts";
import { cellTimers, resume, timerModules } from "./timers.ts";

type Variables = Record<string, unknown>;

/** How a cell is called in tracebacks, and what its positions lead back to. */
export type CellOrigin = Pick<Origin, "name" | "text" | "expanded" | "map">;

export interface ExecutorOptions {
  readonly modules: ModuleResolver;
  readonly maps: SourceMaps;
  /** The module that cells get for `import "tslab"`. */
  tslab(): Variables;
}

const PARAMETERS = ["exports", "require", "__filename", "__dirname", CELL_SCOPE, ...Object.keys(cellTimers)].join(", ");

/** A script: its name for V8, and the file that it is, or would be in the notebook's folder. */
interface Named {
  readonly script: string;
  readonly file: string;
}

export class Executor {
  /** The notebook's variables, as every cell sees them. */
  readonly variables: Variables;
  readonly #options: ExecutorOptions;
  readonly #files: LocalModules;
  #serial = 0;

  /** `variables` are there before the first cell. */
  constructor(options: ExecutorOptions, variables: Variables) {
    this.#options = options;
    this.variables = variables;
    this.#files = new LocalModules((path, compiled, exports, chain) => {
      options.maps.add(path, { ...fileOrigin(path, options.modules.cwd), ...stages(compiled, 0) });
      return this.#call({ script: path, file: path }, compiled, exports, chain);
    });
  }

  /** Runs a cell and returns the value of its last expression. What it assigned stays, also when it throws. */
  async run(cell: CompiledCell, origin: CellOrigin): Promise<unknown> {
    const script = `cell:${++this.#serial}`;
    this.#options.maps.add(script, { ...origin, ...stages(cell, 1) });
    const { modules } = this.#options;
    this.#files.update(cell.files, [...modules.refresh(cell.commonJs), ...this.#files.compiled(cell.commonJs)]);
    await this.#call({ script, file: join(modules.cwd, "notebook.ts") }, cell, this.variables, []);
    if (cell.result === undefined) return undefined;
    const value = this.variables[cell.result];
    this.variables[cell.result] = undefined; // so that it can be collected
    return await value;
  }

  async #call(
    { script: filename, file }: Named,
    compiled: CompiledModule,
    exports: Variables,
    chain: readonly string[],
  ): Promise<void> {
    const folder = dirname(file);
    const imported = new Map<string, Variables>();
    for (const specifier of compiled.imports) imported.set(specifier, await this.#import(specifier, folder, chain));
    const script = new Script(`(function (${PARAMETERS}) { return (async () => {\n${compiled.code}\n})(); })`, {
      filename,
      lineOffset: -1,
    });
    const scope = {
      imported: (specifier: string) => imported.get(specifier),
      import: (specifier: unknown) => this.#import(String(specifier), folder, []),
      meta: {
        url: pathToFileURL(file).href,
        filename: file,
        dirname: folder,
        resolve: (specifier: unknown) => this.#options.modules.resolve(String(specifier), folder),
      },
      resume,
    };
    const body = script.runInThisContext() as (...args: unknown[]) => Promise<void>;
    const require = this.#options.modules.requireOf(folder);
    await body(exports, require, file, folder, scope, ...Object.values(cellTimers));
  }

  #import(specifier: string, folder: string, chain: readonly string[]): Promise<Variables> {
    const path = this.#files.find(specifier, folder);
    if (path !== undefined) return this.#files.load(path, chain);
    const timers = timerModules.get(specifier.replace(/^node:/, ""));
    if (timers) return Promise.resolve(timers);
    if (specifier === "tslab") return Promise.resolve(this.#options.tslab());
    return this.#options.modules.import(specifier, folder);
  }
}

function stages(
  { module, map, shifted }: CompiledModule,
  prefixLines: number,
): Pick<Origin, "module" | "scriptMap" | "shifted" | "prefixLines"> {
  return { module, scriptMap: map, shifted, prefixLines };
}

function fileOrigin(path: string, cwd: string): CellOrigin {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return { name: relative(cwd, path), text, expanded: text, map: (offset) => offset };
}
