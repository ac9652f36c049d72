import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { mappedFiles } from "../../bench/memory.ts";
import { peakDuring } from "../../bench/models/memory-watch.ts";

const MB = 2 ** 20;
/** Takes 200 MB at the first line that it reads, gives them back at the next, and says so each time. */
const child = `
  let held;
  process.stdin.on("data", () => {
    held = held ? undefined : Buffer.alloc(200 * ${MB}, 1);
    globalThis.gc();
    setTimeout(() => console.log("done"), 300);
  });
`;

describe.skipIf(process.platform !== "linux")("the watch on memory", () => {
  it("sees memory that is given back before the end", async () => {
    const process = spawn("node", ["--expose-gc", "-e", child], { stdio: ["pipe", "pipe", "inherit"] });
    const turn = async (): Promise<void> => {
      process.stdin.write("turn\n");
      await once(process.stdout, "data");
    };
    try {
      const before = await peakDuring(process.pid as number, async () => undefined);
      const peak = await peakDuring(process.pid as number, async () => {
        await turn();
        await turn();
      });
      const after = await peakDuring(process.pid as number, async () => undefined);
      expect(peak.anonymous - before.anonymous).toBeGreaterThan(190 * MB);
      expect(peak.anonymous - after.anonymous).toBeGreaterThan(150 * MB);
      expect(peak.mapped).toBeGreaterThan(peak.anonymous);
    } finally {
      process.kill();
    }
  });

  it("tells which files of a folder are mapped, and how much of them", () => {
    const { files, bytes } = mappedFiles(process.pid, dirname(process.execPath));
    expect(files).toContain(process.execPath);
    expect(bytes).toBeGreaterThan(10 * MB);
    const sizes = files.reduce((sum, file) => sum + statSync(file).size + 4096, 0);
    expect(bytes).toBeLessThanOrEqual(sizes);
    expect(mappedFiles(process.pid, "/nowhere/")).toEqual({ files: [], bytes: 0 });
  });
});
