/** @file Processes that tests start: what they print as JSON lines, and their end. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Inbox } from "../../src/rpc/inbox.ts";

export interface Running {
  readonly child: ChildProcess;
  /** The next line it prints, as JSON. */
  next(): Promise<Record<string, unknown>>;
  /** Its exit status or signal, with what it wrote to its standard error. */
  readonly ended: Promise<{ readonly status: number | string | null; readonly errors: string }>;
}

const running = new Set<ChildProcess>();

/** Starts a script of test/engine/processes. */
export function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const file = fileURLToPath(new URL(`./processes/${script}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  const lines = new Inbox<Record<string, unknown>>();
  createInterface({ input: child.stdout }).on("line", (line) => lines.add(JSON.parse(line) as Record<string, unknown>));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = new Promise<{ status: number | string | null; errors: string }>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child);
      lines.fail(() => new Error(`${script} ended (${code ?? signal}): ${errors}`));
      resolve({ status: code ?? signal, errors });
    });
  });
  return {
    child,
    ended,
    next: async () => {
      const line = await lines.next();
      if (!line) throw new Error(`${script} printed nothing more`);
      return line.event;
    },
  };
}

/** Ends what a test has left running. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
