/**
 * @file Declarations of what the running Node has and the TypeScript of cells, or the types of Node that come with us, do
 * not know yet. Each part is declared only where it is there at run time.
 */
import { builtinModules } from "node:module";
import { BUFFERS, COLLECTIONS, MODULES, OLD_DATES, PROMISES, STRINGS, WEB_CRYPTO, WORKERS } from "./newmembers.ts";
import { WEB_ASSEMBLY } from "./webassembly.ts";

/** Some declarations, and whether what they declare is there. */
export interface Part {
  readonly has: boolean;
  readonly text: string;
}

const PARTS: readonly Part[] = [
  ...COLLECTIONS,
  ...STRINGS,
  ...PROMISES,
  ...BUFFERS,
  ...OLD_DATES,
  ...WEB_CRYPTO,
  ...WORKERS,
  ...MODULES,
  WEB_ASSEMBLY,
];

/**
 * The text of a declaration file. It must come after all others: names that have a declaration already keep it, and the
 * rest of what is global is declared as `any`, which is better than refusing what would run. The same for modules.
 * @param isTyped whether there are types for a module of Node's
 */
export function runningNodeDeclarations(isTyped: (module: string) => boolean): string {
  const globals = Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name));
  const modules = builtinModules
    .map((name) => name.replace(/^node:/, ""))
    .filter((name) => !name.startsWith("_") && !isTyped(name));
  return [
    ...PARTS.filter(({ has }) => has).map(({ text }) => text),
    // What modules add to the global names is taken in after all files, in order: so these come last indeed.
    'declare module "glmlab-globals" { global {',
    ...globals.filter((name) => !RESERVED.has(name)).map((name) => `var ${name}: any;`),
    "} }",
    ...modules.flatMap((name) => [`declare module "${name}";`, `declare module "node:${name}";`]),
  ].join("\n");
}

/** What TypeScript declares itself, or has as keywords. */
const RESERVED = new Set(["undefined", "globalThis"]);
