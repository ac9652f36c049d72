/**
 * @file A LoRA step (r = 8 on query_key_value): its share of the machine's GEMM peak, and its speed beside PyTorch + PEFT.
 *
 * The contenders take turns within each round, so that whatever else the machine does slows all of them; ratios are
 * taken within a round, each contender at the lower quartile of its runs, and their median over the rounds is reported.
 */
import { availableParallelism, cpus } from "node:os";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type GemmPeak, gemmPeak } from "./gemm.ts";
import { LORA, ourStep, randomModel, type Shape, stepOperations } from "./lora-model.ts";
import { markdownTable } from "./table.ts";
import { lowerQuartile, median, spread, timed } from "./timing.ts";
import { installTorch, TorchStep, torchPython } from "./torch.ts";

const small = { layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, headSize: 32, vocabulary: 4096 };
const large = { layers: 4, hidden: 1024, ffn: 2736, heads: 8, groups: 2, headSize: 128, vocabulary: 4096 };
const rows = { batch: 8, seq: 64 };
/** `labelled` of 64: every token, as in the aims; and a quarter, as in a prompt with a short answer. */
const shapes: Readonly<Record<string, Shape>> = {
  "6 x 256": { ...small, ...rows, labelled: 64 },
  "6 x 256, short answers": { ...small, ...rows, labelled: 16 },
  "4 x 1024": { ...large, ...rows, labelled: 64 },
  "4 x 1024, short answers": { ...large, ...rows, labelled: 16 },
};

/** Seconds of one contender's turn, and of the rest before it, in which the last one's threads go to sleep. */
const TURN = 1.5;
const REST = 0.4;

export async function loraStep(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "7" },
      compile: { type: "boolean", default: false },
      install: { type: "boolean", default: false },
    },
  });
  if (values.install) installTorch();
  const python = torchPython();
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  if (!python) {
    console.log(
      "Without PyTorch: --install gets it, or set GLMLAB_TORCH_PYTHON to a Python with bench/requirements.txt.",
    );
  }
  const peak = await gemmPeak();
  const table: Record<string, string>[] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    table.push({ shape: name, ...(await compare(shape, peak, python, values.compile, Number(values.rounds))) });
  }
  await peak.dispose();
  console.log(markdownTable(table));
}

async function compare(
  shape: Shape,
  peak: GemmPeak,
  python: string | undefined,
  compiled: boolean,
  rounds: number,
): Promise<Record<string, string>> {
  const model = await randomModel(shape);
  await model.start(LORA);
  const ours = await ourStep(model);
  const torch = python === undefined ? undefined : new TorchStep(python, shape, model, compiled);
  const operations = stepOperations(shape);
  mustAgree(await ours.run(), (await torch?.run(0))?.loss);
  await ours.run();
  await torch?.run(TURN);
  const seen: { peak: number; ours: number; torch: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await setTimeout(REST * 1000);
    const best = await peak.measure(TURN / 3);
    await setTimeout(REST * 1000);
    const own = lowerQuartile(await timed(ours.run, TURN));
    await setTimeout(REST * 1000);
    const other = torch ? lowerQuartile((await torch.run(TURN)).seconds) : Number.NaN;
    seen.push({ peak: best, ours: own, torch: other });
  }
  await ours.dispose();
  torch?.dispose();
  await model.dispose();
  const milliseconds = (seconds: readonly number[]): string => (median(seconds) * 1000).toFixed(1);
  const percent = seen.map((round) => (100 * operations) / round.ours / round.peak);
  return {
    "GEMM GFLOP/s": (median(seen.map((round) => round.peak)) / 1e9).toFixed(0),
    "step ms": milliseconds(seen.map((round) => round.ours)),
    "% of GEMM": spread(percent),
    ...(torch
      ? {
          "PyTorch ms": milliseconds(seen.map((round) => round.torch)),
          "x PyTorch's steps a second": spread(
            seen.map((round) => round.torch / round.ours),
            2,
          ),
        }
      : {}),
  };
}

/** Both start from the same values, so their first losses tell whether they compute the same. */
function mustAgree(ours: number, torch: number | undefined): void {
  if (torch === undefined || Math.abs(ours - torch) < 1e-4) return;
  throw new Error(`the first step's loss is ${ours} here and ${torch} in PyTorch: they do not compute the same`);
}
