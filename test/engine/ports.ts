/** @file Engines at the other end of a MessagePort, as workers are, but within the test's thread. */
import { MessageChannel } from "node:worker_threads";
import type { Engine } from "../../src/engine/engine.ts";
import { PortChannel } from "../../src/rpc/channel.ts";
import { RemoteEngine } from "../../src/rpc/client.ts";
import type { ClientMessage, ServerMessage } from "../../src/rpc/protocol.ts";
import { serveEngine } from "../../src/rpc/serve.ts";
import type { WorkerHandle } from "../../src/runtime/workers.ts";

export interface Ports {
  readonly client: PortChannel<ClientMessage, ServerMessage>;
  readonly server: PortChannel<ServerMessage, ClientMessage>;
}

export function ports(): Ports {
  const { port1, port2 } = new MessageChannel();
  return {
    client: new PortChannel<ClientMessage, ServerMessage>(port1, () => port1.close()),
    server: new PortChannel<ServerMessage, ClientMessage>(port2, () => port2.close()),
  };
}

/** An engine as its client sees it. */
export async function connectThrough(engine: Engine): Promise<RemoteEngine> {
  const { client, server } = ports();
  serveEngine(server, engine);
  return RemoteEngine.connect(client, "the engine of the test is gone");
}

/** A worker that can be made to die: `kill` ends it without a word. */
export function memoryWorker(engine: Engine): WorkerHandle & { kill(): void } {
  const { client, server } = ports();
  serveEngine(server, engine, { onGone: () => exit() });
  let exit = (): void => undefined;
  const exited = new Promise<void>((resolve) => {
    exit = resolve;
  });
  const kill = (): void => {
    client.fail(new Error("killed by the test"));
    exit();
  };
  return { channel: client, exited, kill, stop: async () => exit() };
}
