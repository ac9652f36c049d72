/** @file Watches a job from its folder, from the beginning: whoever started it, and whether it still runs or has ended. */
import { open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, GlmError } from "../errors.ts";
import { shortened } from "../text-cut.ts";
import { type JobEvent, MetricsReader } from "./metrics.ts";

/** Milliseconds between two looks. */
const LOOK = 250;
/** Milliseconds without a beat of launch.sh after which it is taken to have ended. */
const SILENCE = 60_000;
/** Milliseconds that a job has to end after it was asked to; then its processes are ended. */
const STOPPING = 600_000;
/** Milliseconds after its end in which the last lines of a job must be seen. */
const DISK = 60_000;
/** Bytes read at a time. */
const PIECE = 2 ** 20;
/** Lines of a log that are shown. */
const SHOWN_LINES = 12;

/** Asks the processes to end after the running step, and to keep it. */
export const askToStop = (folder: string): Promise<void> => writeFile(join(folder, "stop"), "");

/**
 * What a job tells, from its first event on; ends when the job has ended well.
 * @param signal asks to look no longer; the job goes on
 * @throws GlmError with what it failed of: "loss-not-finite", "out-of-memory", "model-invalid", else "job-failed"
 */
export async function* follow(folder: string, signal?: AbortSignal): AsyncGenerator<JobEvent, void, void> {
  const reader = new MetricsReader();
  const beats = new Beats();
  let at = 0;
  let isOver = false;
  let late = 0;
  for (;;) {
    signal?.throwIfAborted();
    // Before its last lines are read: they were written before it.
    const status = await statusOf(folder);
    for (;;) {
      const piece = await pieceOf(join(folder, "metrics.jsonl"), at);
      if (piece.length === 0) break;
      at += piece.length;
      for (const event of reader.push(piece)) {
        isOver = event.type === "done" || event.type === "stopped";
        yield event;
      }
    }
    if (status !== undefined) {
      if (status !== "0") throw await failureOf(folder, `its processes ended with status ${status}`);
      if (isOver) return;
      // On a network disk, what another machine wrote shows later than what this one did.
      late += LOOK;
      if (late > DISK) throw await failureOf(folder, "its processes ended without a last word");
    }
    const beat = await readFile(join(folder, "alive"), "utf8").catch(() => "");
    if (beats.silence(beat) > SILENCE)
      throw await failureOf(folder, `launch.sh has shown no sign of life for ${SILENCE / 1000} s`);
    await wait(LOOK);
  }
}

/** Waits until a job that was asked to stop has done so; one that does not is ended. */
export async function untilEnded(folder: string): Promise<void> {
  const from = performance.now();
  const beats = new Beats();
  let isHalted = false;
  while ((await statusOf(folder)) === undefined) {
    if (beats.silence(await readFile(join(folder, "alive"), "utf8").catch(() => "")) > SILENCE) return;
    if (!isHalted && performance.now() - from > STOPPING) {
      await writeFile(join(folder, "halt"), "");
      isHalted = true;
    }
    await wait(LOOK);
  }
}

/** For how long something that changes has not changed, by this machine's clock. */
class Beats {
  #last = "";
  #since = performance.now();

  /** Milliseconds. */
  silence(beat: string): number {
    if (beat !== this.#last) {
      this.#last = beat;
      this.#since = performance.now();
    }
    return performance.now() - this.#since;
  }
}

/** The status that a job ended with; undefined while it runs. */
async function statusOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "ended"), "utf8").catch(() => undefined);
  return text?.trim();
}

async function pieceOf(path: string, at: number): Promise<Uint8Array> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= at) return new Uint8Array();
  const file = await open(path);
  try {
    const piece = Buffer.alloc(Math.min(PIECE, size - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    return piece.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly time: number;
}

/** Why a job failed: what its first process to fail said, or the end of a log. */
async function failureOf(folder: string, otherwise: string): Promise<GlmError> {
  const names = await readdir(join(folder, "faults")).catch(() => []);
  const faults: Fault[] = [];
  for (const name of names.filter((one) => one.endsWith(".json"))) {
    const text = await readFile(join(folder, "faults", name), "utf8").catch(() => "{}");
    const fault = JSON.parse(text) as Partial<Fault>;
    if (fault.message !== undefined) faults.push(fault as Fault);
  }
  // The others fail because it is gone: what they say is of their connection.
  const first = faults.sort(
    (a, b) => Number(a.code === "job-failed") - Number(b.code === "job-failed") || a.time - b.time,
  )[0];
  const why = first ? shortened(first.message, 2000) : `${otherwise}.${await lastWords(folder)}`;
  return new GlmError(first?.code ?? "job-failed", `job ${folder}: ${why} Logs: ${join(folder, "log")}`);
}

/** The end of the log that says most. */
async function lastWords(folder: string): Promise<string> {
  const logs = (await readdir(join(folder, "log")).catch(() => [])).filter((name) => name.endsWith(".txt"));
  const texts = await Promise.all(logs.map((name) => readFile(join(folder, "log", name), "utf8").catch(() => "")));
  const longest = texts.reduce((one, other) => (other.length > one.length ? other : one), "");
  const lines = longest.trim().split("\n").slice(-SHOWN_LINES);
  return longest.trim() === "" ? "" : ` The log ends:\n${shortened(lines.join("\n"), 2000)}\n`;
}
