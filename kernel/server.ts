/**
 * @file The server thread: owns the five sockets, and answers by itself what must be answered while a cell keeps the
 * cell thread busy or the language is still loading: heartbeat, kernel_info, interrupt and shutdown.
 */
import { writeSync } from "node:fs";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type MessageLike, Reply, Router, XPublisher } from "../src/rpc/sockets.ts";
import { type Channel, type Connection, endpoint } from "./connection.ts";
import { kernelInformation } from "./information.ts";
import { Interrupter } from "./interrupt.ts";
import type { ServerData, ToCells, ToServer } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { OutputMerger } from "./output.ts";
import { PendingInterrupt } from "./pending.ts";
import { Pressure } from "./pressure.ts";
import { childrenNow, signalChildren } from "./processes.ts";
import { type Header, type Outgoing, type Request, readMessage, type Sign, signer, WireError, Writer } from "./wire.ts";

/** Nothing is dropped at a high-water mark: a lost `idle` would leave its cell running for good. */
const UNLIMITED = { sendHighWaterMark: 0, receiveHighWaterMark: 0 };
/** Milliseconds that closing sockets wait for their front ends to take what is left. */
const LINGER = 500;
/** Milliseconds until a cell thread that does not end by itself is ended. */
const SHUTDOWN_PATIENCE = 2000;
/** Milliseconds between two looks at whether Jupyter is still there. */
const PARENT_INTERVAL = 1000;

/** Broadcasts that a loop may send without end, as it may print. */
const DISPLAYS: ReadonlySet<string> = new Set(["display_data", "update_display_data", "clear_output"]);

type Answered = Exclude<Channel, "iopub" | "heartbeat">;

/** What the two threads share. */
interface Shared {
  readonly pressure: Pressure;
  readonly pending: PendingInterrupt;
}

