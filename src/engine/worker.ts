/** @file The thread that holds one model of a runtime; server.ts starts it. */
import { parentPort } from "node:worker_threads";
import { PortChannel } from "./channel.ts";
import { LocalEngine } from "./local.ts";
import type { ClientMessage, ServerMessage } from "./protocol.ts";
import { serveEngine } from "./serve.ts";

const port = parentPort;
if (!port) throw new Error("worker is started by the runtime, as a worker thread");
const engine = new LocalEngine();
const channel = new PortChannel<ServerMessage, ClientMessage>(port, () => port.close());
serveEngine(channel, engine, { onGone: () => void engine.close() });
// The runtime may ask again at any time: this thread stays until the runtime says goodbye.
channel.attend(true);
