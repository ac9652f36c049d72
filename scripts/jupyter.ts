/** @file A real Jupyter of the project's own: private Python environment, this kernel installed in it, a server. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { installKernelspec } from "../kernel/kernelspec.ts";
import { ensurePython, type PythonEnvironment } from "./python.ts";

/** The Python environment with JupyterLab and, among its kernels, this one. */
export async function ensureJupyter(): Promise<PythonEnvironment> {
  const python = await ensurePython();
  installKernelspec({ where: { prefix: python.folder } });
  return python;
}

export interface JupyterServer {
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}

const START_TIMEOUT = 60_000;

/**
 * Starts a server on a free port of this machine.
 * @param folder what it serves
 * @throws Error with the server's own output when it does not come up
 */
export async function startServer(python: PythonEnvironment, folder: string): Promise<JupyterServer> {
  const runtime = mkdtempSync(join(tmpdir(), "glmlab-jupyter-"));
  const token = randomBytes(16).toString("hex");
  const args = ["server", "--no-browser", "--port=0", "--ip=127.0.0.1", `--ServerApp.root_dir=${folder}`];
  const rights = process.getuid?.() === 0 ? ["--allow-root"] : [];
  const server = spawn(python.program("jupyter"), [...args, ...rights, `--IdentityProvider.token=${token}`], {
    env: { ...process.env, JUPYTER_RUNTIME_DIR: runtime },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()));
  const stop = async (): Promise<void> => {
    await ended(server);
    rmSync(runtime, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_TIMEOUT;
  while (Date.now() < deadline && server.exitCode === null) {
    const url = await servingAt(runtime, token);
    if (url) return { url, token, stop };
    await setTimeout(100);
  }
  await stop();
  throw new Error(`The Jupyter server did not start:\n${output}`);
}

/** The address that the server wrote down, once it answers there. */
async function servingAt(runtime: string, token: string): Promise<string | undefined> {
  const file = readdirSync(runtime).find((name) => /^jpserver-.*\.json$/.test(name));
  if (!file) return undefined;
  try {
    const { url } = JSON.parse(readFileSync(join(runtime, file), "utf8")) as { url: string };
    const response = await fetch(`${url}api/status`, { headers: { Authorization: `token ${token}` } });
    return response.ok ? url : undefined;
  } catch {
    // The file is still being written, or the port is not open yet.
    return undefined;
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await Promise.race([gone, setTimeout(5000, undefined, { ref: false })]);
  server.kill("SIGKILL");
}
