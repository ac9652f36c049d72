/**
 * @file A client's connection to a runtime, kept in a thread of its own.
 *
 * Interrupting a notebook cell terminates JavaScript wherever the cell's thread is, and zeromq's native code does not
 * survive that; a message from another thread does. And heartbeats go on while a cell is busy.
 */
import { Worker } from "node:worker_threads";
import { entryPoint } from "../entry.ts";
import { GlmError } from "../errors.ts";
import { type Channel, PortChannel } from "./channel.ts";
import type { ClientMessage, ServerMessage } from "./protocol.ts";

export interface LinkData {
  readonly address: string;
  /** One int32, set to 1 when the thread's socket is closed. */
  readonly closed: SharedArrayBuffer;
}

/** Told to the link's thread: close the socket now. */
export const CLOSE = "close";

/** Told by the link's thread as soon as the other side is gone: closing the socket takes its time. */
export const GONE = "gone";

/** How long a process that ends waits for the thread's socket, in milliseconds. */
const CLOSING_MS = 1000;

/** Connects to a ZeroMQ address. Nothing is known of the other side before it answers the greeting. */
export function openSocketThread(address: string): Channel<ClientMessage, ServerMessage> {
  const closed = new Int32Array(new SharedArrayBuffer(4));
  const workerData: LinkData = { address, closed: closed.buffer as SharedArrayBuffer };
  // Options of this process (a script given by -e, a loader) are not for its threads.
  const worker = new Worker(entryPoint("rpc/socket-thread-main"), { workerData, name: "glmlab link", execArgv: [] });
  // A thread that is torn down with an open ZeroMQ socket aborts the whole process.
  const closeAtExit = (): void => {
    worker.postMessage(CLOSE);
    Atomics.wait(closed, 0, 0, CLOSING_MS);
  };
  process.once("exit", closeAtExit);
  const channel = new PortChannel<ClientMessage, ServerMessage>(worker, () => worker.postMessage(CLOSE));
  worker.on("message", (message) => {
    if (message === GONE) channel.fail();
  });
  worker.on("error", (error) => channel.fail(threadFailure(error)));
  worker.on("exit", () => {
    process.off("exit", closeAtExit);
    channel.fail();
  });
  return channel;
}

/** A thread that cannot even start says nothing of the other side. */
function threadFailure(error: Error): Error {
  if (!error.message.includes("uv_cwd")) return error;
  return new GlmError(
    "runtime-unreachable",
    `The working directory of this process, ${process.cwd()}, was deleted: expected one that exists, since Node starts no ` +
      "thread without, and so no connection to the glmlab runtime. Go to another with process.chdir(), or make the folder " +
      "again and restart the kernel.",
  );
}
