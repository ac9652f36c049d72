/** @file The address of a runtime that somebody else has started, and what is wrong with one: ZeroMQ ends the process for some. */

/** Longest path of a Unix socket in bytes, its final zero not counted (sun_path of each system). */
export const LONGEST_SOCKET: number = process.platform === "linux" ? 107 : 103;

const LARGEST_PORT = 2 ** 16 - 1;

/** "ipc:///path" or "tcp://host:port", where somebody may listen. */
export function isRuntimeAddress(text: string): boolean {
  const [, path] = /^ipc:\/\/(.+)$/s.exec(text) ?? [];
  if (path !== undefined) return Buffer.byteLength(path) <= LONGEST_SOCKET;
  const [, port = "0"] = /^tcp:\/\/(?:[\w.-]+|\[[\da-f:.]+(?:%\w+)?\]):(\d+)$/i.exec(text) ?? [];
  return Number(port) > 0 && Number(port) <= LARGEST_PORT;
}

/** What such an address looks like, for messages. */
export const ADDRESS_FORMS: string = `an address such as ipc:///path/runtime.sock (of at most ${LONGEST_SOCKET} bytes) or tcp://host:port`;
