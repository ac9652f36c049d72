/** @file The project's private Python environment (.venv): JupyterLab and what tests drive kernels with. */
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

/**
 * Makes the environment and installs requirements.txt into it, which takes a minute; at once when that has been done.
 * @param say is told what is being done, before anything that takes time
 * @throws Error when there is no Python that is new enough, or it cannot install; the message says what to do
 */
export async function ensurePython(say: (line: string) => void = console.log): Promise<PythonEnvironment> {
  const folder = join(packageFolder, ".venv");
  const requirements = join(packageFolder, "requirements.txt");
  const program = (name: string): string =>
    process.platform === "win32" ? join(folder, "Scripts", `${name}.exe`) : join(folder, "bin", name);
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const stamp = join(folder, "requirements.sha256");
  if (readIfThere(stamp) === wanted) return { folder, program };

  const python = findPython();
  say(`Making a private Python environment in ${folder} with ${python} ...`);
  await run(python, ["-m", "venv", folder], "On Debian and Ubuntu: sudo apt install python3-venv.");
  say("Installing JupyterLab into it (about 100 MB, once) ...");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements];
  await run(program("python"), pip, "Look at pip's message above; is there a network?");
  writeFileSync(stamp, wanted);
  return { folder, program };
}

function findPython(): string {
  const seen: string[] = [];
  for (const name of candidates) {
    const version = pythonVersion(name);
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major === OLDEST[0] && minor >= OLDEST[1]) return name;
    seen.push(`${name} is ${version}`);
  }
  throw new Error(
    `Python ${OLDEST.join(".")} or newer is needed for JupyterLab; on the PATH there is ${seen.join(", ") || "none"}. ` +
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
