/** @file Training beside the weights: compiled training graphs, what trains an adapter, gradients that wait for their step. */

import type { AdapterTensors } from "../adapters/adapter.ts";
import type { Device } from "../backend/device.ts";
import { FewPrograms } from "../backend/few-programs.ts";
import type { Compile } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import type { TokenBatch } from "../train/batch.ts";
import type { Checkpointing } from "../train/checkpointing.ts";
import type { Learner } from "../train/learner.ts";
import { type TrainingProgram, trainingProgram } from "../train/program.ts";
import type { AdapterInstance } from "./adapter-instance.ts";
import { DeviceTraining } from "./device-training.ts";
import type { Calls, GradientInfo } from "./engine.ts";
import { HostTraining } from "./host-training.ts";
import { type MemoryThere, mustFitTraining } from "./memory-fit.ts";
import type { OpenedModel } from "./opened-model.ts";
import type { TimeShare } from "./time-share.ts";
import type { HeldLesson, TrainingPlace } from "./training-place.ts";

/**
 * Graphs that are compiled at a time: enough for two adapters that train by turns and are measured between, and for a large
 * batch among small ones.
 */
const COMPILED = 4;

/** Gradients that wait for their step. */
interface Held {
  readonly lesson: HeldLesson;
  readonly adapter: AdapterInstance;
}

type StepParams = Omit<Calls["optimizerStep"]["params"], "model" | "adapter">;

export class TrainingSessions {
  readonly #model: OpenedModel;
  readonly #device: Device;
  /** The memory that training has. */
  readonly #there: () => MemoryThere;
  /** Adapters of the same shape share a graph. */
  readonly #compiled: FewPrograms;
  readonly #programs = new WeakMap<AdapterInstance, Promise<TrainingProgram>>();
  readonly #gradients = new Map<number, Held>();
  readonly #share: TimeShare;
  readonly #host: TrainingPlace;
  /** The device's. */
  readonly #own: TrainingPlace;
  #handles = 0;

  constructor(model: OpenedModel, device: Device, compile: Compile, share: TimeShare, there: () => MemoryThere) {
    this.#there = there;
    this.#device = device;
    this.#share = share;
    this.#model = model;
    this.#compiled = new FewPrograms(compile, COMPILED);
    const program = (adapter: AdapterInstance): Promise<TrainingProgram> => this.#program(adapter);
    this.#host = new HostTraining(program);
    this.#own = device.can.ownMemory ? new DeviceTraining(device, program) : this.#host;
  }

