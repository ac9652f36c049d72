/** @file Which notebook this kernel belongs to. */
import { resolve } from "node:path";

/**
 * An absolute path that stays the same when the kernel is restarted: the notebook's file, which the Jupyter server tells
 * its kernels, or else the folder that the kernel was started in.
 */
export function notebookPath(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): string {
  return resolve(cwd, env.JPY_SESSION_NAME ?? "");
}
