/** @file What a job leaves in its folder beside its events, read: whether it runs, how it ended, what went wrong, what it has kept. */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ErrorCode, GlmError } from "../errors.ts";
import { isFile, readText } from "../regular-file.ts";
import { shortened } from "../text-cut.ts";
import { JOB_FILE, METRICS, RESULT, STOP } from "./job.ts";
import { type JobEvent, MetricsReader } from "./metrics.ts";

/** Milliseconds without a beat of launch.sh after which it is taken to have ended. */
export const SILENCE = 60_000;
/** Milliseconds in which a launch.sh that lives has beaten, on a disk that shows it. */
const BEATS = 4000;
/** Milliseconds between two looks at its beat. */
const LOOK = 100;
/** Bytes at the end of a job's events that have the last ones. */
const TAIL = 2 ** 16;
/** Lines of a log that are shown. */
const SHOWN_LINES = 12;

/** Says that what a job trained is in its adapter. */
export const TAKEN = "taken";

/** How a job stands. */
export interface JobState {
  /** "interrupted": what ran it was killed, or its folder is gone; "damaged": what it has kept cannot be told. */
  readonly state: "running" | "interrupted" | "stopped" | "failed" | "done" | "damaged";
  /** The last step that it told while it runs, else the step that it has kept. */
  readonly step: number;
  /** Whether all that it has kept is in the adapter. */
  readonly taken: boolean;
  /** Why it failed, or what is damaged. */
  readonly why?: string;
}

export async function jobState(folder: string): Promise<JobState> {
  try {
    return await stateIn(folder);
  } catch (error) {
    if (!(error instanceof GlmError) || error.code !== "adapter-invalid") throw error;
    return { state: "damaged", step: 0, taken: false, why: error.message };
  }
}

async function stateIn(folder: string): Promise<JobState> {
  if (!(await isFile(join(folder, JOB_FILE))))
    return { state: "interrupted", step: 0, taken: true, why: `its folder ${folder} is not there any more` };
  const status = await statusOf(folder);
  const last = await lastEvents(folder);
  if (status === undefined && (await isAlive(folder))) return { state: "running", step: lastStep(last), taken: false };
  const step = await keptSteps(folder);
  const kept = { step, taken: step === 0 || (await isFile(join(folder, TAKEN))) };
  if (status === undefined) return { state: "interrupted", ...kept };
  if (last.at(-1)?.type === "done") return { state: "done", ...kept };
  if (last.at(-1)?.type === "stopped" || (await isFile(join(folder, STOP)))) return { state: "stopped", ...kept };
  return { state: "failed", ...kept, why: (await failureOf(folder, endedWith(status))).message };
}

/** For how long something that changes has not changed, by this machine's clock. */
export class Beats {
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
export async function statusOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "ended"), "utf8").catch(() => undefined);
  return text?.trim();
}

/** What launch.sh writes anew as long as it lives; nothing before its first time. */
export const beatOf = (folder: string): Promise<string> => readFile(join(folder, "alive"), "utf8").catch(() => "");

/** By the disk's clock where it can be; else it is looked for a while, since clocks of machines differ. */
async function isAlive(folder: string): Promise<boolean> {
  const since = async (name: string): Promise<number> =>
    stat(join(folder, name)).then(
      ({ mtimeMs }) => Math.abs(Date.now() - mtimeMs),
      () => Number.POSITIVE_INFINITY,
    );
  // Before its first beat it is about to start.
  if (Math.min(await since("alive"), await since(JOB_FILE)) < SILENCE) return true;
  const [from, beat] = [performance.now(), await beatOf(folder)];
  while (performance.now() - from < BEATS) {
    await wait(LOOK);
    if ((await beatOf(folder)) !== beat) return true;
  }
  return false;
}

function lastStep(events: readonly JobEvent[]): number {
  const last = events.findLast(({ type }) => type === "step");
  return last?.type === "step" ? last.step : 0;
}

async function lastEvents(folder: string): Promise<readonly JobEvent[]> {
  const file = await open(join(folder, METRICS)).catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const piece = Buffer.alloc(Math.min(TAIL, size));
    const { bytesRead } = await file.read(piece, 0, piece.length, size - piece.length);
    return new MetricsReader().push(piece.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/**
 * Steps of what a job has kept; 0 for nothing.
 * @throws GlmError "adapter-invalid" when that is damaged
 */
export async function keptSteps(folder: string): Promise<number> {
  const path = join(folder, RESULT, "state.json");
  const text = await readText(path).catch(() => '{"step":0}');
  const step = stepIn(text);
  if (step !== undefined) return step;
  throw new GlmError(
    "adapter-invalid",
    `${path}: expected the step whose values lie beside it, got ${shortened(JSON.stringify(text), 100)}. Load what is there as it is: ` +
      `glm.loadAdapter(NAME, "${join(folder, RESULT)}").`,
  );
}

function stepIn(text: string): number | undefined {
  try {
    const { step } = JSON.parse(text) as { readonly step?: unknown };
    return Number.isSafeInteger(step) && Number(step) >= 0 ? Number(step) : undefined;
  } catch {
    return undefined;
  }
}

/** What is said of a job whose processes say nothing themselves. */
export const endedWith = (status: string): string => `its processes ended with status ${status}`;

interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly time: number;
}

/** Why a job failed: what its first process to fail said, or the end of a log. */
export async function failureOf(folder: string, otherwise: string): Promise<GlmError> {
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
