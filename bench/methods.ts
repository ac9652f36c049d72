/**
 * @file A training step of each method: its time and peak memory beside PyTorch, with PEFT where it has the method.
 *
 *   npm run bench -- methods [--rounds 3] [--turn 0.6] [--shape small|large|tiny|both] [--method NAME] [--install]
 *
 * Each side has a process of its own for each method, for the memory's sake. They take turns within each round; times are lower
 * quartiles, and ratios the median of those within the rounds. Both start from the same values, and their first losses must agree.
 */
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { AdapterConfig } from "../src/adapters/adapter.ts";
import { runtimeEnvironment } from "../src/runtime/allocator.ts";
import { packageFolder } from "../src/version.ts";
import { LineProcess } from "./line-process.ts";
import { LEARNING_RATE, LORA, type RandomModel, randomModel, type Shape } from "./lora-model.ts";
import { peakOf } from "./memory.ts";
import { PythonScript } from "./python-script.ts";
import { markdownTable } from "./table.ts";
import { lowerQuartile, median, spread } from "./timing.ts";
import { installTorch, type TorchTurn, torchPython } from "./torch.ts";
import { wholeNumber } from "./whole.ts";

const models = {
  tiny: { layers: 2, hidden: 64, ffn: 172, heads: 4, groups: 2, headSize: 16, vocabulary: 512 },
  small: { layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, headSize: 32, vocabulary: 4096 },
  large: { layers: 4, hidden: 1024, ffn: 2736, heads: 8, groups: 2, headSize: 128, vocabulary: 4096 },
} as const;
type ModelName = keyof typeof models;

/** Every token has a label. */
const batches = [
  { batch: 8, seq: 64, labelled: 64 },
  { batch: 1, seq: 512, labelled: 512 },
] as const;

const { r, alpha, dropout, targets } = LORA;
const prefix = { method: "pTuning", length: 32, dropout: 0 } as const;
const methodsByName: Readonly<Record<string, AdapterConfig>> = {
  lora: LORA,
  // Its budget is shared out anew at every step, which is when it has the most to do.
  adalora: {
    ...{ method: "adaLora", r, initR: 12, alpha, dropout, targets, orthogonality: 0.5 },
    ...{ tinit: 1, tfinal: 100, deltaT: 1, totalStep: 100_000, beta1: 0.85, beta2: 0.85 },
  },
  ptuning: { ...prefix, projection: false },
  "ptuning, projected": { ...prefix, projection: true },
  "freeze, last layer": { method: "freeze", layers: 1 },
  embeddings: { method: "embeddings" },
  full: { method: "full" },
};

/** Seconds of rest before each turn, in which the other side's threads go to sleep. */
const REST = 0.2;

/** Losses of a first step may differ by so much: it is a sum in another order. */
const SAME = 1e-3;

export async function methods(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "3" },
      turn: { type: "string", default: "0.6" },
      shape: { type: "string", default: "both" },
      method: { type: "string" },
      install: { type: "boolean", default: false },
    },
  });
  const shapes = shapesOf(values.shape);
  const chosen = Object.entries(methodsByName).filter(([name]) => name === (values.method ?? name));
  if (chosen.length === 0) {
    throw new Error(`--method: expected one of ${Object.keys(methodsByName).join("; ")}, got ${values.method}`);
  }
  const [rounds, turn] = [wholeNumber("rounds", values.rounds), Number(values.turn)];
  if (!(turn > 0)) throw new Error(`--turn: expected seconds, more than 0, got ${JSON.stringify(values.turn)}`);
  if (values.install) installTorch();
  const python = torchPython();
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  if (!python) {
    console.log(
      "Without PyTorch: --install gets it, or set GLMLAB_TORCH_PYTHON to a Python with bench/requirements.txt.",
    );
  }
  for (const name of shapes) {
    for (const rows of batches) {
      const shape = { ...models[name], ...rows };
      const model = await randomModel(shape);
      try {
        const table: Record<string, string>[] = [];
        for (const [method, config] of chosen) {
          table.push({ method, ...(await compare(model, shape, config, python, rounds, turn)) });
        }
        console.log(`\n### ${shape.layers} x ${shape.hidden}, ${rows.batch} x ${rows.seq} tokens\n`);
        console.log(markdownTable(table));
      } finally {
        await model.dispose();
      }
    }
  }
}

async function compare(
  model: RandomModel,
  shape: Shape,
  method: AdapterConfig,
  python: string | undefined,
  rounds: number,
  turn: number,
): Promise<Record<string, string>> {
  await model.start(method);
  const script = join(packageFolder, "dist", "bench", "methods-process.js");
  // As the runtime that notebooks share is started.
  const env = runtimeEnvironment(process.env);
  const ours = new LineProcess("bench/methods-process.js", process.execPath, [script], env);
  const torch = python === undefined ? undefined : new PythonScript(python, "methods_step.py");
  try {
    const { folder, config, batch } = model;
    ours.send({ folder, config, batch, method });
    torch?.send({ folder, shape, batch, method, lr: LEARNING_RATE });
    const first = await turnOf(ours, 0);
    mustAgree(method, first, torch && (await turnOf(torch, 0)));
    // Allocators and caches settle.
    await turnOf(ours, turn / 2);
    if (torch) await turnOf(torch, turn / 2);
    const seen: { ours: number; torch: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await setTimeout(REST * 1000);
      const own = lowerQuartile((await turnOf(ours, turn)).seconds);
      await setTimeout(REST * 1000);
      seen.push({ ours: own, torch: torch ? lowerQuartile((await turnOf(torch, turn)).seconds) : Number.NaN });
    }
    const milliseconds = (seconds: readonly number[]): string => (median(seconds) * 1000).toFixed(1);
    const [peak, other] = [peakOf(ours.pid), torch ? peakOf(torch.pid) : Number.NaN];
    const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
    return {
      "step ms": milliseconds(seen.map((round) => round.ours)),
      ...(torch
        ? {
            "PyTorch ms": milliseconds(seen.map((round) => round.torch)),
            "x PyTorch's steps a second": spread(
              seen.map((round) => round.torch / round.ours),
              2,
            ),
          }
        : {}),
      "peak MB": megabytes(peak),
      ...(torch ? { "PyTorch's peak MB": megabytes(other), "of PyTorch's": (peak / other).toFixed(2) } : {}),
    };
  } finally {
    ours.dispose();
    torch?.dispose();
  }
}

/** Steps until `budget` seconds have passed, one at least. */
async function turnOf(side: LineProcess, budget: number): Promise<TorchTurn> {
  side.send({ budget });
  return (await side.next()) as TorchTurn;
}

function mustAgree({ method }: AdapterConfig, ours: TorchTurn, torch: TorchTurn | undefined): void {
  if (torch === undefined || Math.abs(ours.loss - torch.loss) < SAME) return;
  throw new Error(
    `${method}: the first step's loss is ${ours.loss} here and ${torch.loss} in PyTorch: they do not compute the same`,
  );
}

function shapesOf(name: string): readonly ModelName[] {
  if (name === "both") return ["small", "large"];
  if (name in models) return [name as ModelName];
  throw new Error(`--shape: expected ${Object.keys(models).join(", ")} or both, got ${name}`);
}
