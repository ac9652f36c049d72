/** @file The oracle's ChatGLM2 as something to train: real graphs, real gradients, one token for each character. */
import type { AdapterConfig, AdapterTensors, BaseModel } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import type { Row } from "../../src/data/row.ts";
import { generate } from "../../src/generate/generate.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { type BindWeights, floatWeights } from "../../src/models/context.ts";
import type { FloatTensor } from "../../src/tensor.ts";
import type { TokenBatch } from "../../src/train/batch.ts";
import { encodeRows, rowEncoder } from "../../src/train/encode.ts";
import { hostLearner } from "../../src/train/host-learner.ts";
import { trainingProgram } from "../../src/train/program.ts";
import type { RowWriter } from "../../src/train/row-writer.ts";
import type { Pupil } from "../../src/train/teaching.ts";
import type { Trainee } from "../../src/train/trainer.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { oracleConfig, oracleFolder } from "../oracle.ts";

const FAMILY = "chatglm2-6b";
const END = 2;

/** The vocabulary has room for ASCII: a character is its code. */
const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);

const writer: RowWriter = {
  prompt: (row) => [1, ...codes(row.prompt)],
  response: (row) => codes(row.response),
  prefix: 1,
  suffix: 1,
  opening: [],
  end: END,
  role: undefined,
  isWhole: () => true,
  isBlank: () => false,
  turns: () => ({ start: [], messages: [] }),
};

export interface OracleModel {
  readonly config: ChatGLMConfig;
  readonly base: BaseModel;
  readonly weights: BindWeights;
}

export async function oracleModel(): Promise<OracleModel> {
  const config = oracleConfig(FAMILY);
  const checkpoint = await openCheckpoint(oracleFolder(FAMILY));
  return {
    config,
    base: {
      parameters: parametersOf(config),
      modules: modulesOf(config),
      config,
      read: async (name) => (await checkpoint.read(name)) as FloatTensor,
    },
    weights: floatWeights((graph, name) => {
      const stored = checkpoint.tensors.get(name);
      if (!stored) throw new Error(`the oracle has no ${name}`);
      return graph.weight(name, stored.dtype, stored.shape, stored);
    }),
  };
}

/** Something to train, or to teach, that remembers what it was asked for. */
export interface ObservedTrainee extends Trainee, Pupil {
  readonly tensors: AdapterTensors;
  /** Forgets what the optimiser remembers, as every run begins. */
  renew(): void;
  /** The rows that were asked, check by check. */
  readonly asked: (readonly Row[])[];
  /** The batches whose gradients were computed. */
  readonly batches: TokenBatch[];
  /** How often its tensors changed. */
  readonly changes: () => number;
  /** Its tensors' elements as they are now. */
  values(): Record<string, number[]>;
  dispose(): Promise<void>;
}

export async function oracleTrainee(adapterConfig: AdapterConfig, seed = 0): Promise<ObservedTrainee> {
  const { config, base, weights } = await oracleModel();
  const adapter = createAdapter(adapterConfig, base);
  const tensors = await adapter.initialize(seed);
  const program = await trainingProgram(config, adapter, weights, cpu);
  const forward = new ForwardModel(config, weights, cpu);
  const batches: TokenBatch[] = [];
  const asked: (readonly Row[])[] = [];
  let changes = 0;
  const newLearner = () =>
    hostLearner(tensors, {
      gradients: (batch, dropoutSeed) => program.gradients(batch, tensors, dropoutSeed),
      loss: (batch) => program.loss(batch, tensors),
    });
  let learner = newLearner();
  const pupil: ObservedTrainee = {
    renew: () => {
      learner = newLearner();
    },
    step: (...step) => learner.step(...step),
    snapshot: (what) => learner.snapshot(what),
    restore: (snapshot) => learner.restore(snapshot),
    state: () => learner.state(),
    adopt: (state) => learner.adopt(state),
    tensors,
    batches,
    asked,
    changes: () => changes,
    gradients(batch, dropoutSeed) {
      batches.push(batch);
      return program.gradients(batch, tensors, dropoutSeed);
    },
    loss: (batch) => program.loss(batch, tensors),
    encode: (rows, options) => encodeRows(rows, writer, options),
    encoder: (options) => rowEncoder(writer, options),
    async answer(row) {
      const options = { maxNewTokens: 6, greedy: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 };
      const tokens: number[] = [];
      const prompt = [{ ids: writer.prompt(row), effect: undefined }];
      for await (const event of generate(forward, prompt, { ...options, seed: 0, stop: [END] })) {
        if (event.type === "token") tokens.push(event.token);
      }
      return String.fromCodePoint(...tokens);
    },
    score: async (rows, monitor) => {
      const recalled = await pupil.recalls(rows, [END]);
      if (monitor !== "exact") throw new Error(`there is no ${monitor} here`);
      return recalled.filter(Boolean).length / recalled.length;
    },
    async recalls(rows, stop) {
      asked.push(rows);
      const effect = await adapter.forInference(tensors);
      const options = { maxNewTokens: 24, greedy: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 };
      const prompts = rows.map((row) => ({ ids: writer.prompt(row), effect }));
      const answers: number[][] = rows.map(() => []);
      const ended = rows.map(() => false);
      for await (const event of generate(forward, prompts, { ...options, seed: 0, stop })) {
        if (event.type === "token") answers[event.row]?.push(event.token);
        if (event.type === "end") ended[event.row] = event.reason === "stop";
      }
      return rows.map((row, i) => ended[i] === true && String(answers[i]) === String(writer.response(row)));
    },
    changed() {
      changes += 1;
    },
    values: () => Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, Array.from(data)])),
    async dispose() {
      await program.dispose();
      await forward.dispose();
    },
  };
  return pupil;
}
