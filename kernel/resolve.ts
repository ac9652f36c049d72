/** @file Finds the modules that cells import: at compile time for their types, at run time for themselves. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { constants, runInThisContext } from "node:vm";
import { forgetChanged, noteRequired } from "./requirecache.ts";
import { timeOf } from "./sourcefiles.ts";

type Namespace = Record<string, unknown>;

/** Where to look for a specifier: as if the file, which need not exist, imported it. */
export type Lookup = readonly [specifier: string, importer: string];

export class ModuleResolver {
  /** The notebook's folder. */
  readonly cwd: string;
  readonly #root = packageRoot();
  readonly #globals = globalFolders();
  /** ES modules that Node has loaded: when they had been written then. */
  readonly #loaded = new Map<string, number>();
  #commonJs: ReadonlySet<string> = new Set();
  #changed = new Set<string>();
  readonly #requires = new Map<string, NodeJS.Require>();

  constructor(cwd: string) {
    this.cwd = cwd;
  }

  /** For the compiler: glmlab and tslab come with the kernel; other packages from the importer's folder, else global ones. */
  lookups(specifier: string, importer: string): readonly Lookup[] {
    if (isBuiltin(specifier)) return [];
    if (isOurs(specifier)) return [[specifier, join(this.#root, "kernel.ts")]];
    const own: Lookup = [specifier, importer];
    if (!isBare(specifier) || importer.includes("/node_modules/")) return [own];
    const global = this.#globals.map((folder): Lookup => {
      return basename(folder) === "node_modules"
        ? [specifier, join(dirname(folder), "x.ts")]
        : [`./${specifier}`, join(folder, "x.ts")];
    });
    return [own, ...global];
  }

  /**
   * Imports as an ES module in `folder` would. `glmlab` is the very instance that the kernel itself uses.
   * Throws what Node's import() throws; ERR_MODULE_NOT_FOUND names the notebook's folder.
   */
  async import(specifier: string, folder: string = this.cwd): Promise<Namespace> {
    if (isOurs(specifier)) return importFrom(this.#root, specifier);
    if (!isBare(specifier)) {
      const file = specifier.startsWith("file:") ? fileURLToPath(specifier) : resolve(folder, specifier);
      return await this.#importFile(file, folder);
    }
    try {
      return this.#withNames(specifier, folder, await importFrom(folder, specifier));
    } catch (error) {
      const elsewhere = isNotFound(error, specifier) ? this.#findGlobal(specifier) : undefined;
      if (elsewhere === undefined) throw error;
      return this.#withNames(elsewhere, folder, await importFrom(folder, pathToFileURL(elsewhere).href));
    }
  }

  /**
   * Begins a cell: local files that Node keeps and that have changed since the last one are forgotten, and named.
   * @param commonJs local files that the compiler found to be for require()
   */
  refresh(commonJs: ReadonlySet<string>): ReadonlySet<string> {
    this.#commonJs = commonJs;
    this.#forgetChanged();
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  #forgetChanged(): void {
    for (const file of forgetChanged()) this.#changed.add(file);
  }

  /** The URL that `import.meta.resolve()` of a file in `folder` gives. */
  resolve(specifier: string, folder: string): string {
    if (isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
    if (URL.canParse(specifier)) return new URL(specifier).href;
    if (!isBare(specifier)) return new URL(specifier, pathToFileURL(join(folder, "notebook.ts"))).href;
    const from = isOurs(specifier) ? this.#root : folder;
    return pathToFileURL(createRequire(join(from, "notebook.cjs")).resolve(specifier)).href;
  }

  /** The `require` of a file in `folder`: local files that have changed are read again. */
  requireOf(folder: string): NodeJS.Require {
    const known = this.#requires.get(folder) ?? this.#makeRequire(folder);
    this.#requires.set(folder, known);
    return known;
  }

  #makeRequire(folder: string): NodeJS.Require {
    const require = createRequire(join(folder, "notebook.cjs"));
    const fresh = (id: string): unknown => {
      this.#forgetChanged();
      try {
        return require(id);
      } finally {
        noteRequired();
      }
    };
    return Object.assign(fresh, require);
  }

  /** A local file that was not compiled with its importer: CommonJS, JSON, or one whose name was computed. */
  async #importFile(path: string, folder: string): Promise<Namespace> {
    const require = this.requireOf(folder);
    const file = resolved(require, path) ?? path;
    if (file.endsWith(".json")) return { default: require(file) };
    if (file.endsWith(".cjs") || this.#commonJs.has(file)) return namesOf(require(file));
    return await importFrom(folder, this.#freshUrl(file));
  }

  /** Node keeps every ES module that it has loaded, so one that has changed gets a name of its own. */
  #freshUrl(file: string): string {
    const { href } = pathToFileURL(file);
    const time = timeOf(file);
    const first = this.#loaded.get(file) ?? time;
    this.#loaded.set(file, first);
    return time === first ? href : `${href}?${time}`;
  }

  #findGlobal(specifier: string): string | undefined {
    for (const folder of this.#globals) {
      try {
        return createRequire(join(folder, "x.cjs")).resolve(
          basename(folder) === "node_modules" ? specifier : `./${specifier}`,
        );
      } catch {
        // not in this folder
      }
    }
    return undefined;
  }

  /**
   * Node finds the export names of a CommonJS module by a heuristic; TypeScript's types know them all. So a CommonJS
   * module is given to cells as TypeScript understands it: its properties, and itself (or its `default`) as default.
   */
  #withNames(specifier: string, folder: string, namespace: Namespace): Namespace {
    const exports = namespace.default;
    if (isBuiltin(specifier) || !hasMembers(exports)) return namespace;
    const require = createRequire(join(folder, "x.cjs"));
    try {
      if (require.cache[require.resolve(specifier)]?.exports !== exports) return namespace;
    } catch {
      return namespace; // a package for import() only
    }
    if (!exports.__esModule && Object.keys(exports).every((name) => name in namespace)) return namespace;
    return namesOf(exports);
  }
}

