/** @file Turns the ES module that a cell compiles to into the body of a function that the kernel can call. */
import type { TypeScript, ts } from "./typescript.ts";

/** Names that the code finds in scope; `exports` holds the notebook's variables. */
export const CELL_SCOPE = "__cell";

export interface FunctionBody {
  readonly code: string;
  /** Source map (JSON) from `code` to the given module. */
  readonly map: string;
  /** Lines (0-based) of the given module that were pushed right by SHIFT columns before `map` was made. */
  readonly shifted: ReadonlySet<number>;
  /** Specifiers of static imports, in order: to be loaded before the code runs. */
  readonly imports: readonly string[];
}

/**
 * The CommonJS form of an ES module, with these differences from what TypeScript makes of it:
 * - imports are real ES modules: static ones are `CELL_SCOPE.imported(specifier)`, dynamic ones `CELL_SCOPE.import(...)`;
 * - `let` and `var` live in `exports` alone, so a function sees what a later cell assigns;
 * - imported names are plain properties of `exports` instead of getters, so a later cell may declare them anew;
 * - a variable keeps the value of an earlier cell until it is assigned, in case it never comes to that;
 * - `result`, the variable of the last expression, does not give its name to a function or class without one;
 * - `await` and `for await` go through `CELL_SCOPE.resume`, which throws once the cell was interrupted.
 */
export function toFunctionBody(ts: TypeScript, module: string, result?: string): FunctionBody {
  const file = ts.createSourceFile("cell.js", module, ts.ScriptTarget.ES2022);
  const shared = shareVariables(ts, file);
  const { outputText, sourceMapText } = ts.transpileModule(shared.module, {
    fileName: "cell.js",
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      newLine: ts.NewLineKind.LineFeed,
      noImplicitUseStrict: true,
      sourceMap: true,
    },
    transformers: {
      before: [rewriteAsync(ts), withoutName(ts, result), keepNames(ts, shared.names)],
      after: [rewriteModule(ts, shared.unset)],
    },
  });
  return {
    code: outputText.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"),
    map: sourceMapText ?? "{}",
    shifted: shared.lines,
    imports: importsOf(ts, file),
  };
}

interface SharedVariables {
  readonly module: string;
  /** Lines (0-based) that begin with the inserted `export`. */
  readonly lines: ReadonlySet<number>;
  /** Names that are declared without a value. */
  readonly unset: ReadonlySet<string>;
  /** All names that were moved. */
  readonly names: ReadonlySet<string>;
}

const EXPORT = "export ";
export const SHIFT: number = EXPORT.length;

/**
 * Moves `export` from the list at the end to the `let` and `var` statements themselves. TypeScript then uses
 * `exports.x` for every reference, instead of a local variable that it copies to `exports` after each assignment.
 * It does so only for what it parsed that way, hence the work on text.
 */
function shareVariables(ts: TypeScript, file: ts.SourceFile): SharedVariables {
  const edits: { readonly from: number; readonly to: number; readonly text: string }[] = [];
  const lines = new Set<number>();
  const moved = new Set<string>();
  const unset = new Set<string>();
  const move = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) moved.add(name.text);
    else for (const element of name.elements) if (ts.isBindingElement(element)) move(element.name);
  };
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement) || statement.modifiers?.length) continue;
    if (statement.declarationList.flags & ts.NodeFlags.Const) continue;
    const start = statement.getStart(file);
    const { line, character } = ts.getLineAndCharacterOfPosition(file, start);
    if (character !== 0) continue; // never seen: TypeScript prints top-level statements at the start of a line
    edits.push({ from: start, to: start, text: EXPORT });
    lines.add(line);
    for (const { name, initializer } of statement.declarationList.declarations) {
      move(name);
      if (!initializer && ts.isIdentifier(name)) unset.add(name.text);
    }
  }
  for (const list of exportsOf(ts, file)) {
    const kept = list.elements.filter(({ name }) => !moved.has(name.text)).map((element) => element.getText(file));
    edits.push({ from: list.getStart(file), to: list.end, text: `{ ${kept.join(", ")} }` });
  }
  let module = file.text;
  for (const { from, to, text } of edits.reverse()) module = module.slice(0, from) + text + module.slice(to);
  return { module, lines, unset, names: moved };
}

