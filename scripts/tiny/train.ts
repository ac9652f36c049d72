/**
 * @file Trains `tiny` from nothing on its generated corpus, with the library's own training graph and optimiser.
 *
 *   node dist/scripts/tiny/train.js [--checkpoint FILE]
 *
 * Stopped at any moment, it goes on from its last checkpoint. The finished weights are written by export.ts.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { full } from "../../src/adapters/base-parameters.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import { floatWeights } from "../../src/models/context.ts";
import { normals, randomStream } from "../../src/random.ts";
import { type FloatTensor, filled, sizeOf, tensor } from "../../src/tensor.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import { pieceTypes, readPieces } from "../../src/text/pieces.ts";
import { prompt } from "../../src/text/prompt.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import type { TokenBatch } from "../../src/train/batch.ts";
import { adamW, adamWConfig } from "../../src/train/optimizer.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { scheduleFactor } from "../../src/train/schedule.ts";
import { loadTrainingState, saveTrainingState } from "../../src/train/training-state.ts";
import { packageFolder } from "../../src/version.ts";
import { type Row, rows, type Stage } from "./corpus.ts";

const SEED = 20261121;
const BATCH = 32;
/** Rows of similar length share a batch: so many rows are drawn and sorted at a time. */
const POOL = 1024;
const WARMUP = 200;

/** A part of the run with rows of its own, whose rate rises, stays for a while, and falls to zero. */
interface Part {
  readonly stage: Stage;
  readonly steps: number;
  readonly lr: number;
  /** The share of the steps in which the rate falls. */
  readonly cooldown: number;
}

const PARTS: readonly Part[] = [
  { stage: "lesson", steps: 10_000, lr: 1.5e-3, cooldown: 0.3 },
  { stage: "revision", steps: 2_400, lr: 7e-4, cooldown: 0.9 },
];
const SAVE_EVERY = 250;
const OPTIMIZER = adamWConfig({ betas: [0.9, 0.95], weightDecay: 0.05, clip: 1 });

/** Where training leaves its state. */
export const checkpointFile: string = join(packageFolder, "out/tiny/training.safetensors");

export const tinyFolder: string = join(packageFolder, "models/tiny");

export async function tinyConfig(): Promise<ChatGLMConfig> {
  const file = join(tinyFolder, "config.json");
  return readConfig(JSON.parse(await readFile(file, "utf8")), file);
}

