/** @file What --show-code prints: code of the library alone, with the imports that it needs. */
import { type Code, printCode } from "./code.ts";
import { RUNTIME } from "./values.ts";

/** What generated code takes from a namespace; what users have written is left as it is. */
const TAKEN = new RegExp(`${RUNTIME}\\.(\\w+)`, "g");

/** Functions that are Node's, not the library's. */
const OF_NODE: readonly string[] = ["readFile", "writeFile"];

/** The code as a cell of its own. */
export function libraryCode(code: Code, source: string): string {
  const names = new Set<string>();
  const take = (_: string, name: string): string => {
    names.add(name);
    return name;
  };
  const body = printCode(
    code.map((piece) => (typeof piece === "string" ? piece.replace(TAKEN, take) : piece)),
    source,
  );
  const [ofNode, own] = [true, false].map((wanted) => [...names].filter((name) => OF_NODE.includes(name) === wanted));
  const imports = importLine(ofNode ?? [], "node:fs/promises") + importLine(own ?? [], "glmlab");
  return imports === "" ? body : `${imports}\n${body}`;
}

function importLine(names: readonly string[], module: string): string {
  return names.length === 0 ? "" : `import { ${[...names].sort().join(", ")} } from "${module}";\n`;
}
