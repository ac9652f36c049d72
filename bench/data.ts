/**
 * @file A large file of JSON lines as a data set: peak memory and rows a second, of reading it and of batches in shuffled order.
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

export async function dataBench(args: readonly string[]): Promise<void> {
  const megabytes = Number(args[0] ?? 2000);
  if (!(megabytes >= 1)) throw new Error(`expected megabytes of at least 1, got ${args[0]}`);
  const folder = mkdtempSync(join(tmpdir(), "glmlab-bench-data-"));
  try {
    const path = join(folder, "rows.jsonl");
    await write(path, megabytes * 1e6);
    const child = fileURLToPath(new URL("./data-process.js", import.meta.url));
    const env = { ...process.env, GLMLAB_CACHE: join(folder, "cache") };
    const flags = [...process.execArgv, child, path];
    const told = execFileSync(process.execPath, flags, { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const { rows, readSeconds, batchSeconds, before, peak } = JSON.parse(told) as Measured;
    const bytes = (count: number): string => `${Math.round(count / 1e6)} MB`;
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
