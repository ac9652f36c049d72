/** @file Telling Jupyter of this kernel: writes and removes the folder that Jupyter calls a kernelspec. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { packageFolder, version } from "../src/version.ts";

/** For whom: this user, the Python environment on the PATH, or an environment's folder. */
export type Where = "user" | "sys-prefix" | { readonly prefix: string };

export interface KernelspecOptions {
  readonly where: Where;
  /** The kernel's name for programs, as in `jupyter run --kernel=NAME`. */
  readonly name?: string;
  /** The kernel's name for people. */
  readonly displayName?: string;
}

export const DEFAULT_NAME = "glmlab";
const DEFAULT_DISPLAY_NAME = "TypeScript (glmlab)";

/**
 * Writes the kernelspec, replacing one of ours, and returns its folder. It names this Node and this package's files, so
 * it is to be written anew when either moves.
 * @throws Error when the name is not one, is taken by another kernel, or the folder cannot be written
 */
export function installKernelspec({
  where,
  name = DEFAULT_NAME,
  displayName = DEFAULT_DISPLAY_NAME,
}: KernelspecOptions): string {
  const folder = specFolder(where, name);
  refuseForeign(folder, name);
  // The compiled one, also when this runs from source.
  const main = join(packageFolder, "dist", "kernel", "main.js");
  const specification = {
    argv: [process.execPath, main, "{connection_file}"],
    display_name: displayName,
    language: "typescript",
    interrupt_mode: "message",
    metadata: { glmlab: version, debugger: false },
  };
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "kernel.json"), `${JSON.stringify(specification, null, 2)}\n`);
    writeFileSync(join(folder, "logo-svg.svg"), logo);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The kernelspec was not written to ${folder}: ${why}. Choose another place: --user, --sys-prefix or --prefix DIR.`,
      { cause },
    );
  }
  return folder;
}

/**
 * Removes a kernelspec of ours and returns the folder it was in.
 * @throws Error when there is none, or it is another kernel's
 */
export function removeKernelspec({ where, name = DEFAULT_NAME }: Omit<KernelspecOptions, "displayName">): string {
  const folder = specFolder(where, name);
  if (!existsSync(folder)) {
    throw new Error(
      `There is no kernelspec ${folder}. \`jupyter kernelspec list\` tells where kernels are; see \`glmlab uninstall --help\`.`,
    );
  }
  refuseForeign(folder, name);
  rmSync(folder, { recursive: true });
  return folder;
}

function specFolder(where: Where, name: string): string {
  if (!/^[\w.-]+$/.test(name)) {
    throw new Error(`${JSON.stringify(name)} cannot name a kernel: expected letters, digits, ".", "_" and "-" only.`);
  }
  return join(dataFolder(where), "kernels", name.toLowerCase());
}

function dataFolder(where: Where): string {
  if (where === "user") return userDataFolder();
  return join(where === "sys-prefix" ? pythonPrefix() : resolve(where.prefix), "share", "jupyter");
}

/** Where Jupyter looks first, by its own rules for each system. */
export function userDataFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env.JUPYTER_DATA_DIR) return resolve(env.JUPYTER_DATA_DIR);
  if (platform === "darwin") return join(homedir(), "Library", "Jupyter");
  if (platform === "win32") return join(env.APPDATA ?? join(homedir(), "AppData", "Roaming"), "jupyter");
  return join(env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "jupyter");
}

function pythonPrefix(): string {
  const tried = process.platform === "win32" ? ["python", "py"] : ["python3", "python"];
  for (const program of tried) {
    try {
      const prefix = execFileSync(program, ["-c", "import sys; print(sys.prefix)"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      return prefix.trim();
    } catch {
      // Not on the PATH, or not a Python: the next one.
    }
  }
  throw new Error(
    `--sys-prefix asks Python where its environment is, but neither ${tried.join(" nor ")} could be run. Use --prefix DIR or --user.`,
  );
}

function refuseForeign(folder: string, name: string): void {
  const file = join(folder, "kernel.json");
  if (!existsSync(file)) return;
  let metadata: unknown;
  try {
    ({ metadata } = JSON.parse(readFileSync(file, "utf8")) as { metadata?: unknown });
  } catch {
    return; // What cannot be read is nobody's kernel.
  }
  if (typeof metadata === "object" && metadata !== null && "glmlab" in metadata) return;
  throw new Error(`${folder} holds another kernel named ${name}. Choose another name with --name.`);
}

/** A prompt and the reply's bubble. */
const logo = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">
<rect width="64" height="64" rx="12" fill="#3178c6"/>
<path d="M12 14h40a4 4 0 0 1 4 4v24a4 4 0 0 1-4 4H30L18 56V46h-6a4 4 0 0 1-4-4V18a4 4 0 0 1 4-4z" fill="#fff"/>
<path d="M18 24l7 6-7 6M29 36h15" fill="none" stroke="#3178c6" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
`;
