/** @file Where things lie on this machine: what must not be lost, and what can be made again. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What must not be lost: $GLMLAB_DATA, else the user's folder for data. */
export const dataFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.GLMLAB_DATA ? resolve(env.GLMLAB_DATA) : join(env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "glmlab");

/** What can be made again: $GLMLAB_CACHE, else the user's folder for caches. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.GLMLAB_CACHE ? resolve(env.GLMLAB_CACHE) : join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "glmlab");
