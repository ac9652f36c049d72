/**
 * @file A training step with gradient checkpointing and without: its time and peak memory.
 *
 *   npm run bench -- checkpointing [--rounds 3] [--turn 1] [--size NAME]
 *
 * Either has a process of its own for each size and method, for the memory's sake. They take turns within each round; times are lower
 * quartiles, and ratios the median of those within the rounds. Their first losses must be equal.
 */
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { AdapterConfig } from "../src/adapters/adapter.ts";
import { packageFolder } from "../src/version.ts";
import { LineProcess } from "./line-process.ts";
import { LORA, type RandomModel, randomModel, type Shape } from "./lora-model.ts";
import { memoryOf, peakOf } from "./memory.ts";
import { markdownTable } from "./table.ts";
import { lowerQuartile, median, spread } from "./timing.ts";
import { wholeNumber } from "./whole.ts";

const sizes: Readonly<Record<string, Shape>> = {
  small: {
    ...{ layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, headSize: 32, vocabulary: 4096 },
    ...{ batch: 16, seq: 128, labelled: 32 },
  },
  large: {
    ...{ layers: 12, hidden: 512, ffn: 1376, heads: 8, groups: 2, headSize: 64, vocabulary: 4096 },
    ...{ batch: 8, seq: 256, labelled: 64 },
  },
};

const methods: Readonly<Record<string, AdapterConfig>> = {
  "LoRA on query_key_value": LORA,
  "LoRA on all linear modules": { ...LORA, targets: "all-linear" },
  "the same, dropout 0.1": { ...LORA, targets: "all-linear", dropout: 0.1 },
  full: { method: "full" },
};

/** Seconds of rest before each turn, in which the other's threads go to sleep. */
const REST = 0.2;

interface Turn {
  readonly loss: number;
  readonly seconds: readonly number[];
}

export async function checkpointing(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "3" },
      turn: { type: "string", default: "1" },
      size: { type: "string" },
    },
  });
  const [rounds, turn] = [wholeNumber("rounds", values.rounds), Number(values.turn)];
  const chosen = Object.entries(sizes).filter(([name]) => values.size === undefined || name === values.size);
  if (chosen.length === 0) throw new Error(`--size: expected ${Object.keys(sizes).join(" or ")}, got ${values.size}`);
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  for (const [, shape] of chosen) {
    const model = await randomModel(shape);
    try {
      const table: Record<string, string>[] = [];
      for (const [method, config] of Object.entries(methods)) {
        table.push({ method, ...(await compare(model, config, rounds, turn)) });
      }
      console.log(`\n### ${shape.layers} x ${shape.hidden}, ${shape.batch} x ${shape.seq} tokens\n`);
      console.log(markdownTable(table));
    } finally {
      await model.dispose();
    }
  }
}

async function compare(
  { folder, config, batch }: RandomModel,
  method: AdapterConfig,
  rounds: number,
  turn: number,
): Promise<Record<string, string>> {
  const script = join(packageFolder, "dist", "bench", "methods-process.js");
  const [kept, again] = [false, true].map((gradientCheckpointing) => {
    const started = new LineProcess("bench/methods-process.js", process.execPath, [script]);
    started.send({ folder, config, batch, method, gradientCheckpointing });
    return started;
  }) as [LineProcess, LineProcess];
  try {
    const [first, second] = [await turnOf(kept, 0), await turnOf(again, 0)];
    if (first.loss !== second.loss) throw new Error(`the first losses are ${first.loss} and ${second.loss}`);
    const seen: [number, number][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const seconds: number[] = [];
      for (const side of [kept, again]) {
        await setTimeout(REST * 1000);
        seconds.push(lowerQuartile((await turnOf(side, turn)).seconds));
      }
      seen.push(seconds as [number, number]);
    }
    const milliseconds = (side: 0 | 1): string => (median(seen.map((round) => round[side])) * 1000).toFixed(0);
    const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
    const [most, less] = [peakOf(kept.pid), peakOf(again.pid)];
    return {
      "step ms": milliseconds(0),
      "with checkpointing": milliseconds(1),
      "x as long": spread(
        seen.map(([without, checkpointed]) => checkpointed / without),
        2,
      ),
      "peak MB": megabytes(most),
      "peak MB with checkpointing": megabytes(less),
      "afterwards MB": megabytes(memoryOf(kept.pid).resident),
      "afterwards MB with checkpointing": megabytes(memoryOf(again.pid).resident),
    };
  } finally {
    kept.dispose();
    again.dispose();
  }
}

/** Steps until `budget` seconds have passed, one at least. */
async function turnOf(side: LineProcess, budget: number): Promise<Turn> {
  side.send({ budget });
  return (await side.next()) as Turn;
}
