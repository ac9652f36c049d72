/** @file Type-checks code as a cell is: with the cells' own TypeScript, against the package's built declarations. */
import { join } from "node:path";
import ts from "@tslab/typescript-for-tslab";
import { packageFolder } from "../../src/version.ts";

const FILE = join(packageFolder, "test", "magics", "cell.ts");

export interface Fault {
  readonly message: string;
  readonly offset: number;
  readonly length: number;
}

/** Checks one text after another; what they import is read once. */
export class Checker {
  readonly #service: ts.LanguageService;
  #text = "";
  #version = 0;

  constructor() {
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      moduleDetection: ts.ModuleDetectionKind.Force,
      strict: true,
      noEmit: true,
      types: ["node"],
      baseUrl: packageFolder,
      paths: { glmlab: ["dist/src/index.d.ts"], "glmlab/magics": ["dist/magics/runtime.d.ts"] },
    };
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => [FILE],
      getScriptVersion: (name) => (name === FILE ? String(this.#version) : "0"),
      getScriptSnapshot: (name) => {
        const text = name === FILE ? this.#text : ts.sys.readFile(name);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => packageFolder,
      getDefaultLibFileName: (given) => ts.getDefaultLibFilePath(given),
      fileExists: (name) => name === FILE || ts.sys.fileExists(name),
      readFile: (name) => ts.sys.readFile(name),
      readDirectory: (...all) => ts.sys.readDirectory(...all),
      directoryExists: (name) => ts.sys.directoryExists(name),
      getDirectories: (name) => ts.sys.getDirectories(name),
    });
  }

  check(text: string): readonly Fault[] {
    this.#text = text;
    this.#version++;
    const all = [...this.#service.getSyntacticDiagnostics(FILE), ...this.#service.getSemanticDiagnostics(FILE)];
    return all.map(({ messageText, start = 0, length = 0 }) => ({
      message: ts.flattenDiagnosticMessageText(messageText, "\n"),
      offset: start,
      length,
    }));
  }

  /** The type of what stands at the offset, as the editor shows it. */
  typeAt(offset: number): string {
    return ts.displayPartsToString(this.#service.getQuickInfoAtPosition(FILE, offset)?.displayParts);
  }
}