class Server {
  readonly #cells: MessagePort;
  readonly #sign: Sign;
  readonly #writer: Writer;
  readonly #routers: Record<Answered, Router> = {
    shell: new Router(UNLIMITED),
    control: new Router(UNLIMITED),
    stdin: new Router(UNLIMITED),
  };
  readonly #iopub = new XPublisher(UNLIMITED);
  readonly #heartbeat = new Reply();
  readonly #outboxes: Record<Answered | "iopub", Outbox>;
  readonly #output = new OutputMerger((parent, name, text) => this.#publish("stream", parent, { name, text }));
  readonly #interrupter: Interrupter;
  /** The execute_request that the cell thread is busy with. */
  #running: Header | undefined;

  constructor(cells: MessagePort, sign: Sign, { pressure, pending }: Shared) {
    this.#cells = cells;
    this.#sign = sign;
    this.#writer = new Writer(sign);
    const outbox = (socket: Router | XPublisher): Outbox =>
      new Outbox(socket, (error) => log(`A message was not sent: ${String(error)}`));
    const { shell, control, stdin } = this.#routers;
    this.#outboxes = {
      shell: outbox(shell),
      control: outbox(control),
      stdin: outbox(stdin),
      iopub: outbox(this.#iopub),
    };
    this.#interrupter = new Interrupter((id) => this.#tell({ kind: "interrupt", id }), pending);
    cells.on("message", (message: ToServer) => {
      pressure.taken(message);
      this.#receive(message);
    });
  }

  async start(connection: Connection): Promise<void> {
    // Every new subscription is answered, not only the first to a topic.
    this.#iopub.verbosity = "allSubs";
    const sockets = { ...this.#routers, iopub: this.#iopub, heartbeat: this.#heartbeat } satisfies Record<
      Channel,
      unknown
    >;
    await Promise.all(
      Object.entries(sockets).map(([channel, socket]) => socket.bind(endpoint(connection, channel as Channel))),
    );
    void this.#echoHeartbeats();
    void this.#welcomeSubscribers();
    void this.#serve("control", (request) => this.#onControl(request));
    void this.#serve("shell", (request) => this.#onShell(request));
    void this.#serve("stdin", ({ content }) => this.#tell({ kind: "input", value: String(content.value ?? "") }));
    this.#publish("status", undefined, { execution_state: "starting" });
    this.#watchParent();
  }

  async #echoHeartbeats(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  /** Front ends wait for this message to know that they miss no output (JEP 65). */
  async #welcomeSubscribers(): Promise<void> {
    for await (const [frame] of this.#iopub) {
      if (frame?.[0] !== 1) continue;
      const topic = frame.subarray(1).toString("utf8");
      this.#send("iopub", {
        identities: [topic],
        type: "iopub_welcome",
        content: JSON.stringify({ subscription: topic }),
      });
    }
  }

  /** Hands each well-formed message on; others are dropped with a word in the log, as strangers may reach a port. */
  async #serve(channel: Answered, handle: (request: Request) => void): Promise<void> {
    for await (const frames of this.#routers[channel]) {
      try {
        handle(readMessage(frames, this.#sign));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        log(`Dropped on ${channel}: ${error.message}`);
      }
    }
  }

  #onShell(request: Request): void {
    if (request.header.msg_type === "kernel_info_request") this.#answer("shell", request, kernelInformation());
    else if (request.header.msg_type === "shutdown_request") this.#shutdown("shell", request);
    else this.#tell({ kind: "request", request });
  }

  #onControl(request: Request): void {
    const type = request.header.msg_type;
    if (type === "kernel_info_request") this.#answer("control", request, kernelInformation());
    else if (type === "shutdown_request") this.#shutdown("control", request);
    else if (type === "interrupt_request") {
      this.#interrupter.interrupt();
      this.#answer("control", request, { status: "ok" });
    } else log(`Ignored a ${type} on control: this kernel does not know it.`);
  }

  #answer(channel: "shell" | "control", { identities, header: parent }: Request, content: object): void {
    this.#status("busy", parent);
    const type = parent.msg_type.replace(/_request$/, "_reply");
    this.#send(channel, { identities, type, parent, content: JSON.stringify(content) });
    this.#status("idle", parent);
  }

  #shutdown(channel: "shell" | "control", request: Request): void {
    const content = { status: "ok", restart: request.content.restart === true };
    this.#publish("shutdown_reply", request.header, content);
    this.#answer(channel, request, content);
    this.#endCells();
  }

  /** Asks the cell thread to end, unsticks it if need be, and ends the process when that does not help. */
  #endCells(): void {
    this.#tell({ kind: "shutdown" });
    this.#interrupter.interrupt();
    if (childrenNow()?.length !== 0) signalChildren("SIGTERM");
    const kill = (): void => {
      signalChildren("SIGKILL");
      process.kill(process.pid, "SIGKILL");
    };
    setTimeout(() => void this.#close().finally(kill), SHUTDOWN_PATIENCE);
  }

  #receive(message: ToServer): void {
    switch (message.kind) {
      case "send":
        this.#forward(message);
        break;
      case "stream":
        this.#output.write(message.parent, message.name, message.text);
        break;
      case "status":
        this.#status(message.state, message.parent);
        break;
      case "interrupt":
        this.#interrupter.interrupt();
        break;
      case "interrupted":
        this.#interrupter.acknowledge(message.id);
        break;
      case "close":
        void this.#close().finally(() => this.#tell({ kind: "closed" }));
    }
  }

  #forward({ channel, message }: Extract<ToServer, { kind: "send" }>): void {
    const { parent, type, content } = message;
    if (parent) {
      this.#output.flush(parent);
      if (DISPLAYS.has(type) && !this.#output.admits(parent, content.length)) return;
    }
    this.#send(channel, message);
  }

  /** Front ends show the last status they heard: what ends while a cell runs must not make the kernel look idle. */
  #status(state: "busy" | "idle", parent: Header): void {
    if (state === "idle") this.#output.end(parent);
    this.#publish("status", parent, { execution_state: state });
    if (parent.msg_type === "execute_request") {
      this.#running = state === "busy" ? parent : undefined;
      if (this.#running) this.#interrupter.begin();
    } else if (state === "idle" && this.#running) {
      this.#publish("status", this.#running, { execution_state: "busy" });
    }
  }

  #publish(type: string, parent: Header | undefined, content: object): void {
    this.#send("iopub", { identities: [type], type, parent, content: JSON.stringify(content) });
  }

  #send(channel: Answered | "iopub", message: Outgoing): void {
    this.#outboxes[channel].post(this.#writer.frames(message).frames as MessageLike[]);
  }

  #tell(message: ToCells): void {
    this.#cells.postMessage(message);
  }

  async #close(): Promise<void> {
    this.#output.flushAll();
    await Promise.all(Object.values(this.#outboxes).map((outbox) => outbox.drained()));
    for (const socket of [...Object.values(this.#routers), this.#iopub, this.#heartbeat]) {
      socket.linger = LINGER;
      socket.close();
    }
  }

  /** A kernel whose Jupyter was killed ends as well. On Windows the variable holds a handle, not a process id. */
  #watchParent(): void {
    const parent = Number(process.env.JPY_PARENT_PID);
    if (process.platform === "win32" || !Number.isInteger(parent) || parent <= 1) return;
    const timer = setInterval(() => {
      if (isAlive(parent)) return;
      clearInterval(timer);
      this.#endCells();
    }, PARENT_INTERVAL);
  }
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Straight to the process's own stderr: what is written in a worker would otherwise end in a notebook. */
function log(line: string): void {
  writeSync(2, `glmlab kernel: ${line}\n`);
}

if (parentPort) {
  const { connection, pressure, pending } = workerData as ServerData;
  const sign = signer(connection.key, connection.signatureScheme);
  const shared = { pressure: new Pressure(pressure), pending: new PendingInterrupt(pending) };
  await new Server(parentPort, sign, shared).start(connection);
}
