/**
 * @file Values that train on a device, with what optimisers remember of them: of a step only the gradient's norm comes back.
 * A step writes into tensors other than those it reads, since no kernel may do both; who reads has those of one moment.
 */
import type { AdapterTensors } from "../adapters/adapter.ts";
import type { Device } from "../backend/device.ts";
import type { DeviceTensor, Fed } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import type { ParameterSpec } from "../models/context.ts";
import { sizeOf, tensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import type { Checkpointing } from "./checkpointing.ts";
import type { GradientPool, Named, ResidentGradients } from "./gradient-pool.ts";
import { gradientName } from "./graph.ts";
import type { LearnerState, Loss, Remembered, Snapshot } from "./learner.ts";
import { adamW, notFiniteGradients, type OptimizerConfig, type OptimizerState } from "./optimizer.ts";
import type { TrainingProgram } from "./program.ts";
import { Readers } from "./readers.ts";
import { meanGraph, partName, stepNumbers, updateGraph } from "./update-graph.ts";
import { Vectors } from "./vectors.ts";

/** Where values are. */
interface Place {
  readonly vector: DeviceTensor;
  /** The same, as graphs take them. */
  readonly tensors: Named;
}

/** What AdamW remembers of one group. */
interface MomentVectors {
  readonly mean: DeviceTensor;
  readonly square: DeviceTensor;
}

/** Parameters that together are one vector. */
interface Group {
  readonly parameters: readonly ParameterSpec[];
  now: Place;
  /** Where the next change is written. */
  next: Place;
  /** Where the next moments are written, of whichever optimiser. */
  spare: MomentVectors;
  /** The gradient of a step. */
  readonly gradient: DeviceTensor;
}

/** What one optimiser remembers of all groups. */
export interface ResidentMoments extends Remembered {
  step: number;
  vectors: readonly MomentVectors[];
}

interface ResidentSnapshot extends Snapshot {
  readonly values: readonly DeviceTensor[];
  readonly moments?: readonly MomentVectors[];
  readonly step: number;
}

/** Gradients that make a step, and what they weigh in it. */
export interface ResidentShare {
  readonly gradients: ResidentGradients;
  readonly weight: number;
}

export class ResidentValues {
  readonly device: Device;
  readonly parameters: readonly ParameterSpec[];
  readonly #program: TrainingProgram;
  readonly #vectors: Vectors;
  readonly #readers = new Readers();
  #groups: readonly Group[] = [];
  #isClosed = false;

  /** @param tensors the values to start with */
  static async open(
    device: Device,
    parameters: readonly ParameterSpec[],
    tensors: AdapterTensors,
    program: TrainingProgram,
  ): Promise<ResidentValues> {
    const values = new ResidentValues(device, parameters, program);
    try {
      await values.#begin(tensors);
    } catch (error) {
      await values.close();
      throw error;
    }
    return values;
  }

  private constructor(device: Device, parameters: readonly ParameterSpec[], program: TrainingProgram) {
    this.device = device;
    this.parameters = parameters;
    this.#program = program;
    this.#vectors = new Vectors(device, parameters);
  }

  async #begin(tensors: AdapterTensors): Promise<void> {
    const groups: Group[] = [];
    for (const parameters of this.#vectors.groups) {
      const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      const group: Group = {
        parameters,
        now: await this.#place(parameters, size),
        next: await this.#place(parameters, size),
        spare: { mean: await this.#vectors.zeros([size]), square: await this.#vectors.zeros([size]) },
        gradient: await this.#vectors.zeros([size]),
      };
      groups.push(group);
      await this.#vectors.fill(group.now.vector, parameters, tensors);
      await this.#vectors.takeApart(group.now.vector, parameters, group.now.tensors);
    }
    this.#groups = groups;
  }

  /** A run over a batch with the values of this moment. Its gradients are in memory of the pool. */
  gradients(
    batch: TokenBatch,
    seed: number,
    pool: GradientPool,
    options: Checkpointing = {},
  ): Promise<Loss & { readonly gradients: ResidentGradients }> {
    return this.#read(async () => {
      const values = this.#tensors();
      const gradients = await pool.take();
      try {
        return await gradients.use(async (tensors) => {
          const into = Object.fromEntries(Object.entries(tensors).map(([name, one]) => [gradientName(name), one]));
          const { loss, tokens } = await this.#program.gradients(batch, values, seed, { ...options, into });
          return { loss, tokens, gradients };
        });
      } catch (error) {
        gradients.release();
        throw error;
      }
    });
  }

  /** The loss alone, without dropout. */
  loss(batch: TokenBatch): Promise<Loss> {
    return this.#read(() => this.#program.loss(batch, this.#tensors()));
  }

  /** The values of this moment, in ordinary memory. */
  read(): Promise<AdapterTensors> {
    return this.#read(() => this.#vectors.read(this.#groups.map(({ now }) => now.vector)));
  }

  /**
   * What an optimiser remembers.
   * @param state what it remembered elsewhere; nothing by default
   */
  async moments(state?: OptimizerState): Promise<ResidentMoments> {
    const vectors: MomentVectors[] = [];
    const release = (): void => {
      // Those who still read them come first.
      void this.#readers.all().then(() => {
        for (const { mean, square } of moments.vectors) for (const one of [mean, square]) this.#vectors.give(one);
      });
    };
    const moments: ResidentMoments = {
      step: state?.step ?? 0,
      vectors,
      release,
      copy: () =>
        this.#read(async () => {
          const { step, vectors } = moments;
          const mean = await this.#vectors.read(vectors.map(({ mean }) => mean));
          const square = await this.#vectors.read(vectors.map(({ square }) => square));
          return { step, mean, square };
        }),
    };
    try {
      for (const { parameters, gradient } of this.#groups) {
        const made = {
          mean: await this.#vectors.zeros(gradient.shape),
          square: await this.#vectors.zeros(gradient.shape),
        };
        vectors.push(made);
        if (!state) continue;
        await this.#vectors.fill(made.mean, parameters, state.mean);
        await this.#vectors.fill(made.square, parameters, state.square);
      }
      return moments;
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * One step of AdamW along the weighted mean of gradients, which stay as they are. One step at a time.
   * @returns the total norm of that before clipping
   * @throws GlmError "loss-not-finite" before anything is changed, when a gradient is NaN or infinite
   */
  async step(config: OptimizerConfig, moments: ResidentMoments, shares: readonly ResidentShare[]): Promise<number> {
    this.#mustBeOpen();
    const norm = await this.#mean(shares);
    if (!Number.isFinite(norm)) throw notFiniteGradients(this.parameters.map(({ name }) => name));
    await this.#readers.earlier();
    for (const [i, { parameters, now, next, spare, gradient }] of this.#groups.entries()) {
      const { mean, square } = moments.vectors[i] as MomentVectors;
      const numbers = stepNumbers(config, moments.step + 1, norm, parameters);
      const update = await this.#vectors.program("update", parameters, updateGraph);
      const into = { "new values": next.vector, "new mean": spare.mean, "new square": spare.square, ...next.tensors };
      await update.run({ values: now.vector, mean, square, gradient, ...numbers }, into);
    }
    this.#swapValues();
    this.#swapMoments(moments);
    moments.step += 1;
    return norm;
  }

  /** @param moments that are remembered with the values */
  async snapshot(moments?: ResidentMoments): Promise<Snapshot> {
    this.#mustBeOpen();
    const copied: DeviceTensor[] = [];
    const copy = async (vector: DeviceTensor): Promise<DeviceTensor> => {
      const made = await this.#vectors.zeros(vector.shape);
      copied.push(made);
      await this.#vectors.copy(vector, made);
      return made;
    };
    const values: DeviceTensor[] = [];
    for (const { now } of this.#groups) values.push(await copy(now.vector));
    const kept: MomentVectors[] = [];
    for (const { mean, square } of moments?.vectors ?? [])
      kept.push({ mean: await copy(mean), square: await copy(square) });
    const release = (): void => {
      for (const one of copied.splice(0)) this.#vectors.give(one);
    };
    const snapshot: ResidentSnapshot = {
      values,
      step: moments?.step ?? 0,
      release,
      ...(moments ? { moments: kept } : {}),
    };
    return snapshot;
  }

  /** @param moments that go back to what was remembered with the values, if anything was */
  async restore(snapshot: Snapshot, moments: ResidentMoments): Promise<void> {
    this.#mustBeOpen();
    const before = snapshot as ResidentSnapshot;
    await this.#readers.earlier();
    for (const [i, group] of this.#groups.entries()) {
      const { parameters, next, spare } = group;
      await this.#vectors.copy(before.values[i] as DeviceTensor, next.vector);
      await this.#vectors.takeApart(next.vector, parameters, next.tensors);
      const kept = before.moments?.[i];
      if (!kept) continue;
      await this.#vectors.copy(kept.mean, spare.mean);
      await this.#vectors.copy(kept.square, spare.square);
    }
    this.#swapValues();
    if (!before.moments) return;
    this.#swapMoments(moments);
    moments.step = before.step;
  }

  /** Values of ordinary memory take the place of those that are here, and what an optimiser remembered of them. */
  async adopt({ values, optimizer }: LearnerState, moments: ResidentMoments): Promise<void> {
    this.#mustBeOpen();
    const { step, mean, square } = optimizer ?? adamW.init(values);
    await this.#readers.earlier();
    for (const { parameters, next, spare } of this.#groups) {
      await this.#vectors.fill(next.vector, parameters, values);
      await this.#vectors.takeApart(next.vector, parameters, next.tensors);
      await this.#vectors.fill(spare.mean, parameters, mean);
      await this.#vectors.fill(spare.square, parameters, square);
    }
    this.#swapValues();
    this.#swapMoments(moments);
    moments.step = step;
  }

  /** Gives all memory back when nobody reads any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#readers.all();
    await this.#vectors.close();
  }

  /** The norm of the weighted mean, which is then the groups' gradient. */
  async #mean(shares: readonly ResidentShare[]): Promise<number> {
    const total = shares.reduce((sum, { weight }) => sum + weight, 0);
    if (!(total > 0)) throw new RangeError(`the mean of gradients needs a positive total weight, got ${total}`);
    const weights = tensor(
      "float32",
      [shares.length],
      Float32Array.from(shares, ({ weight }) => weight / total),
    );
    let squares = 0;
    await using(
      shares.map(({ gradients }) => gradients),
      async (all) => {
        for (const { parameters, gradient } of this.#groups) {
          const parts = all.flatMap((named, part) =>
            parameters.map(({ name }) => [partName(part, name), named[name] as DeviceTensor] as const),
          );
          const mean = await this.#vectors.program(`mean of ${all.length}`, parameters, (some) =>
            meanGraph(some, all.length),
          );
          const results = await mean.run({ ...Object.fromEntries(parts), weights }, { mean: gradient });
          squares += results.squares?.data[0] as number;
        }
      },
    );
    return Math.sqrt(squares);
  }

  /** All at once: who reads now has all of a change or nothing of it. */
  #swapValues(): void {
    for (const group of this.#groups) [group.now, group.next] = [group.next, group.now];
    this.#readers.changed();
  }

  #swapMoments(moments: ResidentMoments): void {
    const before = moments.vectors;
    moments.vectors = this.#groups.map(({ spare }) => spare);
    for (const [i, group] of this.#groups.entries()) group.spare = before[i] as MomentVectors;
  }

  #read<T>(read: () => Promise<T>): Promise<T> {
    return this.#readers.read(async () => {
      this.#mustBeOpen();
      return read();
    });
  }

  #tensors(): Fed {
    return Object.assign({}, ...this.#groups.map(({ now }) => now.tensors)) as Fed;
  }

  async #place(parameters: readonly ParameterSpec[], size: number): Promise<Place> {
    return { vector: await this.#vectors.zeros([size]), tensors: await this.#vectors.apart(parameters) };
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new GlmError("model-not-loaded", "what trained here was put away meanwhile. Ask again.");
  }
}

/** Keeps all of them as they are until the work is over. */
function using<T>(all: readonly ResidentGradients[], work: (tensors: readonly Named[]) => Promise<T>): Promise<T> {
  const inside = (i: number, named: readonly Named[]): Promise<T> => {
    const next = all[i];
    return next ? next.use((tensors) => inside(i + 1, [...named, tensors])) : work(named);
  };
  return inside(0, []);
}
