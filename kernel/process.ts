/**
 * @file A kernel process: two threads and what goes between them.
 *
 *   front end <-- ZeroMQ --> server thread (server.ts) <-- link.ts --> cell thread (cell-thread.ts, kernel.ts)
 *                            heartbeat, control, output                language: cells.ts
 *
 * The server thread answers within 0.2 s of the start, while TypeScript still loads here.
 */
import { Worker } from "node:worker_threads";
import { readConnection } from "./connection.ts";
import type { ServerData, ToCells, ToServer } from "./link.ts";
import { PendingInterrupt } from "./pending.ts";
import { Pressure } from "./pressure.ts";

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

  // 2. The cell thread, which loads while the other one starts; what comes in the meantime waits in order.
  const early: ToCells[] = [];
  let receive = (message: ToCells): unknown => early.push(message);
  // Called right away and not by way of a promise: the end of a terminated cell takes pending promises with it.
  server.on("message", (message: ToCells) => receive(message));
  void import("./cell-thread.ts").then(({ startCells }) => {
    receive = startCells({ post, pending });
    for (const message of early) receive(message);
  });
}
