/** @file What the converter writes: a cell's JavaScript and declarations, and the JavaScript of the local files it imports. */
import { isCommonJs, isLibrary } from "./sourcefiles.ts";
import type { TypeScript, ts } from "./typescript.ts";

export type Builder = ts.EmitAndSemanticDiagnosticsBuilderProgram;

/** Local files as they were last written, by their paths: the same object as long as a file has not changed. */
export type Written = Map<string, ts.SourceFile>;

/**
 * A builder whose emit() writes a cell's declarations also when a type "cannot be named" (it becomes `any` there), and
 * that gives the JavaScript of local files to `files`, by their own paths, and not to tslab, which knows some kinds of
 * files only, and none above the notebook's folder. CommonJS files are left to Node.
 */
export function emitting(ts: TypeScript, builder: Builder, files: Map<string, string>, written: Written): Builder {
  const emitFile = (file: ts.SourceFile): void => {
    if (isCommonJs(ts, file)) {
      written.delete(file.fileName);
      return;
    }
    written.set(file.fileName, file);
    const before = [shorthands(ts, builder.getProgram().getTypeChecker())];
    const take: ts.WriteFileCallback = (path, text) => {
      if (/\.[cm]?js$/.test(path)) files.set(file.fileName, text);
    };
    builder.getProgram().emit(file, take, undefined, false, { before });
  };
  return {
    ...builder,
    emit(file, write, token, onlyDeclarations, transformers) {
      if (!file?.fileName.endsWith(CELL)) return { emitSkipped: true, diagnostics: [] };
      const changed = builder.getSourceFiles().filter((one) => {
        return written.get(one.fileName) !== one && isLocalSource(one.fileName);
      });
      const needed = new Set(changed.length > 0 ? builder.getAllDependencies(file) : []);
      for (const one of changed) if (needed.has(one.fileName)) emitFile(one);
      let declared = false;
      const take: ts.WriteFileCallback = (path, text, ...rest) => {
        declared ||= path.endsWith(".d.ts");
        write?.(path, text, ...rest);
      };
      const fixed = { ...transformers, before: [shorthands(ts, builder.getProgram().getTypeChecker())] };
      const result = builder.emit(file, take, token, onlyDeclarations, fixed);
      if (!declared) {
        const program = builder.getProgram() as ts.Program & Forced;
        program.emit(file, take, token, true, transformers, true);
      }
      return result;
    },
  };
}

/** Ends the path of the file that holds a cell. */
const CELL = "/__tslab__.ts";

/** Files that cells import and that are compiled with them; neither declarations nor packages. */
export function isLocalSource(path: string): boolean {
  if (isLibrary(path) || path.endsWith(CELL)) return false;
  return /\.([cm]?[jt]s|[jt]sx)$/.test(path) && !/\.d\.[cm]?ts$/.test(path);
}

/** Local files that cells import and that Node's require() is to load. */
export function isLocalCommonJs(ts: TypeScript, file: ts.SourceFile): boolean {
  return isLocalSource(file.fileName) && isCommonJs(ts, file);
}

/** What TypeScript's emit() takes beyond its public parameters: `force` writes declarations in spite of errors. */
interface Forced {
  emit(
    file: ts.SourceFile | undefined,
    write: ts.WriteFileCallback,
    token: ts.CancellationToken | undefined,
    onlyDeclarations: true,
    transformers: ts.CustomTransformers | undefined,
    force: true,
  ): ts.EmitResult;
}

/**
 * `{ x }` becomes `{ x: exports.x }` where x is of an earlier cell, which tslab does for all other uses of x.
 */
function shorthands(ts: TypeScript, checker: ts.TypeChecker): ts.TransformerFactory<ts.SourceFile> {
  return (context) => {
    const visit = (node: ts.Node): ts.Node => {
      if (!ts.isShorthandPropertyAssignment(node)) return ts.visitEachChild(node, visit, context);
      const declarations = checker.getShorthandAssignmentValueSymbol(node)?.declarations ?? [];
      const isEarlier = declarations.some((declaration) =>
        declaration.getSourceFile().fileName.endsWith("/__prev__.d.ts"),
      );
      if (!isEarlier) return node;
      const value = context.factory.createPropertyAccessExpression(
        context.factory.createIdentifier("exports"),
        node.name.text,
      );
      const otherwise = node.objectAssignmentInitializer; // in a pattern: `({ x = 1 } = {})`
      const target = otherwise ? context.factory.createAssignment(value, otherwise) : value;
      return context.factory.createPropertyAssignment(node.name, target);
    };
    return (file) => ts.visitEachChild(file, visit, context);
  };
}
