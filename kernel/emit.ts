/** @file What the converter writes: a cell's JavaScript and declarations, and those of the local files it imports. */
import { isAbsolute } from "node:path";
import type { TypeScript, ts } from "./tslab.ts";

export type Builder = ts.EmitAndSemanticDiagnosticsBuilderProgram;

/**
 * A builder whose emit() writes a cell's declarations also when a type "cannot be named" (it becomes `any` there), and
 * that keeps the output of files above the notebook's folder away from tslab, which would throw.
 */
export function emitting(ts: TypeScript, builder: Builder, outside: Map<string, string>): Builder {
  return {
    ...builder,
    emit(file, write, token, onlyDeclarations, transformers) {
      let declared = false;
      const take: ts.WriteFileCallback = (path, text, ...rest) => {
        declared ||= path.endsWith(".d.ts");
        if (!isAbsolute(path)) write?.(path, text, ...rest);
        else if (path.endsWith(".js")) outside.set(path, text);
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
