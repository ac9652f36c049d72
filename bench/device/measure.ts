/** @file What a model of a shape does on a device in one form: loading, answering, adapters, training. */
import type { Adapter, AdapterEffect, BaseModel } from "../../src/adapters/adapter.ts";
import { lora } from "../../src/adapters/lora.ts";
import type { Device } from "../../src/backend/device.ts";
import { generate, type PromptRow } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import type { BindWeights } from "../../src/models/context.ts";
import { bindStore } from "../../src/quantization/weight-store.ts";
import { randomStream } from "../../src/random.ts";
import type { TokenBatch } from "../../src/train/batch.ts";
import { type DeviceLearner, deviceLearner } from "../../src/train/device-learner.ts";
import { hostLearner, type Learner } from "../../src/train/learner.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { LEARNING_RATE, LORA } from "../lora-model.ts";
import { lowerQuartile, median, timed } from "../timing.ts";
import { type Metered, metered, type Traffic } from "./meter.ts";
import type { Scratch } from "./scratch.ts";
import { bytesRead, type FormName, planOf, randomWeights } from "./weights.ts";

/** Tokens of a prompt that is read in one run, of one before an answer, and of the answer at most. */
export const PROMPT = 256;
const CONTEXT = 64;
const ANSWER = 100;
/** Steps of an answer that are not counted, and those that are at least. */
const WARM = 2;
const LEAST = 3;
/** Rows that answer together. */
export const TOGETHER = 8;
export const BATCH = { batch: 8, seq: 64, labelled: 64 };
/** Adapters that are used for the first time, and turns of two that are there. */
const ADAPTERS = 5;
const TURNS = 10;

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
  const adapter = lora(LORA, baseOf(config));
  try {
    const [before, begun] = [device.bytes, performance.now()];
    await model.prepare();
    const load = (performance.now() - begun) / 1000;
    const held = device.bytes - before;
    const alone = await decoding(model, meter, 1, seconds);
    const together = await decoding(model, meter, TOGETHER, seconds);
    const read = () => firstToken(model, { ids: ids(config, PROMPT), effect: undefined });
    await read();
    const prompt = median(await timed(read, seconds));
    const adapters = await swapping(model, adapter);
    const training = await trained(config, adapter, weights, meter, seconds).catch((error: unknown) => String(error));
    const failed = typeof training === "string";
    const { step, traffic } = failed ? { step: Number.NaN, traffic: NOTHING } : training;
    const figures: Figures = {
      ...{ load, held, read: bytesRead(config, store), alone: alone.step, together: together.step, prompt },
      ...adapters,
      ...{ tokenToDevice: alone.traffic.toDevice, tokenToHost: alone.traffic.toHost },
      ...{ train: step, trainToDevice: traffic.toDevice, trainToHost: traffic.toHost },
    };
    return failed ? { figures, trainingFailed: training } : { figures };
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
  const prompts = Array.from({ length: rows }, (): PromptRow => ({ ids: ids(model.config, CONTEXT), effect: undefined }));
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
  for (let seed = 0; seed < ADAPTERS; seed += 1) effects.push(adapter.forInference(await adapter.initialize(seed)));
  const prompt = ids(model.config, 1);
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
  const program = await trainingProgram(config, adapter, weights, device);
  let resident: DeviceLearner | undefined;
  try {
    const tensors = await adapter.initialize(0);
    const onHost = (): Learner =>
      hostLearner(tensors, {
        gradients: (batch, seed) => program.gradients(batch, tensors, seed),
        loss: (batch) => program.loss(batch, tensors),
      });
    if (device.can.ownMemory) resident = await deviceLearner(device, adapter.parameters, tensors, program);
    const learner = resident ?? onHost();
    const [batch, optimizer] = [batchOf(config), adamWConfig({ lr: LEARNING_RATE })];
    const step = async (): Promise<void> => {
      const { gradients, tokens } = await learner.gradients(batch, 0);
      await learner.step(optimizer, [{ gradients, weight: tokens }]);
    };
    await step();
    taken();
    await step();
    const traffic = taken();
    return { step: lowerQuartile(await timed(step, seconds)), traffic };
  } finally {
    await resident?.close();
    await program.dispose();
  }
}

const baseOf = (config: ChatGLMConfig): BaseModel => ({
  parameters: parametersOf(config),
  modules: modulesOf(config),
  read: () => Promise.reject(new Error("LoRA does not read base weights")),
});

/** Random tokens; where a model wants to be told where the answer begins, it is told at the end. */
export function ids({ vocabulary, prefixIds }: ChatGLMConfig, length: number): number[] {
  const stream = randomStream(0, "ids");
  const end = prefixIds ? [prefixIds.gmask, prefixIds.sop] : [];
  // The last ids may have a meaning.
  const random = Array.from({ length: Math.max(0, length - end.length) }, () => stream.integer(vocabulary >> 1));
  return [...random, ...end];
}

function batchOf(config: ChatGLMConfig): TokenBatch {
  const inputIds = Array.from({ length: BATCH.batch }, () => ids(config, BATCH.seq));
  return { inputIds, labels: inputIds };
}
