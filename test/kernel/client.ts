/**
 * @file A Jupyter front end for tests and benchmarks: starts the built kernel as Jupyter does and talks to it over ZeroMQ.
 * It frames and signs messages with code of its own, so that the kernel's is checked.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Dealer, Request, Subscriber } from "../../src/rpc/sockets.ts";
import { packageFolder } from "../../src/version.ts";

export interface Message {
  readonly type: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly version: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into contents of every kind
  readonly content: any;
  /** When it came, as `performance.now()` counts. */
  readonly time: number;
}

export interface StartOptions {
  readonly transport?: "tcp" | "ipc";
  readonly key?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another kernel: its program and arguments. */
  readonly command?: (connectionFile: string) => readonly [string, ...string[]];
  /** Takes the connection file of a kernel that has ended, as a restart does. */
  readonly like?: TestKernel;
}

/** What one execute_request led to. */
export interface Execution {
  readonly reply: Message;
  /** The broadcasts of this cell from busy to idle, both left out. */
  readonly output: readonly Message[];
}

type Channel = "shell" | "control" | "stdin";

const main = join(packageFolder, "dist", "kernel", "main.js");
/** Milliseconds; loading TypeScript takes a second, but the machine may be busy with other tests. */
const TIMEOUT = 60_000;
/** Milliseconds between two attempts to reach a kernel that is still starting. */
const RECONNECT = 5;

export class TestKernel {
  readonly process: ChildProcess;
  /** When the process was started, as `performance.now()` counts. */
  readonly started: number = performance.now();
  /** Milliseconds from the start of the process to the first kernel_info_reply. */
  startup = 0;
  /** All broadcasts so far. */
  readonly broadcasts: Message[] = [];
  stderr = "";
  readonly connectionFile: string;
  readonly #key: string;
  readonly #session = randomUUID();
  readonly #sockets: Readonly<Record<Channel, Dealer>>;
  readonly #subscriber = new Subscriber({ receiveHighWaterMark: 0, linger: 0, reconnectInterval: RECONNECT });
  readonly #heartbeat = new Request({ linger: 0 });
  readonly #replies: Message[] = [];
  readonly #listeners = new Set<() => void>();

  static async start(options: StartOptions = {}): Promise<TestKernel> {
    const file = options.like?.connectionFile ?? (await writeConnection(options));
    const { transport, ip, key, ...ports } = JSON.parse(readFileSync(file, "utf8"));
    const kernel = new TestKernel(file, key, options);
    const endpoint = (name: string): string => `${transport}://${ip}${transport === "tcp" ? ":" : "-"}${ports[name]}`;
    kernel.#sockets.shell.connect(endpoint("shell_port"));
    kernel.#sockets.control.connect(endpoint("control_port"));
    kernel.#sockets.stdin.connect(endpoint("stdin_port"));
    kernel.#subscriber.connect(endpoint("iopub_port"));
    kernel.#subscriber.subscribe();
    kernel.#heartbeat.connect(endpoint("hb_port"));
    const { time } = await kernel.request("shell", "kernel_info_request", {});
    kernel.startup = time - kernel.started;
    await kernel.#subscribed();
    return kernel;
  }

