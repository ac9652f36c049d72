/** @file The runtime's folder: where it lies, that nobody else can look into it, and what is in it. */
import { chmodSync, existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { GlmError } from "../errors.ts";
import { LONGEST_SOCKET } from "./address.ts";

/** The files of a runtime. */
export interface RuntimeFolder {
  readonly path: string;
  /** ZeroMQ address. */
  readonly address: string;
  readonly socket: string;
  readonly log: string;
}

/**
 * The folder of this user's runtime, made when there is none: $GLMLAB_RUNTIME_DIR, a folder in $XDG_RUNTIME_DIR, or
 * one in the folder for temporary files that carries the user's number.
 * @throws GlmError "runtime-unreachable" when it cannot be used: too long a path, no rights, not private
 */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): RuntimeFolder {
  const path = choose(env);
  const socket = join(path, "runtime.sock");
  const length = Buffer.byteLength(socket);
  if (length > LONGEST_SOCKET) {
    throw unusable(`the path of its socket, ${socket}, has ${length} bytes and this system allows ${LONGEST_SOCKET}`);
  }
  makePrivate(path);
  return { path, socket, address: `ipc://${socket}`, log: join(path, "runtime.log") };
}

function choose(env: NodeJS.ProcessEnv): string {
  if (env.GLMLAB_RUNTIME_DIR) return resolve(env.GLMLAB_RUNTIME_DIR);
  const session = env.XDG_RUNTIME_DIR;
  // Containers and `su` often leave the variable of a session that is not there, or somebody else's.
  if (session && ownsFolder(session)) return join(session, "glmlab");
  return join(tmpdir(), `glmlab-${process.getuid?.() ?? userInfo().username}`);
}

function ownsFolder(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && (process.getuid === undefined || stat.uid === process.getuid());
}

/** The folder must be ours alone: whoever can write to it could answer in the runtime's place. */
function makePrivate(path: string): void {
  try {
    makeLevels(path);
  } catch (cause) {
    throw unusable(`its folder ${path} cannot be made (${cause instanceof Error ? cause.message : cause})`, cause);
  }
  const uid = process.getuid?.();
  if (uid === undefined) return;
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw unusable(`${path} is not a folder`);
  if (stat.uid !== uid) throw unusable(`its folder ${path} belongs to user ${stat.uid}, expected you (${uid})`);
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Node's own recursive mkdir never ends in places like /proc. */
function makeLevels(path: string): void {
  if (existsSync(path)) return;
  makeLevels(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been faster; what is there is looked at next.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

function unusable(why: string, cause?: unknown): GlmError {
  return new GlmError(
    "runtime-unreachable",
    `The glmlab runtime cannot be used: ${why}. Set GLMLAB_RUNTIME_DIR to a short path of a folder that is yours, ` +
      'or load with the option runtime: "none" (`%model ... --runtime none`) to run the model in this process.',
    { cause },
  );
}
