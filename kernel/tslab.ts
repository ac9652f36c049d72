/** @file The only user of tslab: its converter with TypeScript inside, adjusted so that cells compile in any folder. */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Converter, ConvertResult } from "tslab/dist/converter.js";
import { requireCached } from "./compilecache.ts";
import { DISPLAY_TYPES } from "./display.ts";
import { type Builder, emitting, isLocalSource, type Written } from "./emit.ts";
import type { Lookup } from "./resolve.ts";
import { runningNodeDeclarations } from "./runningnode.ts";
import { asModule, LocalFiles, withoutComments } from "./sourcefiles.ts";
import type { TypeScript, ts } from "./typescript.ts";

export type { CompletionInfo, Diagnostic } from "tslab/dist/converter.js";
export type { Converter, ConvertResult };

const require = createRequire(import.meta.url);
const tslabFolder = dirname(require.resolve("tslab/package.json"));
const requireFromTslab = createRequire(join(tslabFolder, "package.json"));
const typescriptFile = requireFromTslab.resolve("@tslab/typescript-for-tslab");
// Our own: those that tslab depends on are of an older Node, and tslab looks for them in its own node_modules only.
const nodeTypes = dirname(require.resolve("@types/node/package.json"));
// Part of the types of Node: fetch() and what belongs to it.
const fetchTypes = dirname(createRequire(join(nodeTypes, "index.d.ts")).resolve("undici-types/package.json"));
/** Declarations that are read without their comments, as TypeScript writes paths. */
const plainFolders = [dirname(typescriptFile), nodeTypes, fetchTypes].map((folder) => folder.replaceAll("\\", "/"));

export interface ConverterOptions {
  /** The notebook's folder: relative imports and its node_modules start here. */
  readonly cwd: string;
  /** Where to look for a specifier, in order. */
  lookups(specifier: string, importer: string): readonly Lookup[];
}

export interface LoadedConverter {
  readonly ts: TypeScript;
  readonly converter: Converter;
  /** The program of the last conversion, completion or inspection. */
  program(): ts.Program;
  /** Tells the converter which local files changed; call it before each conversion. */
  refresh(): void;
  /** JavaScript of the local files that are new or have changed, by their paths. */
  takeFiles(): Map<string, string>;
}

/**
 * Loads TypeScript and creates a converter: most of a kernel's cold start, all of it synchronous. Its convert() returns
 * both JavaScript outputs as ES modules with an inline source map, one step before where the original stops.
 */
export function loadConverter(options: ConverterOptions): LoadedConverter {
  const typescript = requireCached(typescriptFile) as TypeScript;
  const files = new LocalFiles();
  const emitted = new Map<string, string>();
  const written: Written = new Map();
  let program: ts.Program | undefined;
  const created = (builder: Builder): Builder => {
    program = builder.getProgram();
    for (const file of program.getSourceFiles()) standAlone(file);
    return emitting(typescript, builder, emitted, written);
  };
  const module = requireFromTslab.cache[typescriptFile] as NodeJS.Module;
  module.exports = adjusted(typescript, options, files, created);
  const converterFile = requireFromTslab.resolve("./dist/converter.js");
  delete requireFromTslab.cache[converterFile]; // a second converter must see its own adjusted TypeScript
  try {
    const { createConverter } = requireFromTslab(converterFile) as typeof import("tslab/dist/converter.js");
    return {
      ts: typescript,
      converter: createConverter(),
      program: () => program as ts.Program,
      refresh: () => files.refresh(),
      takeFiles: () => {
        const taken = new Map(emitted);
        emitted.clear();
        return taken;
      },
    };
  } finally {
    module.exports = typescript;
  }
}

/**
 * A file in which `await` stands before a bracket is parsed twice, and TypeScript goes on naming the first tree as the one
 * that the second was made of. It asks that one what the file imports when it writes a type that comes from a module, as in
 * `const glm = await (await import("glmlab")).load("tiny")`: nobody has told it, and TypeScript fails.
 */
function standAlone(file: ts.SourceFile): void {
  (file as { original?: ts.Node | undefined }).original = undefined;
}

/** tslab's own module, for cells that import it; its display functions call `write`. */
export function tslabModule(
  write: (bundle: Record<string, unknown>, id: string | undefined, update: boolean) => void,
): Record<string, unknown> {
  const api = requireFromTslab("./dist/public.js") as Record<string, unknown>;
  const jupyter = requireFromTslab("./dist/jupyter.js") as typeof import("tslab/dist/jupyter.js");
  Object.assign(jupyter, {
    lastWriteDisplayData: ((content, update) => {
      write(content.data, content.transient.display_id, update ?? false);
    }) satisfies typeof jupyter.lastWriteDisplayData,
  });
  return api;
}

/**
 * A copy of TypeScript's API in which the few functions that tslab calls to set itself up do what a notebook needs.
 * (The properties of the original cannot be redefined.)
 */