  private constructor(file: string, key: string, { env, command }: StartOptions) {
    this.connectionFile = file;
    this.#key = key;
    const dealer = (): Dealer => new Dealer({ routingId: this.#session, linger: 0, reconnectInterval: RECONNECT });
    this.#sockets = { shell: dealer(), control: dealer(), stdin: dealer() };
    const [program, ...args] = command?.(file) ?? [process.execPath, main, file];
    // A process group of its own, as Jupyter makes one.
    this.process = spawn(program, args, {
      cwd: dirname(file),
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.process.stderr?.on("data", (text) => {
      this.stderr += text;
    });
    for (const socket of Object.values(this.#sockets)) void this.#collect(socket, this.#replies);
    void this.#collect(this.#subscriber, this.broadcasts);
  }

  /** Runs a cell and waits for its reply and its idle. */
  async execute(code: string, options: Readonly<Record<string, unknown>> = {}): Promise<Execution> {
    return await this.ended(this.begin(code, options));
  }

  /** Sends a cell without waiting; the id of its request. */
  begin(code: string, options: Readonly<Record<string, unknown>> = {}): string {
    return this.send("shell", "execute_request", { code, allow_stdin: true, ...options });
  }

  async ended(id: string): Promise<Execution> {
    const reply = await this.reply(id);
    await this.broadcast((message) => message.parentId === id && message.content.execution_state === "idle");
    const output = this.broadcasts.filter((message) => message.parentId === id && message.type !== "status");
    return { reply, output };
  }

  async request(channel: Channel, type: string, content: object): Promise<Message> {
    return await this.reply(this.send(channel, type, content));
  }

  async reply(id: string): Promise<Message> {
    return await this.#find(this.#replies, (message) => message.parentId === id && message.type !== "input_request");
  }

  async broadcast(matches: (message: Message) => boolean): Promise<Message> {
    return await this.#find(this.broadcasts, matches);
  }

  /** The question that a cell asks the user. */
  async question(id: string, prompt: string): Promise<Message> {
    return await this.#find(
      this.#replies,
      (message) => message.parentId === id && message.type === "input_request" && message.content.prompt === prompt,
    );
  }

  /** Sends a message and returns its id; `key` forges the signature. */
  send(channel: Channel, type: string, content: object, key: string = this.#key): string {
    const msg_id = randomUUID();
    const header = {
      msg_id,
      msg_type: type,
      session: this.#session,
      username: "test",
      date: new Date().toISOString(),
      version: "5.4",
    };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    void this.#sockets[channel].send(["<IDS|MSG>", signature(key, parts), ...parts]);
    return msg_id;
  }

  /** Frames as they are. */
  sendRaw(channel: Channel, frames: readonly string[]): void {
    void this.#sockets[channel].send([...frames]);
  }

  async heartbeat(): Promise<string> {
    await this.#heartbeat.send("ping");
    const [frame] = await this.#heartbeat.receive();
    return String(frame);
  }

  /** Sends shutdown_request and waits for the process to end. */
  async shutdown({
    restart = false,
  }: {
    readonly restart?: boolean;
  } = {}): Promise<{ reply: Message; code: number | null }> {
    const exit = once(this.process, "exit");
    const reply = await this.request("control", "shutdown_request", { restart });
    const [code] = await exit;
    return { reply, code };
  }

  /** Ends everything, whatever state it is in. */
  dispose(): void {
    if (this.process.exitCode === null) this.process.kill("SIGKILL");
    for (const socket of [...Object.values(this.#sockets), this.#subscriber, this.#heartbeat]) socket.close();
    rmSync(dirname(this.connectionFile), { recursive: true, force: true });
  }

  /** Broadcasts before our subscription has arrived are lost: until one comes, the kernel is made to send some. */
  async #subscribed(): Promise<void> {
    while (this.broadcasts.length === 0) {
      await this.request("shell", "kernel_info_request", {});
      await sleep(RECONNECT);
    }
  }

  async #collect(socket: Dealer | Subscriber, into: Message[]): Promise<void> {
    for await (const frames of socket) {
      into.push(this.#read(frames));
      for (const listener of this.#listeners) listener();
    }
  }

  #read(frames: readonly Buffer[]): Message {
    const start = frames.findIndex((frame) => frame.equals(Buffer.from("<IDS|MSG>")));
    const [signed, ...parts] = frames.slice(start + 1).map(String);
    if (signed !== signature(this.#key, parts.slice(0, 4)))
      throw new Error(`The kernel signed a message wrongly: ${parts[0]}`);
    const [header, parent, , content] = parts.map((part) => JSON.parse(part));
    const { msg_type: type, msg_id: id, version } = header;
    return { type, id, parentId: parent.msg_id, version, content, time: performance.now() };
  }

  #find(messages: readonly Message[], matches: (message: Message) => boolean): Promise<Message> {
    const asked = new Error("No such message came");
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
      };
      const look = (): void => {
        const found = messages.find(matches);
        if (!found) return;
        stop();
        resolve(found);
      };
      const timer = setTimeout(() => {
        stop();
        const seen = messages.slice(-10).map(({ type, content }) => `${type} ${JSON.stringify(content)}`.slice(0, 200));
        asked.message += `\nThe last ones:\n${seen.join("\n")}\nThe kernel's stderr:\n${this.stderr}`;
        reject(asked);
      }, TIMEOUT);
      this.#listeners.add(look);
      look();
    });
  }
}

function signature(key: string, parts: readonly string[]): string {
  if (key === "") return "";
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

/** The text that a cell wrote to a stream. */
export function printed(output: readonly Message[], name: "stdout" | "stderr" = "stdout"): string {
  const streams = output.filter(({ type, content }) => type === "stream" && content.name === name);
  return streams.map(({ content }) => content.text).join("");
}

async function writeConnection({ transport = "tcp", key = randomUUID() }: StartOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "glmlab-kernel-"));
  const [shell_port, control_port, iopub_port, stdin_port, hb_port] =
    transport === "tcp" ? await freePorts(5) : [1, 2, 3, 4, 5];
  const ip = transport === "tcp" ? "127.0.0.1" : join(folder, "k");
  const connection = {
    transport,
    ip,
    key,
    signature_scheme: "hmac-sha256",
    shell_port,
    control_port,
    iopub_port,
    stdin_port,
    hb_port,
  };
  const file = join(folder, "connection.json");
  writeFileSync(file, JSON.stringify(connection));
  return file;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) server.close();
  return ports;
}
