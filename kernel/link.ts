/** @file What the kernel's two threads say to each other: the server thread owns the sockets, the cell thread the language. */
import type { Connection } from "./connection.ts";
import type { Header, Outgoing, Request } from "./wire.ts";

/** From the cell thread. */
export type ToServer =
  | { readonly kind: "send"; readonly channel: "shell" | "iopub" | "stdin"; readonly message: Outgoing }
  | { readonly kind: "status"; readonly state: "busy" | "idle"; readonly parent: Header }
  /** Text for standard output or error; the server merges it into few messages. */
  | { readonly kind: "stream"; readonly name: "stdout" | "stderr"; readonly text: string; readonly parent: Header }
  /** The process got SIGINT. */
  | { readonly kind: "interrupt" }
  /** The interrupted cell has ended, or there was none. */
  | { readonly kind: "interrupted"; readonly id: number }
  /** Send what is left, close the sockets, answer "closed". */
  | { readonly kind: "close" };

/** From the server thread. */
export type ToCells =
  | { readonly kind: "request"; readonly request: Request }
  | { readonly kind: "input"; readonly value: string }
  /** Repeated until it is answered, always with the same id. */
  | { readonly kind: "interrupt"; readonly id: number }
  | { readonly kind: "shutdown" }
  | { readonly kind: "closed" };

/** What the server thread is started with. */
export interface ServerData {
  readonly connection: Connection;
  /** Of the cell thread's Pressure. */
  readonly pressure: SharedArrayBuffer;
  /** Of its PendingInterrupt. */
  readonly pending: SharedArrayBuffer;
}
