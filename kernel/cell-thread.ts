/** @file This process's main thread: runs cells, and takes what the server thread tells it. */
import { describe } from "./describe.ts";
import { Kernel } from "./kernel.ts";
import type { ToCells, ToServer } from "./link.ts";
import { notebookPath } from "./notebook.ts";
import type { PendingInterrupt } from "./pending.ts";
import { signalChildren } from "./processes.ts";
import { captureStreams } from "./streams.ts";
import { allowTermination } from "./terminate.ts";
import { showWarnings } from "./warnings.ts";

export interface CellThreadOptions {
  /** Sends to the server thread. */
  post(message: ToServer): void;
  readonly pending: PendingInterrupt;
}

/** The kernel's end is an interrupt, too; others have positive numbers. */
const LAST_INTERRUPT = 0;

/** How long a cell that asks for the kernel's end has to end itself, in milliseconds: its reply goes out before. */
const LAST_WORDS = 100;

/** Makes this thread the one that cells run in; returns what takes the server thread's messages. Call it once a process. */
export function startCells({ post, pending }: CellThreadOptions): (message: ToCells) => void {
  // 1. The dispatch of requests, which wait for the language; it loads in the meantime.
  const notebook = notebookPath();
  const takeInterrupt = (): boolean => {
    const id = pending.take();
    if (id !== undefined) void kernel.interrupt(id);
    return id !== undefined;
  };
  const language = import("./cells.ts").then(({ createLanguage }) => createLanguage({ notebook, takeInterrupt }));
  const kernel = new Kernel({ language, post });

  // 2. What cells print, and what goes wrong in them after they have ended, is shown in the notebook.
  const log = process.stderr.write.bind(process.stderr);
  captureStreams(() => kernel.frontend);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => void process.stderr.write(`Uncaught ${describe(error)}\n`));
  }
  showWarnings();
  language.catch((error: unknown) => log(`glmlab kernel: the language did not start: ${describe(error)}\n`));

  // 3. Interrupts and the end of the process. Nothing is terminated before the language is there: no cell runs yet, and what is
  // torn apart while it loads would never be loaded. After a termination the server asks again, so there is nothing to do on one.
  void language.then(
    () => allowTermination(() => undefined),
    () => undefined,
  );
  const exit = process.exit.bind(process);
  // The sockets' thread must not be torn down under ZeroMQ, and whoever sent the cell waits for its reply.
  process.exit = (code) => {
    process.exitCode = code ?? process.exitCode ?? 0;
    setTimeout(() => post({ kind: "close" }), LAST_WORDS);
    throw new Error(`process.exit(${code ?? ""}) was called: the kernel ends with this cell. Restart it to go on.`);
  };
  process.on("exit", () => signalChildren("SIGKILL"));
  process.on("SIGINT", () => post({ kind: "interrupt" }));
  process.on("SIGTERM", () => post({ kind: "close" }));
  return (message) => {
    switch (message.kind) {
      case "request":
        kernel.receive(message.request);
        break;
      case "input":
        kernel.answer(message.value);
        break;
      case "interrupt":
        pending.take();
        void kernel.interrupt(message.id).then(() => post({ kind: "interrupted", id: message.id }));
        break;
      case "shutdown":
        void kernel.interrupt(LAST_INTERRUPT);
        post({ kind: "close" });
        break;
      case "closed":
        exit(process.exitCode ?? 0);
    }
  };
}
