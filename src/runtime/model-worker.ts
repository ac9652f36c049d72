/** @file The thread that holds one model of a runtime; server.ts starts it. */
import { parentPort } from "node:worker_threads";
import { cpu } from "../backend/cpu.ts";
import { LocalEngine } from "../engine/local.ts";
import { PortChannel } from "../rpc/channel.ts";
import type { ClientMessage, ServerMessage } from "../rpc/protocol.ts";
import { serveSession } from "../rpc/session.ts";

const port = parentPort;
if (!port) throw new Error("worker is started by the runtime, as a worker thread");
const engine = new LocalEngine(cpu);
const channel = new PortChannel<ServerMessage, ClientMessage>(port, () => port.close());
// The runtime asks what it has checked itself; to check it again would keep every load waiting for the schemas.
serveSession(channel, engine, (given) => given as ClientMessage, { onGone: () => void engine.close() });
// The runtime may ask again at any time: this thread stays until the runtime says goodbye.
channel.attend(true);
