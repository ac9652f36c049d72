/** @file `%%train --engine torchrun` in notebooks, through Jupyter's own client, with the real torchrun. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { ensurePython, type PythonEnvironment } from "../../scripts/python.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../torchrun/small-model.ts";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const TORCH = process.env.GLMLAB_TORCH_PYTHON ?? "";
const home = ownHome();
let jupyter: PythonEnvironment;

function run(
  program: string,
  args: readonly string[],
): Promise<{ readonly status: number | null; readonly output: string }> {
  const folder = join(home, "jupyter");
  mkdirSync(folder, { recursive: true });
  // Jupyter finds kernels, and keeps its files, only here; else those of its own environment come first.
  const places = ["JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"];
  const env = {
    ...process.env,
    ...Object.fromEntries(places.map((name) => [name, folder])),
    JUPYTER_PREFER_ENV_PATH: "0",
  };
  const child = spawn(program, args, { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => {
      output += text;
    });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output }));
  });
}

beforeAll(async () => {
  jupyter = await ensurePython();
  await writeSmallModel(join(home, "model"));
  const { status, output } = await run(process.execPath, [here("../../dist/kernel/cli.js"), "install", "--user"]);
  expect(status, output).toBe(0);
});

it("is watched, interrupted, closed, attached to and stopped", { timeout: 600_000 }, async () => {
  const { status, output } = await run(jupyter.program("python"), [here("notebook.py"), join(home, "model"), TORCH]);
  expect(output).toMatch(/torchrun in notebooks ok/);
  expect(status).toBe(0);
});
