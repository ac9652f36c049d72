/** @file The thread or process that holds one model of a runtime; workers.ts starts it. */
import { parentPort } from "node:worker_threads";
import { machine, whenGpuIsLost } from "../backend/machine.ts";
import { LocalEngine } from "../engine/local.ts";
import { PortChannel } from "../rpc/channel.ts";
import { processPort } from "../rpc/process-port.ts";
import type { ClientMessage, ServerMessage } from "../rpc/protocol.ts";
import { serveSession } from "../rpc/session.ts";

/** How long an answer takes to be on its way, in milliseconds. */
const FAREWELL_MS = 500;
/** How long loading that was given up may take to let go of its locks and of what it has half written. */
const GIVING_UP_MS = 10_000;

const port = parentPort ?? (process.send && processPort(process));
if (!port) throw new Error("worker is started by the runtime, as a thread or as a process");
// A process may meet a driver that fails; a thread would take the runtime along, and is only started where that was ruled out.
const fault = parentPort ? "the runtime has tried it (%runtime devices says what went wrong)" : undefined;
const engine = new LocalEngine({ ...machine, trial: async () => fault });
if (!parentPort) {
  // A runtime that is gone soon has a successor, which starts a process of its own for the same adapters.
  process.on("disconnect", () => process.exit());
  // A terminal's interrupt goes to the whole group: the runtime ends this process when it has put away what it holds.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
}
// Whoever asked is told first; the next load finds another process.
whenGpuIsLost(() => setTimeout(() => process.exit(1), FAREWELL_MS));
/** Ends on its own when nothing is left to do, else after a while; never within onnxruntime, which would not survive it. */
function leave(): void {
  void engine.close().catch((error: unknown) => console.error(`not everything was put away: ${error}`));
  setTimeout(() => process.exit(), GIVING_UP_MS).unref();
}
const channel = new PortChannel<ServerMessage, ClientMessage>(port, () => {
  if (parentPort) parentPort.close();
  else if (process.connected) process.disconnect();
});
// The runtime asks what it has checked itself; to check it again would keep every load waiting for the schemas.
serveSession(channel, engine, (given) => given as ClientMessage, { onGone: leave });
// The runtime may ask again at any time: this thread stays until the runtime says goodbye.
channel.attend(true);
