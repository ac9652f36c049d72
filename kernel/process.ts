/**
 * @file A kernel process: two threads and what goes between them.
 *
 *   front end <-- ZeroMQ --> server thread (server.ts) <-- link.ts --> cell thread (this; kernel.ts)
 *                            heartbeat, control, output                language: cells.ts
 *
 * The server thread answers within 0.2 s of the start, while TypeScript still loads here.
 */
import { Worker } from "node:worker_threads";
import { readConnection } from "./connection.ts";
import { describe, describeError } from "./describe.ts";
import { Kernel } from "./kernel.ts";
import type { ServerData, ToCells, ToServer } from "./link.ts";
import { notebookPath } from "./notebook.ts";
import { PendingInterrupt } from "./pending.ts";
import { Pressure } from "./pressure.ts";
import { signalChildren } from "./processes.ts";
import { captureStreams } from "./streams.ts";
import { allowTermination } from "./terminate.ts";

/**
 * Turns this process into the kernel of a connection file; it ends when Jupyter says so, or is gone.
 * @throws Error when the file cannot be used
 */
export function runKernel(connectionFile: string): void {
  // 1. The sockets, before anything that takes time to load. The file is the built one: workers cannot run TypeScript.
  const [pressure, pending] = [new Pressure(), new PendingInterrupt()];
  const workerData: ServerData = {
    connection: readConnection(connectionFile),
    pressure: pressure.memory,
    pending: pending.memory,
  };
  const server = new Worker(new URL("./server.js", import.meta.url), { workerData });
  const post = (message: ToServer): void => {
    server.postMessage(message);
    pressure.sent(message);
  };
  server.on("error", (error) => {
    console.error(`glmlab kernel: ${error.message}`);
    process.exit(1);
  });

  // 2. The dispatch of requests, which wait for the language; it loads in the meantime.
  const notebook = notebookPath();
  const takeInterrupt = (): boolean => {
    const isPending = pending.take();
    if (isPending) void kernel.interrupt();
    return isPending;
  };
  const language = import("./cells.ts").then(({ createLanguage }) => createLanguage({ notebook, takeInterrupt }));
  const kernel = new Kernel({ language, notebook, post });

  // 3. What cells print, and what goes wrong in them after they have ended, is shown in the notebook.
  const log = process.stderr.write.bind(process.stderr);
  captureStreams(() => kernel.frontend);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => void process.stderr.write(`Uncaught ${describe(error)}\n`));
  }
  // Which of Node's experiments the kernel stands on is nothing for the notebook; other warnings are.
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    const { name, message } = describeError(warning);
    const line = `${name}: ${message}\n`;
    if (name === "ExperimentalWarning") log(line);
    else process.stderr.write(line);
  });
  language.catch((error: unknown) => log(`glmlab kernel: the language did not start: ${describe(error)}\n`));

  // 4. Interrupts (the server asks again after a termination, so there is nothing to do on one) and the end of the process.
  allowTermination(() => undefined);
  process.on("exit", () => signalChildren("SIGKILL"));
  process.on("SIGINT", () => post({ kind: "interrupt" }));
  process.on("SIGTERM", () => post({ kind: "close" }));
  server.on("message", (message: ToCells) => {
    switch (message.kind) {
      case "request":
        kernel.receive(message.request);
        break;
      case "input":
        kernel.answer(message.value);
        break;
      case "interrupt":
        pending.take();
        void kernel.interrupt().then(() => post({ kind: "interrupted", id: message.id }));
        break;
      case "shutdown":
        void kernel.interrupt();
        post({ kind: "close" });
        break;
      case "closed":
        process.exit(0);
    }
  });
}
