/** @file The thread that holds a client's socket to a runtime; link.ts starts it. */
import { parentPort, workerData } from "node:worker_threads";
import { PortChannel } from "./channel.ts";
import { CLOSE, GONE, type LinkData } from "./link.ts";
import type { ClientMessage, ServerMessage } from "./protocol.ts";
import { SocketClient } from "./socket-client.ts";

const port = parentPort;
if (!port) throw new Error("link-worker is started by openLink, as a worker thread");
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
    else socket.send(message);
  },
  closed: end,
});

/** Lets the last words out, closes the socket, and with it the thread. */
function end(): void {
  void socket.close().then(() => {
    const flag = new Int32Array(closed);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    port?.close();
  });
}
