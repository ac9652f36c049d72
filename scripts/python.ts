/** @file Private Python environments: the project's (.venv), with JupyterLab and what tests drive kernels with, and others. */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../src/version.ts";

export interface PythonEnvironment {
  readonly folder: string;
  /** The path of one of its programs: "python", "jupyter". */
  program(name: string): string;
}

const OLDEST = [3, 10] as const;
const candidates = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python", "py"];

export interface WantedEnvironment {
  readonly folder: string;
  /** A file of pip's. */
  readonly requirements: string;
  /** What is installed, and how much that is, for messages. */
  readonly what: string;
  readonly size: string;
}

type Say = (line: string) => void;

/** The project's own environment, as `ensureEnvironment` makes it: that takes a minute. */
export const ensurePython = (say?: Say): Promise<PythonEnvironment> =>
  ensureEnvironment(
    {
      folder: join(packageFolder, ".venv"),
      requirements: join(packageFolder, "requirements.txt"),
      what: "JupyterLab",
      size: "about 100 MB",
    },
    say,
  );

/**
 * Makes an environment and installs what is required into it; at once when that has been done.
 * @param say is told what is being done, before anything that takes time
 * @throws Error when there is no Python that is new enough, or it cannot install; the message says what to do
 */
export async function ensureEnvironment(
  { folder, requirements, what, size }: WantedEnvironment,
  say: Say = console.log,
): Promise<PythonEnvironment> {
  const program = (name: string): string =>
    process.platform === "win32" ? join(folder, "Scripts", `${name}.exe`) : join(folder, "bin", name);
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const stamp = join(folder, "requirements.sha256");
  if (readIfThere(stamp) === wanted) return { folder, program };

  const python = findPython(what);
  say(`Making a private Python environment in ${folder} with ${python} ...`);
  await run(python, ["-m", "venv", folder], "On Debian and Ubuntu: sudo apt install python3-venv.");
  // Scripts of CommonJS are among what is installed, and the package around it says that all are modules.
  writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }\n');
  say(`Installing ${what} into it (${size}, once) ...`);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements];
  await run(program("python"), pip, "Look at pip's message above; is there a network?");
  writeFileSync(stamp, wanted);
  return { folder, program };
}

function findPython(what: string): string {
  const seen: string[] = [];
  for (const name of candidates) {
    const version = pythonVersion(name);
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major === OLDEST[0] && minor >= OLDEST[1]) return name;
    seen.push(`${name} is ${version}`);
  }
  throw new Error(
    `Python ${OLDEST.join(".")} or newer is needed for ${what}; on the PATH there is ${seen.join(", ") || "none"}. ` +
      "Install one from https://www.python.org/downloads/ or your system's packages.",
  );
}

function pythonVersion(name: string): string | undefined {
  try {
    const code = "import platform; print(platform.python_version())";
    return execFileSync(name, ["-c", code], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

async function run(program: string, args: readonly string[], remedy: string): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  const status = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? signal));
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}. ${remedy}`);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
