/** @file Training where an adapter's tensors are its values: steps change them in place. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import type { TokenBatch } from "../train/batch.ts";
import type { Checkpointing } from "../train/checkpointing.ts";
import { hostLearner } from "../train/host-learner.ts";
import { takeStep } from "../train/host-step.ts";
import type { Learner, Loss } from "../train/learner.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import type { TrainingProgram } from "../train/program.ts";
import { newStepState } from "../train/step-state.ts";
import type { AdapterInstance } from "./adapter-instance.ts";
import { HostMoments } from "./moments.ts";
import type { HeldGradients, HeldLesson, TrainingPlace } from "./training-place.ts";

export class HostTraining implements TrainingPlace {
  /** Gradients and two moments; values of before the step, and the best ones; a checkpoint's copies of values and moments. */
  readonly copies = 8;
  readonly #program: (adapter: AdapterInstance) => Promise<TrainingProgram>;

  constructor(program: (adapter: AdapterInstance) => Promise<TrainingProgram>) {
    this.#program = program;
  }

  async gradients(
    adapter: AdapterInstance,
    batch: TokenBatch,
    seed: number,
    options?: Checkpointing,
  ): Promise<Loss & { readonly gradients: HostGradients }> {
    const program = await this.#program(adapter);
    const { gradients, ...loss } = await program.gradients(batch, adapter.tensors, seed, options);
    return { ...loss, gradients: new HostGradients(gradients) };
  }

  async step(
    adapter: AdapterInstance,
    optimizer: string,
    config: OptimizerConfig,
    lessons: readonly HeldLesson[],
  ): Promise<number> {
    const { moments, tensors, adapter: method } = adapter;
    const { totalSteps } = method;
    if (method.afterStep && totalSteps === undefined) throw needsTotal(adapter);
    if (totalSteps !== undefined) method.mustLast?.(totalSteps);
    const remembered = (moments.of(optimizer) as HostMoments | undefined) ?? new HostMoments(newStepState(tensors));
    const { state } = remembered;
    const shares = lessons.map(({ gradients, tokens }) => ({
      gradients: (gradients as HostGradients).tensors,
      weight: tokens,
    }));
    const progress = totalSteps === undefined ? undefined : { step: state.step, steps: totalSteps };
    const norm = takeStep(method, config, state, tensors, shares, progress);
    moments.used(optimizer, remembered);
    adapter.changed(1, { ranks: method.ranks?.(tensors, state.memory) });
    return norm;
  }

  async *learning<E>(
    adapter: AdapterInstance,
    use: (learner: Learner) => AsyncGenerator<E, void, void>,
  ): AsyncGenerator<E, void, void> {
    const { tensors } = adapter;
    yield* use(
      hostLearner(
        tensors,
        {
          gradients: async (batch, seed, options) =>
            (await this.#program(adapter)).gradients(batch, tensors, seed, options),
          loss: async (batch) => (await this.#program(adapter)).loss(batch, tensors),
        },
        adapter.adapter,
      ),
    );
  }

  async atHome<T>(_: AdapterInstance, change: () => T): Promise<T> {
    return change();
  }

  async forget(): Promise<void> {}

  giveUpWhatIsLost(): void {}

  async dispose(): Promise<void> {}
}

const needsTotal = ({ ref, adapter: { config } }: AdapterInstance): GlmError =>
  new GlmError(
    "option-invalid",
    `${ref.name}: ${config.method} in a loop of your own must know how many steps there will be: make it with totalStep, ` +
      "or train it with fit or %%train, which know.",
  );

class HostGradients implements HeldGradients {
  readonly tensors: AdapterTensors;

  constructor(tensors: AdapterTensors) {
    this.tensors = tensors;
  }

  async read(): Promise<AdapterTensors> {
    return this.tensors;
  }

  release(): void {}
}
