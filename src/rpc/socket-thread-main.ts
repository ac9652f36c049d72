/** @file The thread that holds a client's socket to a runtime; link.ts starts it. */
import { parentPort, workerData } from "node:worker_threads";
import { GlmError } from "../errors.ts";
import { PortChannel } from "./channel.ts";
import { type ClientMessage, type ServerMessage, toWire } from "./protocol.ts";
import { SocketClient } from "./socket-client.ts";
import { CLOSE, GONE, type LinkData } from "./socket-thread.ts";

const port = parentPort;
if (!port) throw new Error("socket-thread-main is started by openSocketThread, as a worker thread");
const { address, closed } = workerData as LinkData;
const socket = new SocketClient(address);
const client = new PortChannel<ServerMessage, ClientMessage>(port, end);

socket.open({
  message: (message) => client.send(message),
  closed: () => {
    port.postMessage(GONE);
    end();
  },
});
client.open({
  message: (message) => {
    if ((message as unknown) === CLOSE) end();
    else send(message);
  },
  closed: end,
});

/** What cannot be sent is the fault of who asked for it, and of nobody else who uses the connection. */
function send(message: ClientMessage): void {
  try {
    socket.send(message);
  } catch (error) {
    if (!("id" in message)) throw error;
    const why = `this question cannot be sent: ${error instanceof Error ? error.message : error}. Ask for less at a time.`;
    client.send({ type: "error", id: message.id, error: toWire(new GlmError("data-invalid", why)) });
  }
}

/** Lets the last words out, closes the socket, and with it the thread. */
function end(): void {
  void socket.close().then(() => {
    const flag = new Int32Array(closed);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    port?.close();
  });
}
