/**
 * @file The runtime: one process a user that holds models for all notebooks, and ends itself when nobody needs it.
 *
 * This thread only passes messages on, so greetings and heartbeats are answered at once while models compute in
 * their workers.
 */
import { rmSync } from "node:fs";
import { unfinishedLoads } from "../engine/runs/unfinished.ts";
import { type Holder, takeLock } from "../lock.ts";
import { serveEngine } from "../rpc/serve.ts";
import { SocketServer } from "../rpc/socket-server.ts";
import { version } from "../version.ts";
import { within } from "../within.ts";
import type { RuntimeFolder } from "./folder.ts";
import type { Log } from "./log.ts";
import { ModelPool, type PoolModel } from "./model-pool.ts";
import { startWorker } from "./workers.ts";

/** What `%runtime status` and `glmlab runtime status` show. */
export interface RuntimeStatus {
  readonly pid: number;
  readonly version: string;
  readonly address: string;
  readonly log: string;
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly clients: number;
  /** The process ends this many seconds after its last client. */
  readonly idleSeconds: number;
  /** Resident memory of the process in bytes. */
  readonly memoryBytes: number;
  readonly models: readonly PoolModel[];
}

export interface RuntimeEnd {
  readonly reason: string;
  /** Whether a worker is deep in a computation, and would hold the process for as long as that takes. */
  readonly isBusy: boolean;
}

export interface RuntimeOptions {
  readonly folder: RuntimeFolder;
  readonly idleSeconds: number;
  readonly log: Log;
}

/** Minutes are for people who read an answer; a model is quickly loaded again. */
export const IDLE_SECONDS = 600;

/** How long workers may take to end on their own, in milliseconds. */
const FAREWELL_MS = 4000;

export class Runtime {
  /** Settles when the runtime has ended. */
  readonly ended: Promise<RuntimeEnd>;
  readonly #options: RuntimeOptions;
  readonly #pool: ModelPool;
  readonly #started = Date.now();
  #server: SocketServer | undefined;
  #clients = 0;
  #idle: NodeJS.Timeout | undefined;
  #stopping = false;
  #end: (end: RuntimeEnd) => void = () => undefined;

  /**
   * Takes the folder's lock and listens on its socket.
   * @returns the process that holds the lock, when another one does
   */
  static async start(options: RuntimeOptions): Promise<Runtime | Holder> {
    const { folder, log } = options;
    const holder = takeLock(folder.path);
    if (holder) return holder;
    const runtime = new Runtime(options);
    // Left by a runtime that was killed; the lock says that nobody listens on it.
    rmSync(folder.socket, { force: true });
    runtime.#server = await SocketServer.bind(folder.address, (client) => {
      runtime.#onClient();
      serveEngine(client, runtime.#pool, {
        status: () => runtime.status(),
        onGone: () => runtime.#onGone(),
      });
    });
    log(`glmlab ${version} runtime listens on ${folder.address}; ends ${options.idleSeconds} s after its last client`);
    runtime.#waitIdle();
    void runtime.#resumeRuns();
    return runtime;
  }

  private constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#pool = new ModelPool((name, kind) => startWorker(name, kind, options.log), options.log);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async status(): Promise<RuntimeStatus> {
    const { folder, idleSeconds } = this.#options;
    return {
      pid: process.pid,
      version,
      address: folder.address,
      log: folder.log,
      started: this.#started,
      clients: this.#clients,
      idleSeconds,
      memoryBytes: process.memoryUsage.rss(),
      models: await this.#pool.models(),
    };
  }

  /** Lets the clients know, ends the workers and settles `ended`. */
  async stop(reason: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearTimeout(this.#idle);
    this.#options.log(`ends: ${reason}`);
    await this.#server?.close();
    rmSync(this.#options.folder.socket, { force: true });
    const ended = this.#pool.close().then(() => false);
    this.#end({ reason, isBusy: await within(FAREWELL_MS, ended, () => true) });
  }

  /** Loads the models of runs that went on by themselves when a runtime ended: they then go on. */
  async #resumeRuns(): Promise<void> {
    const { log } = this.#options;
    for (const load of await unfinishedLoads()) {
      log(`loads ${load.name}: training that was under way goes on`);
      try {
        for await (const _ of this.#pool.stream("load", load));
      } catch (error) {
        log(`${load.name} was not loaded, and its training does not go on: ${error}`);
      }
    }
  }

  #onClient(): void {
    this.#clients++;
    clearTimeout(this.#idle);
    this.#options.log(`client connected (${this.#clients} now)`);
  }

  #onGone(): void {
    this.#clients--;
    this.#options.log(`client gone (${this.#clients} left)`);
    if (this.#clients === 0) this.#waitIdle();
  }

  #waitIdle(): void {
    const { idleSeconds } = this.#options;
    this.#idle = setTimeout(() => void this.#endIfIdle(), idleSeconds * 1000);
  }

  /** What trains without anybody who reads it is waited for. */
  async #endIfIdle(): Promise<void> {
    const models = await this.#pool.models();
    if (this.#clients > 0) return;
    if (models.some(({ runs = 0 }) => runs > 0)) this.#waitIdle();
    else await this.stop(`no client for ${this.#options.idleSeconds} s`);
  }
}
