/**
 * @file Where a runtime's models live: each in a thread, but one on a GPU in a process, since a driver that fails takes its
 * process along. Their output goes to the log.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { machine } from "../backend/machine.ts";
import { mayUseGpu } from "../engine/chosen-device.ts";
import type { DeviceChoice } from "../engine/engine.ts";
import { entryPoint } from "../entry.ts";
import { type Channel, PortChannel } from "../rpc/channel.ts";
import { processPort } from "../rpc/process-port.ts";
import type { ClientMessage, ServerMessage } from "../rpc/protocol.ts";
import type { Log } from "./log.ts";

/** A place where an engine runs. */
export interface WorkerHandle {
  readonly channel: Channel<ClientMessage, ServerMessage>;
  /** Settles when the worker is gone, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends the worker: a thread when what it computes just now is done, and what it has begun is put away; a process at once. */
  stop(): Promise<void>;
}

/** A thread ends itself when it hears this. */
const GOODBYE: ClientMessage = { type: "bye" };

export type WorkerKind = "thread" | "process";

export const workerKind = async (device: DeviceChoice): Promise<WorkerKind> =>
  (await mayUseGpu(machine, device)) ? "process" : "thread";

export const startWorker = (name: string, kind: WorkerKind, log: Log): WorkerHandle =>
  kind === "process" ? startProcess(name, log) : startThread(name, log);

function startThread(name: string, log: Log): WorkerHandle {
  const worker = new Worker(entryPoint("runtime/model-worker"), {
    name: `glmlab ${name}`,
    stdout: true,
    stderr: true,
    execArgv: [],
  });
  const channel = new PortChannel<ClientMessage, ServerMessage>(worker, () => undefined);
  // Never by force: a thread that is terminated within onnxruntime takes the whole process along.
  return handle(name, channel, worker, () => worker.postMessage(GOODBYE), log);
}

function startProcess(name: string, log: Log): WorkerHandle {
  const child = fork(fileURLToPath(entryPoint("runtime/model-worker")), {
    // Tensors pass as they are.
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    execArgv: [],
  });
  const channel = new PortChannel<ClientMessage, ServerMessage>(processPort(child), () => {
    if (child.connected) child.disconnect();
  });
  // One that hangs in its driver is not left behind.
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  child.once("exit", () => process.removeListener("exit", end));
  return handle(name, channel, child, end, log);
}

/** What threads and processes have in common. */
type Place = Pick<Worker | ChildProcess, "on"> & {
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
};

function handle(
  name: string,
  channel: PortChannel<ClientMessage, ServerMessage>,
  place: Place,
  end: () => unknown,
  log: Log,
): WorkerHandle {
  for (const output of [place.stdout, place.stderr]) {
    output?.setEncoding("utf8").on("data", (text: string) => log(`[${name}] ${text.trimEnd()}`));
  }
  place.on("error", (error: unknown) => {
    log(`[${name}] worker failed: ${error instanceof Error ? error.stack : error}`);
    channel.fail(error instanceof Error ? error : new Error(String(error)));
  });
  let told = false;
  const exited = new Promise<void>((resolve) => {
    // One that could not be started has no end, either.
    place.on("error", () => {
      if (!(place instanceof Worker) && (place as ChildProcess).pid === undefined) resolve();
    });
    place.on("exit", (code: number | null, signal?: string | null) => {
      const how = signal ? `signal ${signal}` : `code ${code}`;
      // One that is told to end has a code, too, which says nothing.
      log(told || code === 0 ? `[${name}] worker ended` : `[${name}] worker ended unexpectedly (${how})`);
      channel.fail(new Error(`its worker ended with ${how}`));
      resolve();
    });
  });
  log(`[${name}] worker started`);
  return {
    channel,
    exited,
    stop: async () => {
      told = true;
      await end();
      await exited;
    },
  };
}