function importsOf(ts: TypeScript, file: ts.SourceFile): readonly string[] {
  return file.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    return moduleSpecifier && ts.isStringLiteral(moduleSpecifier) ? [moduleSpecifier.text] : [];
  });
}

/** The lists of `export { ... }` without a module. */
function exportsOf(ts: TypeScript, file: ts.SourceFile): readonly ts.NamedExports[] {
  return file.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier || !statement.exportClause) return [];
    return ts.isNamedExports(statement.exportClause) ? [statement.exportClause] : [];
  });
}

/** `import(x)`, `import.meta`, `await x` and the bodies of `for await`. */
function rewriteAsync(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const { factory } = ts;
  const member = (name: string): ts.Expression =>
    factory.createPropertyAccessExpression(factory.createIdentifier(CELL_SCOPE), name);
  return (context) => {
    const visit = (node: ts.Node): ts.Node => {
      const visited = ts.visitEachChild(node, visit, context);
      if (ts.isCallExpression(visited) && visited.expression.kind === ts.SyntaxKind.ImportKeyword) {
        return factory.updateCallExpression(visited, member("import"), undefined, visited.arguments);
      }
      if (ts.isMetaProperty(visited) && visited.keywordToken === ts.SyntaxKind.ImportKeyword) return member("meta");
      if (ts.isAwaitExpression(visited)) return factory.createCallExpression(member("resume"), undefined, [visited]);
      if (ts.isForOfStatement(visited) && visited.awaitModifier) {
        const check = factory.createExpressionStatement(factory.createCallExpression(member("resume"), undefined, []));
        const { awaitModifier, initializer, expression, statement } = visited;
        const body = factory.createBlock([check, statement], true);
        return factory.updateForOfStatement(visited, awaitModifier, initializer, expression, body);
      }
      return visited;
    };
    return (file) => ts.visitEachChild(file, visit, context);
  };
}

/** `const x = (0, () => 1)` instead of `const x = () => 1`, which would name the function. */
function withoutName(ts: TypeScript, variable: string | undefined): ts.TransformerFactory<ts.SourceFile> {
  const { factory } = ts;
  return () => (file) => {
    if (variable === undefined) return file;
    const rewrite = (statement: ts.Statement): ts.Statement => {
      if (!ts.isVariableStatement(statement)) return statement;
      const [declaration] = statement.declarationList.declarations;
      const { name, initializer } = declaration ?? {};
      if (!declaration || !name || !initializer || !ts.isIdentifier(name) || name.text !== variable) return statement;
      const value = factory.createParenthesizedExpression(
        factory.createComma(factory.createNumericLiteral(0), initializer),
      );
      const unnamed = factory.updateVariableDeclaration(declaration, name, undefined, undefined, value);
      const list = factory.updateVariableDeclarationList(statement.declarationList, [unnamed]);
      return factory.updateVariableStatement(statement, statement.modifiers, list);
    };
    return factory.updateSourceFile(file, file.statements.map(rewrite));
  };
}

/** Statements that TypeScript added at the top level: what it made of static imports, and of the list of exports. */
function rewriteModule(ts: TypeScript, unset: ReadonlySet<string>): ts.TransformerFactory<ts.SourceFile> {
  const { factory } = ts;
  const imported = factory.createPropertyAccessExpression(factory.createIdentifier(CELL_SCOPE), "imported");
  return (context) => {
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "require") {
        return factory.updateCallExpression(node, imported, undefined, node.arguments);
      }
      return ts.visitEachChild(node, visit, context);
    };
    const rewrite = (statement: ts.Statement): ts.Statement => {
      const original = ts.getOriginalNode(statement);
      const isImport = ts.isImportDeclaration(original) || ts.isExportDeclaration(original);
      if (isImport) return visit(statement) as ts.Statement;
      return importedName(ts, statement) ?? initialisation(ts, statement, unset) ?? statement;
    };
    return (file) => factory.updateSourceFile(file, file.statements.map(rewrite));
  };
}

/**
 * `x = { x: () => 1 }.x` for `x = () => 1` where x lives in `exports`: an assignment to a property does not name the
 * function, as that to a variable does. The same for what is a default in a pattern.
 */
