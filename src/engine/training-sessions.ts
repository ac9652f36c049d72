/** @file Training by hand beside the weights: compiled training graphs, gradients that wait for their step, optimisers. */

import type { Device } from "../backend/device.ts";
import { FewPrograms } from "../backend/few-programs.ts";
import type { Compile } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import type { FloatTensor } from "../tensor.ts";
import type { TokenBatch } from "../train/batch.ts";
import { deviceLearner } from "../train/device-learner.ts";
import { hostLearner } from "../train/host-learner.ts";
import type { Learner } from "../train/learner.ts";
import { adamW, weightedMean } from "../train/optimizer.ts";
import { type GradientStep, type TrainingProgram, trainingProgram } from "../train/program.ts";
import type { AdapterInstance } from "./adapter-instance.ts";
import type { Calls, GradientInfo } from "./engine.ts";
import { type MemoryThere, mustFitTraining } from "./memory-fit.ts";
import type { OpenedModel } from "./opened-model.ts";
import type { TimeShare } from "./time-share.ts";

/**
 * Graphs that are compiled at a time: enough for two adapters that train by turns and are measured between, and for a large
 * batch among small ones.
 */
const COMPILED = 4;

type StepParams = Omit<Calls["optimizerStep"]["params"], "model" | "adapter">;

export class TrainingSessions {
  readonly #model: OpenedModel;
  readonly #device: Device;
  /** The memory that training has. */
  readonly #there: () => MemoryThere;
  /** Adapters of the same shape share a graph. */
  readonly #compiled: FewPrograms;
  readonly #programs = new WeakMap<AdapterInstance, Promise<TrainingProgram>>();
  readonly #gradients = new Map<number, { readonly step: GradientStep; readonly adapter: AdapterInstance }>();
  readonly #share: TimeShare;
  #handles = 0;

  constructor(model: OpenedModel, device: Device, compile: Compile, share: TimeShare, there: () => MemoryThere) {
    this.#there = there;
    this.#device = device;
    this.#share = share;
    this.#model = model;
    this.#compiled = new FewPrograms(compile, COMPILED);
  }

  /** @throws GlmError "out-of-memory" when a step on such a batch would take more than there is */
  mustFit({ adapter, ref }: AdapterInstance, batch: TokenBatch): void {
    mustFitTraining(`training ${ref.name}`, this.#model.config, adapter.parameters, batch, this.#there);
  }

  /** One run over a batch: its loss and its gradients. */
  async run(adapter: AdapterInstance, batch: TokenBatch, seed: number): Promise<GradientStep> {
    this.mustFit(adapter, batch);
    await adapter.current();
    const program = await this.#program(adapter);
    return this.#share.train(() => program.gradients(batch, adapter.tensors, seed));
  }

  /** What trains an adapter as long as `use` lasts, which must have it for itself. */
  async *learning<E>(
    adapter: AdapterInstance,
    use: (learner: Learner) => AsyncGenerator<E, void, void>,
  ): AsyncGenerator<E, void, void> {
    if (!this.#device.can.ownMemory) {
      yield* use(
        hostLearner(adapter.tensors, {
          gradients: (batch, seed) => this.run(adapter, batch, seed),
          loss: (batch) => this.#loss(adapter, batch),
        }),
      );
      return;
    }
    const program = await this.#program(adapter);
    const timed: TrainingProgram = {
      ...program,
      gradients: (batch, ...run) => {
        this.mustFit(adapter, batch);
        return this.#share.train(() => program.gradients(batch, ...run));
      },
      loss: (...run) => this.#share.train(() => program.loss(...run)),
    };
    const learner = await deviceLearner(this.#device, adapter.adapter.parameters, adapter.tensors, timed);
    adapter.follow(() => learner.read());
    try {
      yield* use(learner);
    } finally {
      try {
        await adapter.unfollow();
      } finally {
        await learner.close();
      }
    }
  }

  /** The loss alone, without dropout. */
  async #loss(adapter: AdapterInstance, batch: TokenBatch): Promise<Pick<GradientStep, "loss" | "tokens">> {
    const program = await this.#program(adapter);
    return this.#share.train(() => program.loss(batch, adapter.tensors));
  }

  #program(live: AdapterInstance): Promise<TrainingProgram> {
    const known = this.#programs.get(live);
    if (known) return known;
    const { config, weights } = this.#model;
    const program = trainingProgram(config, live.adapter, weights, {
      can: this.#device.can,
      compile: this.#compiled.compile,
    });
    program.catch(() => this.#programs.delete(live));
    this.#programs.set(live, program);
    return program;
  }

  async gradients(adapter: AdapterInstance, batch: TokenBatch, seed: number): Promise<GradientInfo> {
    adapter.access.mustTrain();
    const { revision } = adapter;
    const step = await this.run(adapter, batch, seed);
    this.#handles += 1;
    this.#gradients.set(this.#handles, { step, adapter });
    return { loss: step.loss, tokens: step.tokens, handle: this.#handles, revision };
  }

  /** @throws GlmError "data-invalid" when they were used or released already */
  read(handle: number): Record<string, FloatTensor> {
    return this.#held(handle).step.gradients;
  }

  release(handle: number): void {
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
    const mean = weightedMean(held.map(({ step }) => ({ gradients: step.gradients, weight: step.tokens })));
    const state = adapter.moments.of(optimizer) ?? adamW.init(adapter.tensors);
    // Refuses before it changes anything; gradients that are no numbers are of no use to another try, and are kept all the same.
    const gradientNorm = adamW.update(config, state, adapter.tensors, mean);
    adapter.moments.used(optimizer, state);
    for (const handle of handles) this.release(handle);
    adapter.changed(1);
    return { gradientNorm, step: state.step, revision: adapter.revision };
  }

  async dispose(): Promise<void> {
    this.#gradients.clear();
    await this.#compiled.dispose();
  }

  #held(handle: number): { readonly step: GradientStep; readonly adapter: AdapterInstance } {
    const held = this.#gradients.get(handle);
    if (held) return held;
    throw new GlmError(
      "data-invalid",
      "the gradients are no longer there: a step uses them up, and a restarted runtime has none. Compute them again.",
    );
  }
}
