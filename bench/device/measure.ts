/** @file What a model of a shape does on a device in one form: loading, answering, adapters, training. */
import type { Adapter, AdapterEffect } from "../../src/adapters/adapter.ts";
import type { Device } from "../../src/backend/device.ts";
import { generate, type PromptRow } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import type { BindWeights } from "../../src/models/context.ts";
import { bindStore } from "../../src/quantization/weight-store.ts";
import { lowerQuartile, median, timed } from "../timing.ts";
import { type Metered, metered, type Traffic } from "./meter.ts";
import type { Scratch } from "./scratch.ts";
import { loraOf, randomIds, training } from "./training.ts";
import { bytesRead, type FormName, planOf, randomWeights } from "./weights.ts";

/** Tokens of a prompt that is read in one run, of one before an answer, and of the answer at most. */
export const PROMPT = 256;
export const CONTEXT = 64;
export const ANSWER = 100;
/** Steps of an answer that are not counted, and those that are at least. */
export const WARM = 2;
export const LEAST = 3;
/** Rows that answer together. */
export const TOGETHER = 8;
/** Adapters that are used for the first time, and turns of two that are there. */
const ADAPTERS = 5;
const TURNS = 20;

/** Seconds, and bytes. All of them grow with the layers in a straight line. */
export interface Figures {
  readonly load: number;
  /** On the device, with the graph that answers. */
  readonly held: number;
  /** Of weights, in a run. */
  readonly read: number;
  /** A step of one row, and of several. */
  readonly alone: number;
  readonly together: number;
  readonly prompt: number;
  /** An adapter's first token, beyond the next one's: when it is new to the device, and when another answered before. */
  readonly newAdapter: number;
  readonly swap: number;
  readonly train: number;
  /** Across between host and device: for a token of one row, and for a training step. */
  readonly tokenToDevice: number;
  readonly tokenToHost: number;
  readonly trainToDevice: number;
  readonly trainToHost: number;
}

export interface Measured {
  readonly figures: Figures;
  /** Why there are no figures of training. */
  readonly trainingFailed?: string;
}

export interface Subject {
  readonly config: ChatGLMConfig;
  readonly form: FormName;
  readonly device: Device;
  readonly scratch: Scratch;
}

/** @param seconds for each figure, about */
export async function measure({ config, form, device, scratch }: Subject, seconds: number): Promise<Measured> {
  const meter = metered(device);
  const store = randomWeights(planOf(config, form, device.can), scratch);
  const weights = bindStore(store);
  const model = new ForwardModel(config, weights, meter.device);
  const adapter = loraOf(config);
  try {
    const [before, begun] = [device.bytes, performance.now()];
    await model.prepare();
    const load = (performance.now() - begun) / 1000;
    const held = device.bytes - before;
    const alone = await decoding(model, meter, 1, seconds);
    const together = await decoding(model, meter, TOGETHER, seconds);
    const read = () => firstToken(model, { ids: randomIds(config, PROMPT), effect: undefined });
    await read();
    const prompt = median(await timed(read, seconds));
    const adapters = await swapping(model, adapter);
    const learnt = await trained(config, adapter, weights, meter, seconds).catch((error: unknown) => String(error));
    const failed = typeof learnt === "string";
    const { step, traffic } = failed ? { step: Number.NaN, traffic: NOTHING } : learnt;
    const figures: Figures = {
      ...{ load, held, read: bytesRead(config, store), alone: alone.step, together: together.step, prompt },
      ...adapters,
      ...{ tokenToDevice: alone.traffic.toDevice, tokenToHost: alone.traffic.toHost },
      ...{ train: step, trainToDevice: traffic.toDevice, trainToHost: traffic.toHost },
    };
    return failed ? { figures, trainingFailed: learnt } : { figures };
  } finally {
    await model.dispose();
  }
}

const NOTHING: Traffic = { toDevice: Number.NaN, toHost: Number.NaN };

interface Step {
  /** Seconds. */
  readonly step: number;
  readonly traffic: Traffic;
}

/** Steps of greedy answers; each is a token of every row. */
async function decoding(model: ForwardModel, meter: Metered, rows: number, seconds: number): Promise<Step> {
  const prompts = Array.from(
    { length: rows },
    (): PromptRow => ({ ids: randomIds(model.config, CONTEXT), effect: undefined }),
  );
  const steps: number[] = [];
  let [tokens, last, traffic] = [0, 0, NOTHING];
  const until = performance.now() + 1000 * seconds;
  for await (const event of generate(model, prompts, { ...GREEDY, stop: [], maxNewTokens: ANSWER })) {
    if (event.type !== "token") continue;
    tokens += 1;
    if (tokens % rows !== 0) continue;
    const now = performance.now();
    // The first tokens are those of the prompts.
    if (tokens > rows * (1 + WARM)) steps.push((now - last) / 1000);
    traffic = meter.taken();
    last = performance.now();
    if (steps.length >= LEAST && last > until) break;
  }
  return { step: median(steps), traffic };
}

async function firstToken(model: ForwardModel, prompt: PromptRow): Promise<number> {
  const begun = performance.now();
  for await (const event of generate(model, [prompt], { ...GREEDY, stop: [], maxNewTokens: 1 })) {
    if (event.type === "token") break;
  }
  return (performance.now() - begun) / 1000;
}

async function swapping(model: ForwardModel, adapter: Adapter): Promise<Pick<Figures, "newAdapter" | "swap">> {
  const effects: AdapterEffect[] = [];
  for (let seed = 0; seed < ADAPTERS; seed += 1)
    effects.push(await adapter.forInference(await adapter.initialize(seed)));
  const prompt = randomIds(model.config, 1);
  const token = (turn: number): Promise<number> =>
    firstToken(model, { ids: prompt, effect: effects[turn % effects.length] });
  // The graph with adapters is compiled.
  await token(0);
  const first: number[] = [];
  for (let turn = 1; turn < ADAPTERS; turn += 1) first.push((await token(turn)) - (await token(turn)));
  const again: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) again.push((await token(turn)) - (await token(turn)));
  return { newAdapter: median(first), swap: median(again) };
}

async function trained(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  { device, taken }: Metered,
  seconds: number,
): Promise<Step> {
  const { step, close } = await training(config, adapter, weights, device);
  try {
    await step();
    taken();
    await step();
    const traffic = taken();
    return { step: lowerQuartile(await timed(step, seconds)), traffic };
  } finally {
    await close();
  }
}
