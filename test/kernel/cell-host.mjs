/**
 * @file A process that runs cells as the kernel does, without Jupyter: the built language in its main thread, the real
 * interrupter in a worker. Requests come over Node's IPC channel, interrupts over file descriptor 4.
 */
import { Socket } from "node:net";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

if (isMainThread) await runCells();
else await interruptCells();

async function runCells() {
  const { createLanguage } = await import("../../dist/kernel/cells.js");
  const { captureStreams } = await import("../../dist/kernel/streams.js");
  const { allowTermination } = await import("../../dist/kernel/terminate.js");
  const { inspect } = await import("node:util");
  const language = await createLanguage({ notebook: "test.ipynb" });
  let running;
  let ended;
  captureStreams(() => undefined);
  allowTermination(() => running?.abort());
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    process.on(event, (error) => process.stderr.write(`Uncaught ${inspect(error)}\n`));
  }
  const worker = new Worker(new URL(import.meta.url));
  worker.on("message", async (id) => {
    running?.abort();
    await ended;
    worker.postMessage(id);
  });
  const answer = (message) => process.send(message);
  process.on("message", async ({ id, method, params }) => {
    if (method !== "execute") return answer({ id, result: language[method](...params) });
    const [code, executionCount] = params;
    const tell = (kind, value) => answer({ cell: executionCount, kind, value });
    const controller = new AbortController();
    running = controller;
    const cell = language.execute(code, {
      executionCount,
      signal: controller.signal,
      // Interrupts are one at a time here.
      insistence: new AbortController().signal,
      endsInOrder: () => undefined,
      frontend: {
        display: (bundle, options) => tell("display", { bundle, ...options }),
        update: (displayId, bundle) => tell("update", { bundle, id: displayId }),
        write: (text, stream = "stdout") => tell(stream, text),
      },
      input: async (prompt, options) => `answer to ${prompt}${options?.password ? " (hidden)" : ""}`,
    });
    ended = cell;
    const outcome = await cell;
    if (running === controller) running = undefined;
    answer({ id, result: outcome });
  });
  answer({ ready: true });
}

async function interruptCells() {
  const { Interrupter } = await import("../../dist/kernel/interrupt.js");
  const interrupter = new Interrupter((id) => parentPort.postMessage(id));
  parentPort.on("message", (id) => interrupter.acknowledge(id));
  new Socket({ fd: 4 }).on("data", () => interrupter.interrupt());
}