/** GPT-2's starting values: normal with a deviation of 0.02, smaller for what is added to the residual stream. */
function initialize(config: ChatGLMConfig): Record<string, FloatTensor> {
  const residual = 0.02 / Math.sqrt(2 * config.layers);
  const entries = parametersOf(config).map(({ name, shape }) => {
    if (name.includes("layernorm")) return [name, filled(shape, 1)] as const;
    if (name.endsWith(".bias")) return [name, filled(shape)] as const;
    const deviation = /\.(dense|dense_4h_to_h)\.weight$/.test(name) ? residual : 0.02;
    return [name, tensor("float32", shape, normals(randomStream(SEED, name), sizeOf(shape), deviation))] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * Warm-up, a constant rate, and a fall to zero as 1 - sqrt (Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond
 * Fixed Training Durations", 2024).
 * @param step of the part, from 0
 */
function rateOf({ steps, lr, cooldown }: Part, step: number): number {
  const fall = Math.round(steps * cooldown);
  if (step < steps - fall) return lr * scheduleFactor("constant", step, steps, WARMUP);
  return lr * (1 - Math.sqrt((step - (steps - fall)) / fall));
}

/** What the vocabulary can say: all its pieces but the special ones and those of bytes. Unused ones come out as others. */
async function sayablePieces(): Promise<string[]> {
  const file = join(tinyFolder, "tokenizer.model");
  const { pieces } = readPieces(await readFile(file), file);
  const said: readonly number[] = [pieceTypes.normal, pieceTypes.unused];
  return pieces.filter(({ type }) => said.includes(type)).map(({ piece }) => piece);
}

/** Only the response and its end mark are learnt. */
function encode(
  tokenizer: Tokenizer,
  { prompt: question, response, history = [] }: Row,
): { ids: number[]; labels: number[] } {
  const messages = [
    ...history.flatMap(([user, assistant]) => [
      { role: "user" as const, content: user },
      { role: "assistant" as const, content: assistant },
    ]),
    { role: "user" as const, content: question },
  ];
  const asked = prompt("chatglm2-6b", tokenizer, messages);
  const answer = [...tokenizer.encode(response), tokenizer.specialIds.eos as number];
  return { ids: [...asked, ...answer], labels: [...asked.map(() => -100), ...answer] };
}

/** Batches without end, the same from the same seed; `skip` leaves out those already learnt. */
function* batches(tokenizer: Tokenizer, pieces: readonly string[], stage: Stage, skip: number): Generator<TokenBatch> {
  const source = rows(stage === "lesson" ? SEED : SEED + 1, pieces, stage);
  const perPool = POOL / BATCH;
  for (let pool = 0; ; pool += 1) {
    const drawn = Array.from({ length: POOL }, () => source.next().value as Row);
    if ((pool + 1) * perPool <= skip) continue;
    const encoded = drawn.map((row) => encode(tokenizer, row)).sort((a, b) => a.ids.length - b.ids.length);
    const order = randomStream(SEED, "order", pool);
    const starts = Array.from({ length: perPool }, (_, i) => ({ at: i * BATCH, draw: order.uniform() }));
    starts.sort((a, b) => a.draw - b.draw);
    for (const [i, { at }] of starts.entries()) {
      if (pool * perPool + i < skip) continue;
      const members = encoded.slice(at, at + BATCH);
      yield { inputIds: members.map(({ ids }) => ids), labels: members.map(({ labels }) => labels) };
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { checkpoint: { type: "string", default: checkpointFile } } });
  const steps = PARTS.reduce((sum, part) => sum + part.steps, 0);
  const config = await tinyConfig();
  const tokenizer = await loadTokenizer(tinyFolder);
  const parameters = parametersOf(config);
  const started = initialize(config);
  const base = {
    parameters,
    modules: modulesOf(config),
    config,
    read: async (name: string) => started[name] as FloatTensor,
  };
  const adapter = full({ method: "full" }, base);
  const unbound = floatWeights((_, name) => {
    throw new Error(`${name} is not trained`);
  });
  const program = await trainingProgram(config, adapter, unbound, cpu);

  await mkdir(dirname(values.checkpoint), { recursive: true });
  const saved = existsSync(values.checkpoint) ? await loadTrainingState(values.checkpoint) : undefined;
  const weights = saved?.parameters ?? started;
  const state = saved?.optimizer ?? adamW.init(weights);
  const count = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  console.log(`${count} parameters, vocabulary ${config.vocabulary}, step ${state.step} of ${steps}`);

  const pieces = await sayablePieces();
  let before = 0;
  for (const part of PARTS) {
    const taken = Math.max(0, state.step - before);
    if (taken < part.steps) await train(part, taken);
    before += part.steps;
  }

  async function train(part: Part, taken: number): Promise<void> {
    const first = state.step - taken;
    let [loss, tokens, since] = [0, 0, performance.now()];
    for (const batch of batches(tokenizer, pieces, part.stage, taken)) {
      const lr = rateOf(part, state.step - first);
      const step = await program.gradients(batch, weights, SEED + state.step);
      const norm = adamW.update({ ...OPTIMIZER, lr }, state, weights, step.gradients);
      loss += step.loss / 50;
      tokens += batch.inputIds.reduce((sum, ids) => sum + ids.length, 0);
      if (state.step % 50 === 0) {
        const seconds = (performance.now() - since) / 1000;
        const speed = `${(seconds / 50).toFixed(3)} s/step ${(tokens / seconds).toFixed(0)} tokens/s`;
        console.log(
          `step ${state.step} loss ${loss.toFixed(4)} norm ${norm.toFixed(2)} lr ${lr.toExponential(2)} ${speed}`,
        );
        [loss, tokens, since] = [0, 0, performance.now()];
      }
      const isLast = state.step - first === part.steps;
      if (state.step % SAVE_EVERY === 0 || isLast) {
        await saveTrainingState(values.checkpoint, { parameters: weights, optimizer: state, progress: { steps } });
      }
      if (isLast) return;
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
