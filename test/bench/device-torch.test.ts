import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Figures } from "../../bench/device/measure.ts";
import { figuresTable } from "../../bench/device/report.ts";
import { shapeOf } from "../../bench/device/shapes.ts";
import { checkTorch, measureTorch, torchMeasured, versionOf } from "../../bench/device/torch.ts";
import { ensurePython } from "../../scripts/python.ts";

const seconds = { alone: [0.3, 0.1, 0.2], together: [0.4], prompt: [0.6, 0.5], train: [5, 1, 2, 3, 4] };
const report = { device: "cuda", title: "Some GPU", dtype: "float16", seconds };

describe("what PyTorch's process says", () => {
  it("is reported by the statistics of ours", () => {
    const { name, title, figures } = torchMeasured("2.15.0", report);
    expect({ name, title }).toEqual({ name: "PyTorch 2.15.0, cuda, float16", title: "Some GPU" });
    expect(figures).toEqual({ alone: 0.2, together: 0.4, prompt: 0.55, train: 2 });
  });

  it.each([
    ["seconds.train", { ...report, seconds: { ...seconds, train: [] } }],
    ["seconds.prompt[1]", { ...report, seconds: { ...seconds, prompt: [1, 0] } }],
    ["seconds.together", { ...report, seconds: { ...seconds, together: undefined } }],
    ["device", { ...report, device: "abacus" }],
    ["expected object", null],
  ])("is refused where it cannot be: %s", (where, answer) => {
    expect(() => torchMeasured("2.15.0", answer)).toThrow(where);
  });

  it("begins with a version that is new enough", () => {
    expect(versionOf("python", { version: "2.15.0+cu132" })).toBe("2.15.0");
    expect(versionOf("python", { version: "2.5.1" })).toBe("2.5.1");
    expect(versionOf("python", { version: "3.0.0a0+git1234" })).toBe("3.0.0a0");
    expect(() => versionOf("python", { version: "2.4.1+cpu" })).toThrow(
      '--python: expected a Python with torch 2.5 or newer, got "python", which has 2.4.1. Get it with python -m pip',
    );
    expect(() => versionOf("python", { version: "unknown" })).toThrow("which has unknown");
    expect(() => versionOf("python", "hello")).toThrow('which answers "hello"');
  });
});

describe("a Python", () => {
  let python: string;
  beforeAll(async () => {
    python = (await ensurePython()).program("python");
  });
  afterEach(() => vi.unstubAllEnvs());

  /** Whatever the environment has, this is what `import torch` finds. */
  async function withTorch(source: string, test: () => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "glmlab-torch-"));
    try {
      await writeFile(join(folder, "torch.py"), source);
      vi.stubEnv("PYTHONPATH", folder);
      await test();
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it("without torch is refused, and told what to do", async () => {
    await withTorch(`raise ModuleNotFoundError("No module named 'torch'")`, async () => {
      await expect(checkTorch(python)).rejects.toThrow(
        `--python: expected a Python with torch 2.5 or newer, got ${JSON.stringify(python)}, ` +
          `which says: No module named 'torch'. Get it with ${python} -m pip install --upgrade torch`,
      );
    });
  });

  it("whose torch misses a library says which", async () => {
    await withTorch(`raise OSError("libcudart.so.13: cannot open shared object file")`, async () => {
      await expect(measureTorch(python, shapeOf("tiny"), "cpu", 1)).rejects.toThrow("which says: libcudart.so.13");
    });
  });

  it("that is none is refused by the same name", async () => {
    await expect(checkTorch(join(tmpdir(), "no", "python"))).rejects.toThrow(/^--python: .* did not start: .*ENOENT/);
    // It does not know Python's options, says so, and ends.
    await expect(checkTorch(process.execPath)).rejects.toThrow(/^--python: .* ended early with \d+/);
  });
});

describe("the table", () => {
  const figures: Figures = {
    ...{ load: 1, held: 0, read: 1e9, alone: 0.1, together: 0.8, prompt: 1, newAdapter: 0, swap: 0, train: 4 },
    ...{ tokenToDevice: 0, tokenToHost: 0, trainToDevice: 0, trainToHost: 0 },
  };
  const peaks = { bandwidth: 1e10, bandwidthOf: "", gemm: 1e12, gemmOf: "" };
  const torch = {
    ...{ name: "PyTorch 2.15.0, cpu, float32", title: "2 threads" },
    figures: { alone: 0.2, together: 0.4, prompt: 0.5, train: -1 },
  };
  const lines = (ours: Figures): string[] =>
    figuresTable(shapeOf("tiny"), new Map([["int4", ours]]), peaks, false, torch)
      .split("\n")
      .filter((line) => line.includes("PyTorch"))
      .map((line) => line.replace(/ +/g, " "));

  it("has PyTorch's figures beside ours, and how many times as fast ours are", () => {
    expect(lines(figures)).toEqual([
      "| answer in PyTorch 2.15.0, cpu, float32; x its speed | 5.00 tokens/s; 2.00 x |",
      "| 8 rows in PyTorch 2.15.0, cpu, float32; x its speed | 20.0 tokens/s; 0.500 x |",
      "| prompt in PyTorch 2.15.0, cpu, float32; x its speed | 512 tokens/s; 0.500 x |",
      "| LoRA step in PyTorch 2.15.0, cpu, float32; x its speed | lost in noise |",
    ]);
  });

  it("compares with nothing where ours failed", () => {
    expect(lines({ ...figures, alone: Number.NaN })[0]).toContain("| 5.00 tokens/s |");
  });
});
