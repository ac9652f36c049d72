/**
 * @file What a run tells, on the disk as it goes: every event as a line of JSON (metrics.jsonl), and its numbers for TensorBoard
 * (events.out.tfevents.*), under the names that transformers' trainer gives them.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type FileToWrite, replaceFiles } from "../../files.ts";
import { LARGEST_TEXT, readText } from "../../regular-file.ts";
import type { FitEvent } from "../../train/trainer.ts";
import { LogFile } from "./log-file.ts";
import { damagedRun } from "./run-folder.ts";
import { fileStart, scalars } from "./tensorboard.ts";

const METRICS = "metrics.jsonl";
const TENSORBOARD = "events.out.tfevents.";

/** Events gather so long before they are written, in milliseconds. */
const PAUSE = 500;

/** An event, and when it was, in milliseconds since 1970. */
type Line = FitEvent & { readonly time: number };

export class MetricsLog {
  readonly #metrics: LogFile;
  readonly #records: LogFile;
  #lines: Line[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(metrics: LogFile, records: LogFile) {
    this.#metrics = metrics;
    this.#records = records;
  }

  /**
   * A log that goes on with events from before; what else stood in the folder's logs is gone.
   * @throws GlmError "disk" when it cannot be written
   */
  static async open(folder: string, before: readonly Line[] = []): Promise<MetricsLog> {
    for (const name of await readdir(folder).catch(() => [])) {
      if (name.startsWith(TENSORBOARD)) await rm(join(folder, name), { force: true });
    }
    const seconds = Date.now() / 1000;
    const records = Buffer.concat([fileStart(seconds), ...recordsOf(before)]);
    return new MetricsLog(
      await LogFile.begin(join(folder, METRICS), textOf(before)),
      await LogFile.begin(join(folder, `${TENSORBOARD}${Math.floor(seconds)}.glmlab`), records),
    );
  }

  add(event: FitEvent): void {
    this.#lines.push({ ...event, time: Date.now() });
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), PAUSE);
  }

  /**
   * Writes what was told so far.
   * @throws GlmError "disk" when it cannot be written; it is tried again with what comes next
   */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    const lines = this.#lines.splice(0);
    if (lines.length === 0) return;
    try {
      await this.#metrics.append(textOf(lines));
    } catch (error) {
      this.#lines.unshift(...lines);
      throw error;
    }
    await this.#records.append(Buffer.concat(recordsOf(lines)));
  }
}

/**
 * What a run has told up to a step.
 * @param last the last step that counts; what came after it belongs to steps that are taken again
 * @throws GlmError "model-invalid" when the file is damaged
 */
export async function readMetrics(folder: string, last: number = Number.POSITIVE_INFINITY): Promise<Line[]> {
  const path = join(folder, METRICS);
  const text = await readText(path, LARGEST_TEXT).catch((cause: Error) => {
    throw damagedRun(path, cause.message, cause);
  });
  const lines = text.split("\n");
  const events: Line[] = [];
  for (const [i, line] of lines.entries()) {
    // Killed while it was written, a file may end within a line.
    if (i === lines.length - 1) break;
    const event = parsed(line);
    if (!event) throw damagedRun(path, `something else in line ${i + 1}`);
    if (event.type === "step" && event.step > last) break;
    events.push(event);
  }
  return events;
}

/**
 * Puts what a run has told beside an adapter's files; nothing where there was no run. Event files of an earlier save are replaced.
 * @throws GlmError "disk" when it cannot be written
 */
export async function copyMetrics(from: string, to: string): Promise<void> {
  const isLog = (name: string): boolean => name === METRICS || name.startsWith(TENSORBOARD);
  const names = (await readdir(from).catch(() => [])).filter(isLog);
  if (names.length === 0) return;
  const files = names.map(async (name): Promise<FileToWrite> => {
    const content = await readFile(join(from, name));
    return { name, bytes: content.length, content: [content] };
  });
  await replaceFiles(to, await Promise.all(files), (name) => name.startsWith(TENSORBOARD));
}

function parsed(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "type" in value ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}

function textOf(lines: readonly Line[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

function recordsOf(lines: readonly Line[]): Uint8Array[] {
  return lines.flatMap((line) => {
    const values = numbersOf(line);
    return values && "step" in line ? [scalars(line.time / 1000, line.step, values)] : [];
  });
}

function numbersOf(event: FitEvent): Readonly<Record<string, number>> | undefined {
  switch (event.type) {
    case "step": {
      const { loss, lr, gradientNorm, epoch, rehearsalLoss, ranks } = event;
      return {
        ...{ "train/loss": loss, "train/learning_rate": lr, "train/grad_norm": gradientNorm, "train/epoch": epoch },
        ...(rehearsalLoss === undefined ? {} : { "train/rehearsal_loss": rehearsalLoss }),
        ...(ranks === undefined ? {} : { "train/rank": ranks.reduce((sum, { rank }) => sum + rank, 0) }),
      };
    }
    case "validation":
      return {
        "eval/loss": event.loss,
        ...(event.score === undefined ? {} : { "eval/score": event.score }),
      };
    default:
      return undefined;
  }
}
