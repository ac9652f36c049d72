/** @file Watches a job from its folder, from the beginning: whoever started it, and whether it still runs or has ended. */
import { open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isFile } from "../regular-file.ts";
import { METRICS, STOP } from "./job.ts";
import { type JobEvent, MetricsReader } from "./metrics.ts";
import { Beats, beatOf, endedWith, failureOf, SILENCE, statusOf } from "./traces.ts";

/** Milliseconds between two looks. */
const LOOK = 250;
/** Milliseconds that a job has to end after it was asked to; then its processes are ended. */
const STOPPING = 600_000;
/** Milliseconds after its end in which the last lines of a job must be seen. */
const DISK = 60_000;
/** Bytes read at a time. */
const PIECE = 2 ** 20;

/** Asks the processes to end after the running step, and to keep it; at once where none is taken yet. */
export async function askToStop(folder: string): Promise<void> {
  await writeFile(join(folder, STOP), "");
  if (!(await hasBegun(folder))) await halt(folder);
}

const halt = (folder: string): Promise<void> => writeFile(join(folder, "halt"), "");

/** Whether it has told anything: until then, it loads the model. */
const hasBegun = (folder: string): Promise<boolean> => isFile(join(folder, METRICS));

/**
 * What a job tells, from its first event on; ends when the job has ended well, or was stopped before it began.
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
      const piece = await pieceOf(join(folder, METRICS), at);
      if (piece.length === 0) break;
      at += piece.length;
      for (const event of reader.push(piece)) {
        isOver = event.type === "done" || event.type === "stopped";
        yield event;
      }
    }
    if (status !== undefined) {
      if (status !== "0" && (await isFile(join(folder, STOP))) && !(await hasBegun(folder))) return;
      if (status !== "0") throw await failureOf(folder, endedWith(status));
      if (isOver) return;
      // On a network disk, what another machine wrote shows later than what this one did.
      late += LOOK;
      if (late > DISK) throw await failureOf(folder, "its processes ended without a last word");
    }
    if (beats.silence(await beatOf(folder)) > SILENCE)
      throw await failureOf(folder, `launch.sh has shown no sign of life for ${SILENCE / 1000} s`);
    await pause(signal);
  }
}

/**
 * Waits until a job that was asked to stop has done so; one that does not is ended.
 * @param signal asks to wait no longer
 */
export async function untilEnded(folder: string, signal?: AbortSignal): Promise<void> {
  const from = performance.now();
  const beats = new Beats();
  let isHalted = false;
  while ((await statusOf(folder)) === undefined) {
    if (beats.silence(await beatOf(folder)) > SILENCE) return;
    if (!isHalted && performance.now() - from > STOPPING) {
      await halt(folder);
      isHalted = true;
    }
    await pause(signal);
  }
}

/** @throws whatever the signal was aborted with, at once */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await wait(LOOK, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
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