/** What a CommonJS module exports, as TypeScript understands it. */
function namesOf(exports: unknown): Namespace {
  if (!hasMembers(exports)) return { default: exports };
  return exports.__esModule ? exports : { ...exports, default: exports };
}

function hasMembers(value: unknown): value is Namespace {
  return value !== null && (typeof value === "object" || typeof value === "function");
}

function resolved(require: NodeJS.Require, path: string): string | undefined {
  try {
    return require.resolve(path);
  } catch {
    return undefined; // the error of whoever loads it says why
  }
}

/** glmlab's own folder: what `package.json` says about its exports is found there. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "glmlab")
      return folder;
    if (folder === dirname(folder))
      throw new Error(`glmlab's package.json is in none of the folders above ${import.meta.url}.`);
  }
}

function isOurs(specifier: string): boolean {
  return specifier === "tslab" || specifier === "glmlab" || specifier.startsWith("glmlab/");
}

function isBare(specifier: string): boolean {
  return !/^(\.\.?(\/|$)|\/|file:|[A-Za-z]:[\\/])/.test(specifier);
}

/** Folders that `npm install --global` and NODE_PATH name, nearest first. */
function globalFolders(): readonly string[] {
  const named = (process.env.NODE_PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const prefix = dirname(process.execPath);
  const npm = process.platform === "win32" ? join(prefix, "node_modules") : join(prefix, "..", "lib", "node_modules");
  return [...named.map((folder) => resolve(folder)), npm];
}

function isNotFound(error: unknown, specifier: string): boolean {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return false;
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  return error.message.includes(`'${name}'`); // and not a module that the found one imports
}

/** Node's own import(), seen from a folder of our choice. */
function importFrom(folder: string, specifier: string): Promise<Namespace> {
  const load = runInThisContext("(specifier) => import(specifier)", {
    filename: join(folder, "notebook.mjs"),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as (specifier: string) => Promise<Namespace>;
  return load(specifier);
}
