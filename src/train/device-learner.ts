/**
 * @file Training where values, gradients and moments stay on a device: of a step only the loss and the gradient's norm come
 * back. A step writes into tensors other than those it reads, since no kernel may do both.
 */
import type { AdapterTensors } from "../adapters/adapter.ts";
import type { Device } from "../backend/device.ts";
import type { DeviceTensor, Fed, Program } from "../backend/program.ts";
import { ProgramTable } from "../backend/program-table.ts";
import { identity } from "../graph/ops.ts";
import { Graph } from "../graph/value.ts";
import type { ParameterSpec } from "../models/context.ts";
import { elementSize, type FloatTensor, sizeOf, tensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import { gradientName } from "./graph.ts";
import type { Learner, Lesson, Loss, Share, Snapshot } from "./learner.ts";
import { notFiniteGradients, type OptimizerConfig } from "./optimizer.ts";
import type { TrainingProgram } from "./program.ts";
import { apartGraph, flatGraph, meanGraph, partName, type STEP_NUMBERS, updateGraph } from "./update-graph.ts";

/** Bytes of the tensors that are one vector. */
const GROUP = 2 ** 27;

type Named = Readonly<Record<string, DeviceTensor>>;

/** What a step reads, and what the next one writes into. */
interface Vectors {
  readonly values: DeviceTensor;
  readonly mean: DeviceTensor;
  readonly square: DeviceTensor;
  /** The values again, as graphs take them. */
  readonly tensors: Named;
}

interface Group {
  readonly parameters: readonly ParameterSpec[];
  readonly size: number;
  now: Vectors;
  next: Vectors;
  /** The gradient of a step. */
  readonly gradient: DeviceTensor;
}

interface DeviceSnapshot extends Snapshot {
  readonly groups: readonly {
    readonly values: DeviceTensor;
    readonly moments?: readonly [DeviceTensor, DeviceTensor];
  }[];
  readonly steps: number;
}

/** A learner that has memory of a device until it is closed. */
export interface DeviceLearner extends Learner {
  /** The values as they are now. */
  read(): Promise<AdapterTensors>;
  close(): Promise<void>;
}

/** @param tensors the values to start with */
export async function deviceLearner(
  device: Device,
  parameters: readonly ParameterSpec[],
  tensors: AdapterTensors,
  program: TrainingProgram,
): Promise<DeviceLearner> {
  const learner = new ResidentValues(device, parameters, program);
  try {
    await learner.begin(tensors);
  } catch (error) {
    await learner.close();
    throw error;
  }
  return learner;
}

class ResidentValues implements DeviceLearner {
  readonly #device: Device;
  readonly #parameters: readonly ParameterSpec[];
  readonly #program: TrainingProgram;
  readonly #programs = new ProgramTable();
  /** Everything that is to be given back. */
  readonly #owned = new Set<DeviceTensor>();
  /** Gradients that were used up: their memory serves the next ones. */
  readonly #spare: Named[] = [];
  #groups: readonly Group[] = [];
  #steps = 0;

  constructor(device: Device, parameters: readonly ParameterSpec[], program: TrainingProgram) {
    this.#device = device;
    this.#parameters = parameters;
    this.#program = program;
  }

  async begin(tensors: AdapterTensors): Promise<void> {
    const groups: Group[] = [];
    for (const parameters of grouped(this.#parameters)) {
      const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      const [now, next] = [await this.#vectors(parameters, size), await this.#vectors(parameters, size)];
      groups.push({ parameters, size, now, next, gradient: await this.#zeros([size]) });
      const flat = await this.#compiled("flat", parameters, flatGraph);
      const fed = Object.fromEntries(parameters.map(({ name }) => [name, tensors[name] as FloatTensor]));
      await flat.run(fed, { flat: now.values });
      await (await this.#compiled("apart", parameters, apartGraph)).run({ flat: now.values }, now.tensors);
    }
    this.#groups = groups;
  }

  async gradients(batch: TokenBatch, seed: number): Promise<Lesson> {
    const held = this.#spare.pop() ?? (await this.#named(this.#parameters));
    const into = Object.fromEntries(
      this.#parameters.map(({ name }) => [gradientName(name), held[name] as DeviceTensor]),
    );
    const { loss, tokens } = await this.#program.gradients(batch, this.#values(), seed, into);
    return { loss, tokens, gradients: held };
  }

  loss(batch: TokenBatch): Promise<Loss> {
    return this.#program.loss(batch, this.#values());
  }

  async step(config: OptimizerConfig, shares: readonly Share[]): Promise<number> {
    const total = shares.reduce((sum, { weight }) => sum + weight, 0);
    const weights = tensor(
      "float32",
      [shares.length],
      Float32Array.from(shares, ({ weight }) => weight / total),
    );
    let squares = 0;
    for (const { parameters, gradient } of this.#groups) {
      const parts = shares.flatMap(({ gradients }, part) =>
        parameters.map(({ name }) => [partName(part, name), (gradients as Named)[name] as DeviceTensor] as const),
      );
      const mean = await this.#compiled(`mean of ${shares.length}`, parameters, (some) =>
        meanGraph(some, shares.length),
      );
      const results = await mean.run({ ...Object.fromEntries(parts), weights }, { mean: gradient });
      squares += results.squares?.data[0] as number;
    }
    this.#spare.push(...shares.map(({ gradients }) => gradients as Named));
    const norm = Math.sqrt(squares);
    if (!Number.isFinite(norm)) throw notFiniteGradients(this.#parameters.map(({ name }) => name));
    this.#steps += 1;
    const numbers = stepNumbers(config, this.#steps, norm);
    for (const group of this.#groups) {
      const { now, next, gradient } = group;
      const update = await this.#compiled("update", group.parameters, updateGraph);
      const { values, mean, square } = now;
      const into = { "new values": next.values, "new mean": next.mean, "new square": next.square, ...next.tensors };
      await update.run({ values, mean, square, gradient, ...numbers }, into);
      [group.now, group.next] = [next, now];
    }
    return norm;
  }

  async snapshot(what: "values" | "all"): Promise<Snapshot> {
    const groups: DeviceSnapshot["groups"][number][] = [];
    const copied: DeviceTensor[] = [];
    const copy = async (vector: DeviceTensor): Promise<DeviceTensor> => {
      const made = await this.#zeros(vector.shape);
      copied.push(made);
      await this.#copy(vector, made);
      return made;
    };
    for (const { now } of this.#groups) {
      const values = await copy(now.values);
      groups.push(what === "all" ? { values, moments: [await copy(now.mean), await copy(now.square)] } : { values });
    }
    const release = (): void => {
      for (const one of copied.splice(0)) this.#give(one);
    };
    const snapshot: DeviceSnapshot = { groups, steps: this.#steps, release };
    return snapshot;
  }

  async restore(snapshot: Snapshot): Promise<void> {
    const { groups, steps } = snapshot as DeviceSnapshot;
    for (const [i, { now, parameters }] of this.#groups.entries()) {
      const { values, moments } = groups[i] as DeviceSnapshot["groups"][number];
      await this.#copy(values, now.values);
      await (await this.#compiled("apart", parameters, apartGraph)).run({ flat: values }, now.tensors);
      if (!moments) continue;
      await this.#copy(moments[0], now.mean);
      await this.#copy(moments[1], now.square);
      this.#steps = steps;
    }
  }

  async read(): Promise<AdapterTensors> {
    // All are asked for at once, before a next step can write.
    const flat = await Promise.all(this.#groups.map(({ now }) => this.#device.download(now.values)));
    const read: AdapterTensors = {};
    for (const [i, { parameters }] of this.#groups.entries()) {
      const { data } = flat[i] as FloatTensor;
      let at = 0;
      for (const { name, shape } of parameters) {
        read[name] = tensor("float32", shape, data.slice(at, at + sizeOf(shape)));
        at += sizeOf(shape);
      }
    }
    return read;
  }

  async close(): Promise<void> {
    await this.#programs.dispose();
    for (const one of [...this.#owned]) this.#give(one);
  }

  #values(): Fed {
    return Object.assign({}, ...this.#groups.map(({ now }) => now.tensors)) as Fed;
  }

  async #copy(from: DeviceTensor, to: DeviceTensor): Promise<void> {
    const program = await this.#programs.get("copy", () => this.#device.compile(copyGraph()));
    await program.run({ x: from }, { y: to });
  }

  async #vectors(parameters: readonly ParameterSpec[], size: number): Promise<Vectors> {
    const [values, mean, square] = [await this.#zeros([size]), await this.#zeros([size]), await this.#zeros([size])];
    return { values, mean, square, tensors: await this.#named(parameters) };
  }

  async #named(parameters: readonly ParameterSpec[]): Promise<Named> {
    const named: Record<string, DeviceTensor> = {};
    for (const { name, shape } of parameters) named[name] = await this.#zeros(shape);
    return named;
  }

  async #zeros(shape: readonly number[]): Promise<DeviceTensor> {
    const made = await this.#device.allocate("float32", shape);
    this.#owned.add(made);
    return made;
  }

  #give(one: DeviceTensor): void {
    this.#owned.delete(one);
    one.dispose();
  }

  #compiled(
    what: string,
    parameters: readonly ParameterSpec[],
    graphOf: (parameters: readonly ParameterSpec[]) => Graph,
  ): Promise<Program> {
    return this.#programs.get(`${what} from ${parameters[0]?.name}`, () => this.#device.compile(graphOf(parameters)));
  }
}

function copyGraph(): Graph {
  const graph = new Graph();
  graph.output(identity(graph.input("x", "float32", ["elements"])), "y");
  return graph;
}

/** Consecutive parameters that together are one vector; one that is larger is by itself. */
function grouped(parameters: readonly ParameterSpec[]): ParameterSpec[][] {
  const groups: ParameterSpec[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const parameter of parameters) {
    const own = sizeOf(parameter.shape) * elementSize.float32;
    if (bytes + own > GROUP) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(parameter);
    bytes += own;
  }
  return groups;
}

/** See `adamW.update`, whose numbers these are. */
function stepNumbers(config: OptimizerConfig, step: number, norm: number): Record<string, FloatTensor> {
  const { lr, eps, weightDecay, clip } = config;
  const [beta1, beta2] = config.betas;
  const numbers: Record<(typeof STEP_NUMBERS)[number], number> = {
    factor: clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1,
    decay: 1 - lr * weightDecay,
    rate: lr / (1 - beta1 ** step),
    root: Math.sqrt(1 - beta2 ** step),
    eps,
    "kept mean": beta1,
    "kept square": beta2,
  };
  return Object.fromEntries(
    Object.entries(numbers).map(([name, number]) => [name, tensor("float32", [1], Float32Array.of(number))]),
  );
}