function keepNames(ts: TypeScript, shared: ReadonlySet<string>): ts.TransformerFactory<ts.SourceFile> {
  const { factory } = ts;
  const named = (name: string, value: ts.Expression): ts.Expression => {
    const object = factory.createObjectLiteralExpression([factory.createPropertyAssignment(name, value)]);
    return factory.createPropertyAccessExpression(object, name);
  };
  const sharedName = (target: ts.Node): string | undefined => {
    if (ts.isIdentifier(target)) return shared.has(target.text) ? target.text : undefined;
    if (!ts.isPropertyAccessExpression(target) || !ts.isIdentifier(target.expression)) return undefined;
    // What earlier cells declared is written so already.
    return target.expression.text === "exports" && ts.isIdentifier(target.name) ? target.name.text : undefined;
  };
  return (context) => {
    const visit = (node: ts.Node): ts.Node => {
      const visited = ts.visitEachChild(node, visit, context);
      if (ts.isBinaryExpression(visited) && isAssignment(ts, visited.operatorToken.kind)) {
        const { left, operatorToken, right } = visited;
        const name = isUnnamed(ts, right) ? sharedName(left) : undefined;
        if (name !== undefined) return factory.updateBinaryExpression(visited, left, operatorToken, named(name, right));
      }
      if (ts.isBindingElement(visited) && visited.initializer && isUnnamed(ts, visited.initializer)) {
        const { dotDotDotToken, propertyName, name: target, initializer } = visited;
        const name = sharedName(target);
        if (name !== undefined)
          return factory.updateBindingElement(visited, dotDotDotToken, propertyName, target, named(name, initializer));
      }
      return visited;
    };
    return (file) => ts.visitEachChild(file, visit, context);
  };
}

function isAssignment({ SyntaxKind }: TypeScript, token: ts.SyntaxKind): boolean {
  return token >= SyntaxKind.FirstAssignment && token <= SyntaxKind.LastAssignment;
}

function isUnnamed(ts: TypeScript, value: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(value)) return isUnnamed(ts, value.expression);
  return ts.isArrowFunction(value) || ((ts.isFunctionExpression(value) || ts.isClassExpression(value)) && !value.name);
}

/** `exports.x = m_1.x` for a generated `Object.defineProperty(exports, "x", { get: function () { return m_1.x; } })`. */
function importedName(ts: TypeScript, statement: ts.Statement): ts.Statement | undefined {
  if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) return undefined;
  const [target, name, descriptor] = statement.expression.arguments;
  const isGenerated = target !== undefined && target.pos < 0;
  if (!isGenerated || !ts.isIdentifier(target) || target.text !== "exports") return undefined;
  if (!name || !ts.isStringLiteral(name) || !descriptor || !ts.isObjectLiteralExpression(descriptor)) return undefined;
  const getter = descriptor.properties.find(
    (p) => ts.isPropertyAssignment(p) && ts.isFunctionExpression(p.initializer),
  );
  if (!getter || !ts.isPropertyAssignment(getter) || !ts.isFunctionExpression(getter.initializer)) return undefined;
  const returned = getter.initializer.body.statements[0];
  if (!returned || !ts.isReturnStatement(returned) || !returned.expression) return undefined;
  const { factory } = ts;
  const property = factory.createPropertyAccessExpression(target, name.text);
  return factory.createExpressionStatement(factory.createAssignment(property, returned.expression));
}

/** A generated `exports.a = exports.b = void 0;`, reduced to the names in `unset`. */
function initialisation(ts: TypeScript, statement: ts.Statement, unset: ReadonlySet<string>): ts.Statement | undefined {
  if (statement.pos >= 0 || !ts.isExpressionStatement(statement)) return undefined;
  const targets: ts.Expression[] = [];
  let value = statement.expression;
  for (; ts.isBinaryExpression(value) && ts.isPropertyAccessExpression(value.left); value = value.right)
    targets.push(value.left);
  if (!ts.isVoidExpression(value)) return undefined;
  const kept = targets.filter((target) => ts.isPropertyAccessExpression(target) && unset.has(target.name.text));
  const { factory } = ts;
  if (kept.length === 0) return factory.createEmptyStatement();
  const chain = kept.reduceRight<ts.Expression>((right, target) => factory.createAssignment(target, right), value);
  return factory.createExpressionStatement(chain);
}
