/** @file Which files a path means: one, all data in a folder, what a glob finds, or a data set of a hub. */
import { join, relative } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { statOf } from "../regular-file.ts";
import { formOfName } from "./file-kind.ts";
import { hubFiles, isOnHub } from "./hub-files.ts";
import { FORMS } from "./refusal.ts";

/**
 * The files, by name. A path that exists is never read as a pattern, so that names with brackets can be given.
 * @throws GlmError "data-invalid" when there is none
 */
export async function dataFiles(path: string, signal?: AbortSignal): Promise<readonly string[]> {
  if (typeof path !== "string" || path === "") {
    throw new GlmError(
      "data-invalid",
      `expected the path of a file of rows, a folder or a glob, got ${shownJson(path)}.`,
    );
  }
  if (isOnHub(path)) return hubFiles(path, signal);
  const found = await statOf(path).catch((cause: NodeJS.ErrnoException) => {
    if (isDynamicPattern(path)) return undefined;
    const why = cause.code === "ENOENT" ? "there is none" : cause.message;
    throw new GlmError(
      "data-invalid",
      `${path}: expected a file of training rows, but it cannot be read (${why}). Check the path.`,
    );
  });
  if (found && !found.isDirectory()) return [path];
  const pattern = found ? "**" : path;
  const names = await glob(pattern, { cwd: found ? path : process.cwd(), onlyFiles: true, expandDirectories: false });
  const files = names.filter((name) => formOfName(name) !== undefined).sort();
  if (files.length === 0) {
    const others =
      names.length === 0 ? "nothing" : `only ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", ..." : ""}`;
    throw new GlmError(
      "data-invalid",
      `${path}: expected files of ${FORMS} ${found ? "in the folder" : "by this pattern"}, found ${others}. Check the path.`,
    );
  }
  return files.map((name) => (found ? join(path, name) : relative(process.cwd(), name) || name));
}
