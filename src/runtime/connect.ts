/** @file Finding this user's runtime, or starting it: a client's way to an engine that other notebooks share. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { entryPoint } from "../entry.ts";
import { GlmError } from "../errors.ts";
import { type Holder, isAlive, lockHolder } from "../lock.ts";
import { RemoteEngine } from "../rpc/client.ts";
import { openSocketThread } from "../rpc/socket-thread.ts";
import { ADDRESS_FORMS, isRuntimeAddress } from "./address.ts";
import { runtimeEnvironment } from "./allocator.ts";
import { type RuntimeFolder, runtimeFolder } from "./folder.ts";
import { lastLines } from "./log.ts";
import { lostMessage } from "./lost.ts";
import type { RuntimeStatus } from "./server.ts";

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long a runtime may take until it answers, in milliseconds. */
  readonly patience?: number;
}

/** Long enough for a cold disk and a busy machine. */
const PATIENCE_MS = 30_000;
/** A greeting unanswered for this long is tried again: the runtime may have been about to end. */
const GREETING_MS = 5000;
/** A process that was started and holds no lock after this time has failed, or met another; start one again. */
const START_MS = 5000;
const POLL_MS = 25;
/** How often it is seen, while a process is greeted, whether it is still there. */
const WATCH_MS = 200;
const LOG_LINES = 12;
/** Threads that read files for all models: a disk that does not answer holds one of them. */
const FILE_THREADS = "16";

const LOST = lostMessage(
  "The glmlab runtime ended while it was asked: it was stopped or killed, or the system ran out of memory.",
  "the runtime is then started and the model loaded anew",
);

/**
 * Connects to this user's runtime, which is started when there is none.
 * @throws GlmError "runtime-unreachable" when none answers, or one of another version does
 */
export async function connectRuntime({ signal, patience = PATIENCE_MS }: ConnectOptions = {}): Promise<RemoteEngine> {
  const folder = runtimeFolder();
  const deadline = performance.now() + patience;
  let lastStart = Number.NEGATIVE_INFINITY;
  let failed: string | undefined;
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    const holder = lockHolder(folder.path);
    if (holder) {
      const engine = await greetHolder(folder, holder, signal);
      if (engine) return engine;
    } else if (performance.now() - lastStart > START_MS) {
      lastStart = performance.now();
      startRuntime(folder, (why) => {
        failed = why;
      });
    }
    if (failed !== undefined) throw unreachable(folder, failed);
    await sleep(POLL_MS, undefined, signal ? { signal } : {});
  }
  const holder = lockHolder(folder.path);
  const silent =
    holder && `process ${holder.pid} holds its lock, but does not answer. Run \`glmlab runtime stop\` and try again`;
  throw unreachable(folder, `${silent ?? "none could be started"} (waited ${patience / 1000} s)`);
}

/** Connects to a runtime at a ZeroMQ address, which somebody else has started. */
export async function connectTo(
  address: string,
  { signal, patience = PATIENCE_MS }: ConnectOptions = {},
): Promise<RemoteEngine> {
  if (!isRuntimeAddress(address)) {
    throw new GlmError("option-invalid", `runtime: expected ${ADDRESS_FORMS}, got "${address}".`);
  }
  const engine = await greet(address, AbortSignal.timeout(patience), signal);
  if (engine) return engine;
  throw new GlmError(
    "runtime-unreachable",
    `Nothing answers at ${address}: expected a glmlab runtime within ${patience / 1000} s. Is it running (\`glmlab runtime status\` there), ` +
      "and is the address right?",
  );
}

/** What this user's runtime says about itself; undefined when none runs. None is started. */
export async function runtimeStatus({ signal }: ConnectOptions = {}): Promise<RuntimeStatus | undefined> {
  const folder = runtimeFolder();
  const holder = lockHolder(folder.path);
  if (!holder) return undefined;
  const engine = await greetHolder(folder, holder, signal);
  if (!engine) return undefined;
  try {
    const status = (await engine.status(signal)) as RuntimeStatus;
    // Whoever asks is no user of a model.
    return { ...status, clients: status.clients - 1 };
  } finally {
    await engine.close();
  }
}

/** Greets the process that holds the lock, for no longer than it lives: it may be about to end. */
async function greetHolder(
  folder: RuntimeFolder,
  holder: Holder,
  signal: AbortSignal | undefined,
): Promise<RemoteEngine | undefined> {
  const late = new AbortController();
  const deadline = performance.now() + GREETING_MS;
  const watch = setInterval(() => {
    if (performance.now() > deadline || !isAlive(holder)) late.abort();
  }, WATCH_MS);
  try {
    return await greet(folder.address, late.signal, signal);
  } finally {
    clearInterval(watch);
  }
}

/** Undefined when nobody answers in time, or the other side goes while it is greeted. */
async function greet(
  address: string,
  late: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<RemoteEngine | undefined> {
  try {
    return await RemoteEngine.connect(openSocketThread(address), LOST, signal ? AbortSignal.any([signal, late]) : late);
  } catch (error) {
    signal?.throwIfAborted();
    // What the connection itself met is a fault here, and no sign that nobody is there.
    const isFault = error instanceof Error && error.cause instanceof Error && !(error.cause instanceof GlmError);
    const isGone = error instanceof GlmError && error.code === "runtime-lost" && !isFault;
    if (late.aborted || isGone) return undefined;
    throw error;
  }
}

/**
 * Starts a runtime that outlives this process. When another one is faster, it leaves again, which is no failure.
 * @param onFailure told when it ends without having been of use
 */
function startRuntime(folder: RuntimeFolder, onFailure: (why: string) => void): void {
  const log = openSync(folder.log, "a", 0o600);
  try {
    const child = spawn(process.execPath, [fileURLToPath(entryPoint("runtime/main"))], {
      detached: true,
      env: { UV_THREADPOOL_SIZE: FILE_THREADS, ...runtimeEnvironment(process.env), GLMLAB_RUNTIME_DIR: folder.path },
      stdio: ["ignore", log, log],
    });
    child.on("error", (error) => onFailure(`it could not be started (${error.message})`));
    child.on("exit", (code, signal) => {
      if (code !== 0) onFailure(`it ended as soon as it was started (${code ?? signal})`);
    });
    child.unref();
  } finally {
    closeSync(log);
  }
}

function unreachable(folder: RuntimeFolder, why: string): GlmError {
  const tail = lastLines(folder.log, LOG_LINES);
  const log =
    tail.length > 0 ? `The end of its log, ${folder.log}:\n${tail.join("\n")}` : `Its log, ${folder.log}, is empty.`;
  return new GlmError(
    "runtime-unreachable",
    `The glmlab runtime does not answer: ${why}; or load with the option runtime: "none" (\`%model ... --runtime none\`) ` +
      `to run the model in this process. ${log}`,
  );
}
