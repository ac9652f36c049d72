/** @file `glmlab runtime start|status|stop|devices|logs`: the runtime as a command, in the foreground or asked from outside. */
import { plural } from "../plural.ts";
import "../backend/privacy.ts";
import { parse } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { byteSize } from "../byte-size.ts";
import { modelForm } from "../engine/model-form.ts";
import { GlmError } from "../errors.ts";
import { type Holder, isAlive, lockHolder } from "../lock.ts";
import { suggestion } from "../suggestion.ts";
import { type RuntimeFolder, runtimeFolder } from "./folder.ts";
import { fileLog, type Log, lastLines, rotateLog } from "./log.ts";

const HELP = `glmlab runtime [start|status|stop|devices|logs]

One process a user that holds models for all notebooks. Notebooks start it when they need it.

  start    run it here, in the foreground, until it is stopped or idle (the default)
  status   what is loaded, for how many clients, in how much memory
  stop     end it; adapters stay on disk
  devices  what there is to compute on, and why something cannot be used
  logs     the last lines of its log

GLMLAB_RUNTIME_DIR   its folder (default: glmlab in $XDG_RUNTIME_DIR, or a private folder for temporary files)
GLMLAB_RUNTIME_IDLE  seconds after the last client until it ends (default: 600)`;

const commands: Record<string, (folder: RuntimeFolder) => Promise<number>> = { start, status, stop, devices, logs };

const LOG_LINES = 50;
/** How long a runtime may take to end before it is killed, in milliseconds. */
const STOP_MS = 8000;
/** How long the system may take to end a process that was killed. */
const KILL_MS = 5000;
const POLL_MS = 50;

/**
 * Runs the command and returns its exit status.
 * @param args what follows `glmlab runtime`
 */
export async function runRuntimeCli(args: readonly string[]): Promise<number> {
  const [name = "start", ...rest] = args;
  if (name === "--help" || name === "-h") return say(HELP);
  const command = commands[name];
  const unknown = command ? rest[0] : name;
  if (!command || unknown !== undefined) {
    console.error(
      `glmlab runtime: unknown command or option "${unknown}".${suggestion(unknown ?? name, Object.keys(commands))}`,
    );
    return 2;
  }
  try {
    return await command(runtimeFolder());
  } catch (error) {
    if (!(error instanceof GlmError)) throw error;
    console.error(error.message);
    return 1;
  }
}

async function start(folder: RuntimeFolder): Promise<number> {
  // Native libraries are loaded only by the process that becomes the runtime.
  const { Runtime, IDLE_SECONDS } = await import("./server.ts");
  // It outlives whoever started it: the folder that it stands in must not be one that somebody wants to remove.
  process.chdir(parse(folder.path).root);
  const idleSeconds = seconds(process.env.GLMLAB_RUNTIME_IDLE, IDLE_SECONDS);
  rotateLog(folder.log);
  const file = fileLog(folder.log);
  const log: Log = (line) => {
    file(line);
    if (process.stdout.isTTY) console.log(line);
  };
  const runtime = await Runtime.start({ folder, idleSeconds, log });
  if (!(runtime instanceof Runtime)) {
    return say(`A runtime runs already (process ${runtime.pid}) on ${folder.address}.`);
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void runtime.stop(signal));
  process.on("uncaughtException", (error) => {
    log(`a bug: ${error.stack}`);
    void runtime.stop("uncaught error");
  });
  const { reason, isBusy } = await runtime.ended;
  // Not by itself: it would wait for its threads, and abort when they come back from their computation.
  if (isBusy) process.kill(process.pid, "SIGKILL");
  return reason === "uncaught error" ? 1 : 0;
}

async function status(folder: RuntimeFolder): Promise<number> {
  const holder = lockHolder(folder.path);
  if (!holder) return say(`No runtime runs (${folder.path}). A notebook starts one when it loads a model.`, 3);
  const { runtimeStatus } = await import("./connect.ts");
  const found = await runtimeStatus();
  if (!found) return say("The runtime has just ended.", 3);
  const minutes = Math.round((Date.now() - found.started) / 60_000);
  say(
    `glmlab ${found.version} runtime, process ${found.pid}, up ${minutes} min, ${plural(found.clients, "client")}, ${byteSize(found.memoryBytes)}`,
  );
  say(`${found.address}, log ${found.log}`);
  for (const { model, adapters, mappedBytes, deviceBytes, requests } of found.models) {
    say(
      `  ${model.name} (${model.family}, ${model.device}, ${modelForm(model)}): ${byteSize(mappedBytes)} of weights, ` +
        (deviceBytes === undefined ? "" : `${byteSize(deviceBytes)} on the GPU, `) +
        `${plural(adapters.length, "adapter")}, ${plural(requests, "request")}`,
    );
  }
  return found.models.length === 0 ? say("  no model is loaded") : 0;
}

async function stop(folder: RuntimeFolder): Promise<number> {
  const stopped = await stopRuntime(folder);
  return say(stopped ? `Stopped the runtime (process ${stopped.pid}).` : "No runtime runs.");
}

async function logs(folder: RuntimeFolder): Promise<number> {
  const lines = lastLines(folder.log, LOG_LINES);
  return say(lines.length === 0 ? `${folder.log} is empty.` : lines.join("\n"));
}

/**
 * Ends the runtime of a folder, of whatever version it is; returns the process that was ended, and no longer is.
 * @param signal stops waiting for that; the runtime ends all the same
 * @throws GlmError "runtime-unreachable" when the process does not even end when it is killed
 */
export async function stopRuntime(
  folder: RuntimeFolder = runtimeFolder(),
  signal?: AbortSignal,
): Promise<Holder | undefined> {
  const holder = lockHolder(folder.path);
  if (!holder) return undefined;
  send(holder, "SIGTERM");
  if (await hasEnded(holder, STOP_MS, signal)) return holder;
  send(holder, "SIGKILL");
  if (await hasEnded(holder, KILL_MS, signal)) return holder;
  throw new GlmError(
    "runtime-unreachable",
    `The runtime (process ${holder.pid}) was killed and is still there after ${KILL_MS / 1000} s: the system keeps it, ` +
      "perhaps for a disk or a device that does not answer. Wait for it, or set GLMLAB_RUNTIME_DIR to another folder.",
  );
}

async function hasEnded(holder: Holder, patience: number, signal: AbortSignal | undefined): Promise<boolean> {
  for (const deadline = performance.now() + patience; isAlive(holder); ) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
  return true;
}

/** Between looking and signalling the process may have ended by itself, which is what was wanted. */
function send({ pid }: Holder, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function seconds(text: string | undefined, fallback: number): number {
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && value < 2 ** 31 / 1000) return value;
  throw new GlmError(
    "option-invalid",
    `GLMLAB_RUNTIME_IDLE: expected a number of seconds below 2147483, got "${text}".`,
  );
}

async function devices(): Promise<number> {
  const { examinedDevices } = await import("../backend/machine.ts");
  for (const { name, title, memory, isSoftware, obstacle } of await examinedDevices()) {
    const room = memory === undefined ? "" : `, ${byteSize(memory)}`;
    const use =
      obstacle !== undefined ? `; cannot be used: ${obstacle}` : isSoftware ? "; only if named: it is slow" : "";
    say(`${name}: ${title}${room}${use}`);
  }
  return 0;
}

function say(text: string, code = 0): number {
  console.log(text);
  return code;
}
