/** @file What it costs to answer with another adapter than the last time, for each kind of adapter that rows can differ in. */
import { type AdapterConfig, adaLora, type ChatGLM, load, lora, pTuning } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import { median, spread } from "./timing.ts";

/** Pairs of answers in a round: one after another adapter's, one after the same adapter's. */
const PAIRS = 40;

const kinds: Readonly<Record<string, AdapterConfig>> = {
  LoRA: lora(),
  AdaLoRA: adaLora(),
  "a prefix of 32": pTuning({ length: 32 }),
};

/** Milliseconds. */
interface Round {
  readonly swapped: number;
  readonly same: number;
  readonly cost: number;
}

export async function adapterSwap(rounds: number): Promise<Figure[]> {
  const model = await load("tiny", { runtime: "auto" });
  try {
    const figures: Figure[] = [];
    for (const [kind, config] of Object.entries(kinds)) {
      const seen = await swaps(model, config, rounds);
      const of = (what: keyof Round): string =>
        `${spread(
          seen.map((round) => round[what]),
          2,
        )} ms`;
      figures.push(
        [`${kind}: first token after another adapter's answer`, of("swapped")],
        [`${kind}: first token after the same adapter's answer`, of("same")],
        [`${kind}: swap of the adapter, the difference`, of("cost")],
      );
    }
    return figures;
  } finally {
    await model.dispose();
  }
}

async function swaps(model: ChatGLM, config: AdapterConfig, rounds: number): Promise<Round[]> {
  const made = (name: string) => model.createAdapter(`${config.method}-${name}`, config);
  const adapters = [await made("a"), await made("b")];
  const ids = model.prompt([{ role: "user", content: "你好" }]);
  const firstToken = async (turn: number): Promise<number> => {
    const adapter = adapters[turn % adapters.length];
    const asked = performance.now();
    await model.generate(ids, { adapter, greedy: true, maxNewTokens: 1 }).next();
    return performance.now() - asked;
  };
  for (let turn = 0; turn < PAIRS; turn += 1) await firstToken(turn);
  const seen: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const pairs: { swapped: number; same: number }[] = [];
    for (let turn = 0; turn < PAIRS; turn += 1) {
      pairs.push({ swapped: await firstToken(turn), same: await firstToken(turn) });
    }
    seen.push({
      swapped: median(pairs.map(({ swapped }) => swapped)),
      same: median(pairs.map(({ same }) => same)),
      cost: median(pairs.map(({ swapped, same }) => swapped - same)),
    });
  }
  return seen;
}
