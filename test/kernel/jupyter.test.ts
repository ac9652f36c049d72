/** @file The kernel under Jupyter's own Python clients, installed as a user installs it. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensurePython, type PythonEnvironment } from "../../scripts/python.ts";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
let folder: string;
let python: PythonEnvironment;

beforeAll(async () => {
  python = await ensurePython();
  folder = mkdtempSync(join(tmpdir(), "glmlab-jupyter-"));
  const { status, output } = await run(process.execPath, [here("../../dist/kernel/cli.js"), "install", "--user"]);
  expect(output).toContain(folder);
  expect(status).toBe(0);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, args: string[]): Promise<{ status: number | null; output: string }> {
  // Jupyter finds kernels, and keeps its files, only here.
  const env = {
    ...process.env,
    JUPYTER_DATA_DIR: folder,
    JUPYTER_RUNTIME_DIR: folder,
    JUPYTER_CONFIG_DIR: folder,
    IPYTHONDIR: folder,
  };
  const child = spawn(program, args, { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output }));
  });
}

// Retried: the suite allows 0.1 seconds between two messages, which a busy machine may miss.
test("jupyter_kernel_test: all 13, none skipped", { timeout: 300_000, retry: 2 }, async () => {
  const { status, output } = await run(python.program("python"), [here("conformance.py")]);
  expect(output).toMatch(/Ran 13 tests/);
  expect(output).not.toMatch(/skipped|FAIL|ERROR/);
  expect(status).toBe(0);
});

test("nbclient runs a notebook: outputs in place, an error stops it", { timeout: 300_000 }, async () => {
  const { status, output } = await run(python.program("python"), [here("notebook.py")]);
  expect(output).toMatch(/notebook ok/);
  expect(status).toBe(0);
});
