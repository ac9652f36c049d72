/**
 * @file A large file of JSON lines as a data set: peak memory and rows a second, of reading it, of batches in shuffled order, and of
 * training on it in the runtime.
 * `npm run bench -- data [megabytes]`; 2000 by default.
 */
import { execFileSync } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { markdownTable } from "./table.ts";

/** What the process tells that reads it. */
interface Measured {
  readonly rows: number;
  readonly readSeconds: number;
  readonly batchSeconds: number;
  /** In bytes: of the process before it read anything, and at most. */
  readonly before: number;
  readonly peak: number;
}

/** What the process tells that trains on it. Memory in bytes. */
interface MeasuredFit {
  readonly rows: number;
  readonly encodeSeconds: number;
  readonly stepSeconds: number;
  readonly before: Memory;
  readonly peak: Memory;
}

interface Memory {
  readonly notebook: number;
  readonly runtime: number;
}

const bytes = (count: number): string => `${Math.round(count / 1e6)} MB`;

/** What a process of the bench prints, with a home of its own. */
function told(name: string, folder: string, path: string): string {
  const child = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const own = { GLMLAB_CACHE: join(folder, "cache"), GLMLAB_DATA: join(folder, "data") };
  const env = { ...process.env, ...own, GLMLAB_RUNTIME_DIR: join(folder, "run") };
  const flags = [...process.execArgv, child, path];
  return execFileSync(process.execPath, flags, { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

export async function dataBench(args: readonly string[]): Promise<void> {
  const megabytes = Number(args[0] ?? 2000);
  if (!(megabytes >= 1)) throw new Error(`expected megabytes of at least 1, got ${args[0]}`);
  const folder = mkdtempSync(join(tmpdir(), "glmlab-bench-data-"));
  try {
    const path = join(folder, "rows.jsonl");
    await write(path, megabytes * 1e6);
    const measured = <T>(process: string): T => JSON.parse(told(process, folder, path)) as T;
    const { rows, readSeconds, batchSeconds, before, peak } = measured<Measured>("data-process");
    console.log(
      markdownTable([
        {
          file: bytes(statSync(path).size),
          rows: rows.toLocaleString("en-US"),
          "read and checked": `${Math.round(rows / readSeconds).toLocaleString("en-US")} rows/s`,
          "in shuffled batches": `${Math.round(rows / batchSeconds).toLocaleString("en-US")} rows/s`,
          "memory before": bytes(before),
          "at most": bytes(peak),
        },
      ]),
    );
    const fit = measured<MeasuredFit>("data-fit-process");
    console.log(
      markdownTable([
        {
          file: bytes(statSync(path).size),
          "encoded before the first step": `${Math.round(fit.rows / fit.encodeSeconds).toLocaleString("en-US")} rows/s`,
          "a step of 8 rows, tiny": `${Math.round(1000 * fit.stepSeconds)} ms`,
          "notebook before": bytes(fit.before.notebook),
          "notebook at most": bytes(fit.peak.notebook),
          "runtime before": bytes(fit.before.runtime),
          "runtime at most": bytes(fit.peak.runtime),
        },
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rows of about a kilobyte, all different. */
async function write(path: string, bytes: number): Promise<void> {
  const out = createWriteStream(path);
  const [question, answer] = ["请写一段关于上衣的广告：", "这件上衣采用了柔软的面料，穿着舒适，适合春秋两季。"];
  let written = 0;
  for (let row = 0; written < bytes; row += 1) {
    const response = answer.repeat(1 + (row % 24)) + row;
    const line = Buffer.from(`${JSON.stringify({ prompt: `${question}${row}`, response })}\n`);
    written += line.length;
    if (!out.write(line)) await new Promise((resolve) => out.once("drain", () => resolve(undefined)));
  }
  await new Promise<void>((resolve) => out.end(() => resolve()));
}