  /** What looks at values after each step needs them in ordinary memory. */
  #placeOf({ adapter }: AdapterInstance): TrainingPlace {
    return adapter.afterStep ? this.#host : this.#own;
  }

  /** @throws GlmError "out-of-memory" when a step on such a batch would take more than there is */
  mustFit(instance: AdapterInstance, batch: TokenBatch, options?: Checkpointing): void {
    const { adapter, ref } = instance;
    mustFitTraining(
      `training ${ref.name}`,
      this.#model.config,
      adapter.parameters,
      batch,
      this.#there,
      this.#placeOf(instance).copies + (adapter.remembered ?? 0),
      { ...options, masked: adapter.masked },
    );
  }

  /**
   * What trains an adapter as long as `use` lasts, which must have it for itself.
   * @param options of all its gradients
   */
  learning<E>(
    adapter: AdapterInstance,
    use: (learner: Learner) => AsyncGenerator<E, void, void>,
    options?: Checkpointing,
  ): AsyncGenerator<E, void, void> {
    return this.#placeOf(adapter).learning(adapter, (learner) =>
      use({
        ...learner,
        gradients: async (batch, seed) => {
          this.mustFit(adapter, batch, options);
          return learner.gradients(batch, seed, options);
        },
      }),
    );
  }

  /** Changes the tensors of an adapter that its caller has for itself: they are all its values then. */
  atHome<T>(adapter: AdapterInstance, change: () => T): Promise<T> {
    return this.#placeOf(adapter).atHome(adapter, change);
  }

  /** Its runs take turns with answers. */
  #program(live: AdapterInstance): Promise<TrainingProgram> {
    const known = this.#programs.get(live);
    if (known) return known;
    const { config, weights } = this.#model;
    const program = trainingProgram(config, live.adapter, weights, {
      can: this.#device.can,
      compile: this.#compiled.compile,
    }).then(
      (program): TrainingProgram => ({
        ...program,
        gradients: (...run) => this.#share.train(() => program.gradients(...run)),
        loss: (...run) => this.#share.train(() => program.loss(...run)),
      }),
    );
    program.catch(() => this.#programs.delete(live));
    this.#programs.set(live, program);
    return program;
  }

  async gradients(
    adapter: AdapterInstance,
    batch: TokenBatch,
    seed: number,
    options?: Checkpointing,
  ): Promise<GradientInfo> {
    adapter.access.mustTrain();
    const { revision } = adapter;
    this.mustFit(adapter, batch, options);
    const lesson = await this.#placeOf(adapter).gradients(adapter, batch, seed, options);
    this.#handles += 1;
    this.#gradients.set(this.#handles, { lesson, adapter });
    return { loss: lesson.loss, tokens: lesson.tokens, handle: this.#handles, revision };
  }

  /** @throws GlmError "data-invalid" when they were used or released already */
  async read(handle: number): Promise<AdapterTensors> {
    return this.#held(handle).lesson.gradients.read();
  }

  release(handle: number): void {
    this.#gradients.get(handle)?.lesson.gradients.release();
    this.#gradients.delete(handle);
  }

  /**
   * One step on the token-weighted mean of the gradients, which are then released, unless it was refused.
   * @throws GlmError "adapter-invalid" while the adapter is being trained otherwise, "disk" when what was learned before
   * cannot be written, "runtime-lost" when the optimiser's state is not the one that its user knows
   */
  async step(adapter: AdapterInstance, params: StepParams): Promise<Calls["optimizerStep"]["result"]> {
    await adapter.access.idle();
    await adapter.mustBeKept();
    return adapter.access.briefly(() => this.#step(adapter, params));
  }

  async #step(
    adapter: AdapterInstance,
    { optimizer, config, handles, taken = 0 }: StepParams,
  ): Promise<Calls["optimizerStep"]["result"]> {
    if (handles.length === 0)
      throw new GlmError("data-invalid", "an optimiser step needs at least one gradient, got none.");
    const held = handles.map((handle) => this.#held(handle));
    const { name } = adapter.ref;
    const strange = held.find((gradient) => gradient.adapter !== adapter);
    if (strange) {
      const whose =
        strange.adapter.ref.name === name
          ? `another ${name}, which this one has replaced`
          : `adapter ${strange.adapter.ref.name}`;
      throw new GlmError(
        "data-invalid",
        `the gradients are those of ${whose}, but the step is for ${name}. Compute them again.`,
      );
    }
    const there = adapter.moments.steps(optimizer);
    if (there < taken) {
      throw new GlmError(
        "runtime-lost",
        `adapter ${name}: this optimiser has taken ${taken} steps, but what is kept of its state is that after ${there}: the runtime was ` +
          "lost, the adapter was replaced, or other optimisers were used since. The step was not taken. Take it again to go on from there.",
      );
    }
    // Refuses before it changes anything; gradients that are no numbers are of no use to another try, and are kept all the same.
    const lessons = held.map(({ lesson }) => lesson);
    const gradientNorm = await this.#placeOf(adapter).step(adapter, optimizer, config, lessons);
    for (const handle of handles) this.release(handle);
    const { ranks, revision } = adapter;
    return {
      ...{ gradientNorm, step: adapter.moments.steps(optimizer), revision },
      ...(ranks === undefined ? {} : { ranks }),
    };
  }

  /** The adapter is no longer there: what is held for it on a device goes. */
  forget(adapter: AdapterInstance): Promise<void> {
    return this.#placeOf(adapter).forget(adapter);
  }

  /** Before adapters are written for the last time: what a device that is gone had of them cannot be. */
  giveUpWhatIsLost(): void {
    this.#own.giveUpWhatIsLost();
  }

  async dispose(): Promise<void> {
    this.#gradients.clear();
    await this.#own.dispose();
    await this.#compiled.dispose();
  }

  #held(handle: number): Held {
    const held = this.#gradients.get(handle);
    if (held) return held;
    throw new GlmError(
      "data-invalid",
      "the gradients are no longer there: a step uses them up, and a restarted runtime has none. Compute them again.",
    );
  }
}
