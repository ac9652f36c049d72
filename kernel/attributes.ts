/** @file Import attributes, `import data from "./a.json" with { type: "json" }`, which the compiler is too old to read. */
import type { TypeScript } from "./typescript.ts";

const PATTERN = /(["'])((?:(?!\1)[^\\\n])*)\1(\s*)(with\s*\{[^{}]*\})/g;

/** The code with blanks in place of attributes: every other offset stays. Modules are loaded by what they are. */
export function withoutAttributes(ts: TypeScript, code: string): string {
  if (!/["']\s*with\s*\{/.test(code)) return code;
  const blank = (from: string, isMeant: (end: number) => boolean): string =>
    from.replace(PATTERN, (whole, _quote, _name, _space, attributes: string, at: number) => {
      const rest = whole.slice(0, -attributes.length);
      return isMeant(at + rest.trimEnd().length) ? rest + attributes.replace(/[^\n]/g, " ") : whole;
    });
  // The same may stand in the text of a template: it counts where the name of an import ends before it.
  const file = ts.createSourceFile(
    "x.ts",
    blank(code, () => true),
    ts.ScriptTarget.ES2022,
  );
  const ends = file.statements.map((statement) => {
    const names = ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
    return names ? statement.moduleSpecifier?.end : undefined;
  });
  return blank(code, (end) => ends.includes(end));
}
