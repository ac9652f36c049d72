/** @file The connection file: where a kernel's five sockets are bound and which key signs its messages. */
import { readFileSync } from "node:fs";

export type Channel = "shell" | "control" | "iopub" | "stdin" | "heartbeat";

export interface Connection {
  readonly transport: "tcp" | "ipc";
  /** An address, or the beginning of the sockets' paths. */
  readonly ip: string;
  readonly ports: Readonly<Record<Channel, number>>;
  /** Empty: messages are not signed. */
  readonly key: string;
  readonly signatureScheme: string;
}

const portNames: Readonly<Record<Channel, string>> = {
  shell: "shell_port",
  control: "control_port",
  iopub: "iopub_port",
  stdin: "stdin_port",
  heartbeat: "hb_port",
};

/** @throws Error naming the file and the field that cannot be used */
export function readConnection(path: string): Connection {
  const fields = readFields(path);
  const fail = (name: string, expected: string): never => {
    throw new Error(
      `Connection file ${path}: expected ${name} to be ${expected}, got ${JSON.stringify(fields[name])}. ` +
        "The file is written by Jupyter when it starts a kernel.",
    );
  };
  const text = (name: string, otherwise: string): string => {
    const value = fields[name] ?? otherwise;
    return typeof value === "string" ? value : fail(name, "a string");
  };
  const port = (channel: Channel): number => {
    const value = fields[portNames[channel]];
    return typeof value === "number" && Number.isInteger(value) && value > 0
      ? value
      : fail(portNames[channel], "a positive integer");
  };
  const transport = text("transport", "tcp");
  return {
    transport: transport === "tcp" || transport === "ipc" ? transport : fail("transport", '"tcp" or "ipc"'),
    ip: text("ip", "127.0.0.1"),
    ports: {
      shell: port("shell"),
      control: port("control"),
      iopub: port("iopub"),
      stdin: port("stdin"),
      heartbeat: port("heartbeat"),
    },
    key: text("key", ""),
    signatureScheme: text("signature_scheme", "hmac-sha256"),
  };
}

/** The ZeroMQ address of a channel. With `ipc` the port is the end of a file name, as Jupyter has it. */
export function endpoint({ transport, ip, ports }: Connection, channel: Channel): string {
  return `${transport}://${ip}${transport === "ipc" ? "-" : ":"}${ports[channel]}`;
}

function readFields(path: string): { readonly [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(
      `Connection file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`Connection file ${path} holds no JSON object.`);
}
