/** @file A Python script of this folder in a process of its own. */
import { join } from "node:path";
import { packageFolder } from "../src/version.ts";
import { LineProcess } from "./line-process.ts";

export class PythonScript extends LineProcess {
  /** @param script a file's name in bench/ */
  constructor(python: string, script: string) {
    // Without -B, Python would write compiled files beside the sources.
    super(`${python} bench/${script}`, python, ["-B", join(packageFolder, "bench", script)]);
  }
}