function adjusted(
  ts: TypeScript,
  options: ConverterOptions,
  files: LocalFiles,
  created: (builder: Builder) => Builder,
): TypeScript {
  const virtual = globalDeclarations();
  const unchanging = new Set<string>();
  const system: ts.System = {
    ...ts.sys,
    getCurrentDirectory: () => options.cwd,
    fileExists: (path) => path === virtual.file || ts.sys.fileExists(path),
    directoryExists: (path) => path === virtual.folder || ts.sys.directoryExists(path),
    readFile: (path, encoding) => {
      if (path === virtual.file) return virtual.text;
      const text = ts.sys.readFile(path, encoding);
      if (text === undefined) return undefined;
      if (!plainFolders.some((folder) => path.startsWith(folder))) return asModule(ts, path, text);
      const plain = withoutComments(text);
      unchanging.add(plain);
      return plain;
    },
    // TypeScript tells versions of a file by the hash of its text: a megabyte of what has one version only.
    createHash: (text) => (unchanging.has(text) ? `${text.length}` : (ts.sys.createHash?.(text) ?? text)),
    watchFile: (path, callback) => files.watch(path, callback),
    watchDirectory: () => ({ close: () => {} }),
  };
  const api: Partial<Internals> = {
    sys: system,
    createWatchCompilerHost: (roots, compilerOptions, system, createProgram, report, reportWatch) => {
      const host = ts.createWatchCompilerHost(
        roots,
        { ...compilerOptions, ...compilerSettings(ts) },
        withPlainNames(ts, system),
        createProgram,
        report,
        reportWatch,
      );
      return Object.assign(host, moduleResolution(ts, options));
    },
    createWatchProgram: (host) => {
      const tell = host.afterProgramCreate;
      host.afterProgramCreate = (builder) => tell?.(created(builder));
      return ts.createWatchProgram(host);
    },
    getPreEmitDiagnosticsOfFiles: (program, sources) =>
      (ts as Internals)
        .getPreEmitDiagnosticsOfFiles(program, [...sources, ...overlooked(program)])
        .filter(({ code }) => !isAboutDeclarations(code)),
    // tslab's second pass, to CommonJS: ours follows later and keeps its source map.
    transpileModule: (javascript) => ({ outputText: javascript }),
  };
  return { ...ts, ...api } as TypeScript;
}

/** Local files that tslab does not know to be such. */
function overlooked(program: ts.Program): readonly ts.SourceFile[] {
  return program.getSourceFiles().filter(({ fileName }) => isLocalSource(fileName) && !/\.[jt]s$/.test(fileName));
}

/** What tslab calls, with its watch functions narrowed to the overload it uses and a function that only its fork has. */
type Internals = Omit<TypeScript, "createWatchCompilerHost" | "createWatchProgram"> & {
  createWatchCompilerHost(
    roots: string[],
    options: ts.CompilerOptions,
    system: ts.System,
    createProgram?: ts.CreateProgram<Builder>,
    report?: ts.DiagnosticReporter,
    reportWatch?: ts.WatchStatusReporter,
  ): ts.WatchCompilerHostOfFilesAndCompilerOptions<Builder>;
  createWatchProgram(
    host: ts.WatchCompilerHostOfFilesAndCompilerOptions<Builder>,
  ): ts.WatchOfFilesAndCompilerOptions<Builder>;
  getPreEmitDiagnosticsOfFiles(program: ts.Program, files: readonly ts.SourceFile[]): readonly ts.Diagnostic[];
};

/** A package of types that is nowhere but here. */
const GLOBALS = "glmlab-globals";

function globalDeclarations(): { readonly folder: string; readonly file: string; readonly text: string } {
  const typed = new Set(readdirSync(nodeTypes).map((name) => name.replace(/\.d\.ts$/, "")));
  const folder = `${dirname(nodeTypes).replaceAll("\\", "/")}/${GLOBALS}`;
  return {
    folder,
    file: `${folder}/index.d.ts`,
    text: runningNodeDeclarations((module) => typed.has(module.split("/")[0] ?? "")) + DISPLAY_TYPES,
  };
}

function compilerSettings(ts: TypeScript): ts.CompilerOptions {
  return {
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    inlineSourceMap: true,
    disableTopLevelAwait: false, // an option of tslab's TypeScript
    checkJs: false, // plain JavaScript is run as it is, unless it says // @ts-check
    lib: ["lib.es2023.d.ts"],
    typeRoots: [dirname(nodeTypes)],
    types: ["node", GLOBALS], // in this order: what comes later does not change what is declared
  };
}

/**
 * tslab exports a cell's variables by the names that TypeScript's tables have for them, where `__x` is `___x`.
 * Here the names in that last line of a cell are put right.
 */
function withPlainNames(ts: TypeScript, system: ts.System): ts.System {
  return Object.assign(Object.create(system) as ts.System, {
    readFile(path: string, encoding?: string): string | undefined {
      const text = system.readFile(path, encoding);
      if (!path.endsWith("/__tslab__.ts")) return text;
      return text?.replace(/\nexport \{[\w$, ]*\}$/, (list) => {
        return list.replace(/[\w$]+/g, (name) => ts.unescapeLeadingUnderscores(name as ts.__String));
      });
    },
  });
}

/** Resolves specifiers from the importing file first, then from wherever else the kernel would find them at run time. */
function moduleResolution(ts: TypeScript, options: ConverterOptions): Partial<ts.WatchCompilerHost<ts.BuilderProgram>> {
  return {
    resolveModuleNameLiterals(literals, containingFile, redirect, compilerOptions) {
      const host = this as ts.ModuleResolutionHost;
      return literals.map(({ text }) => {
        for (const [name, importer] of options.lookups(text, containingFile)) {
          const found = ts.resolveModuleName(name, importer, compilerOptions, host, undefined, redirect);
          if (found.resolvedModule) return found;
        }
        return { resolvedModule: undefined };
      });
    },
    hasInvalidatedResolutions: () => false, // files that did not change keep what they resolved; cells always change
  };
}

/**
 * "... has or is using name ... but cannot be named" and its kin: they would forbid values of unexported types.
 * 6059: a file above the notebook's folder.
 */
function isAboutDeclarations(code: number): boolean {
  return (code >= 4000 && code <= 4103) || [2527, 2742, 6059, 7056].includes(code);
}
