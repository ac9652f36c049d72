/** @file The server's side of the protocol: lets any client ask an engine, whatever it sends. */

import type { Engine } from "../engine/engine.ts";
import type { Channel } from "./channel.ts";
import type { ClientMessage, ServerMessage } from "./protocol.ts";
import { readMessage } from "./read-message.ts";
import { type ServeOptions, serveSession } from "./session.ts";

/** Serves one client until it leaves; each of its messages is checked first. The engine stays open. */
export function serveEngine(
  channel: Channel<ServerMessage, ClientMessage>,
  engine: Engine,
  options: ServeOptions = {},
): void {
  serveSession(channel, engine, readMessage, options);
}
