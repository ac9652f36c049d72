/**
 * @file Training where values are on a device with memory of its own: an adapter's come there with its first gradients, stay
 * between the steps of a loop by hand, and come back when they are to be changed otherwise, or others train.
 *
 * Who changes an adapter has it for itself (`AdapterAccess`) before it waits for its turn here, never after.
 */
import type { Device } from "../backend/device.ts";
import { GlmError } from "../errors.ts";
import { InTurnByKey } from "../in-turn.ts";
import type { TokenBatch } from "../train/batch.ts";
import type { Checkpointing } from "../train/checkpointing.ts";
import { deviceLearner } from "../train/device-learner.ts";
import { GradientPool, type ResidentGradients } from "../train/gradient-pool.ts";
import type { Learner } from "../train/learner.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import type { TrainingProgram } from "../train/program.ts";
import { type ResidentMoments, ResidentValues } from "../train/resident-values.ts";
import type { AdapterInstance } from "./adapter-instance.ts";
import { HostMoments } from "./moments.ts";
import type { HeldLesson, TrainingPlace } from "./training-place.ts";

/** Adapters whose values stay while nobody trains them: enough for two that train by turns. */
const STAY = 2;

/** An adapter's values on the device. */
interface Residence {
  readonly values: ResidentValues;
  /** Whether a run has them that brings them back itself. */
  readonly isTaken: boolean;
  /** Runs and steps that are under way. */
  readonly users: Set<Promise<unknown>>;
}

export class DeviceTraining implements TrainingPlace {
  /** Gradients and two moments, where the next of each and of the values are written, and the pool of gradients. */
  readonly copies = 10;
  readonly #device: Device;
  readonly #program: (adapter: AdapterInstance) => Promise<TrainingProgram>;
  /** The one used last at the end. */
  readonly #residences = new Map<AdapterInstance, Residence>();
  /** Gradients outlive the values that they were computed with. */
  readonly #pools = new Map<AdapterInstance, GradientPool>();
  /** Whoever brings an adapter's values to the device or back waits for one another. */
  readonly #turns = new InTurnByKey<AdapterInstance>();
  #isDisposed = false;

  constructor(device: Device, program: (adapter: AdapterInstance) => Promise<TrainingProgram>) {
    this.#device = device;
    this.#program = program;
  }

  gradients(adapter: AdapterInstance, batch: TokenBatch, seed: number, options?: Checkpointing): Promise<HeldLesson> {
    return this.#using(adapter, (values) => values.gradients(batch, seed, this.#poolOf(adapter, values), options));
  }

  step(
    adapter: AdapterInstance,
    optimizer: string,
    config: OptimizerConfig,
    lessons: readonly HeldLesson[],
  ): Promise<number> {
    const shares = lessons.map(({ gradients, tokens }) => ({
      gradients: gradients as ResidentGradients,
      weight: tokens,
    }));
    return this.#using(adapter, async (values) => {
      const moments = await momentsThere(adapter, optimizer, values);
      try {
        const norm = await values.step(config, moments, shares);
        adapter.moments.used(optimizer, moments);
        adapter.changed(1);
        return norm;
      } finally {
        // Of a first step that was refused nothing is remembered.
        if (adapter.moments.of(optimizer) !== moments) moments.release();
      }
    });
  }

  async *learning<E>(
    adapter: AdapterInstance,
    use: (learner: Learner) => AsyncGenerator<E, void, void>,
  ): AsyncGenerator<E, void, void> {
    // What optimisers of loops by hand remember is not needed meanwhile, and need not be read each time that it is written.
    const { values } = await this.#turns.do(adapter, async () => {
      await this.#leave(adapter);
      return this.#enter(adapter, true);
    });
    try {
      const learner = await deviceLearner(values);
      try {
        yield* use(learner);
      } finally {
        learner.close();
      }
    } finally {
      await this.#turns.do(adapter, async () => {
        this.#residences.delete(adapter);
        try {
          await adapter.unfollow();
        } finally {
          await values.close();
        }
      });
    }
  }

  atHome<T>(adapter: AdapterInstance, change: () => T): Promise<T> {
    return this.#turns.do(adapter, async () => {
      await this.#leave(adapter);
      return change();
    });
  }

  forget(adapter: AdapterInstance): Promise<void> {
    return this.#turns.do(adapter, () => this.#drop(adapter));
  }

  giveUpWhatIsLost(): void {
    if (this.#device.isLost !== true) return;
    for (const [adapter, { isTaken }] of this.#residences) {
      // What ends a run that has the values says so, too.
      if (isTaken) continue;
      adapter.lose();
      void this.forget(adapter).catch(() => undefined);
    }
    for (const pool of this.#pools.values()) pool.dispose();
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    const untaken = [...this.#residences].filter(([, { isTaken }]) => !isTaken);
    await Promise.allSettled(untaken.map(([adapter]) => this.forget(adapter)));
    for (const pool of this.#pools.values()) pool.dispose();
  }

  /** Works with an adapter's values on the device; they stay there as long as that takes. */
  async #using<T>(adapter: AdapterInstance, work: (values: ResidentValues) => Promise<T>): Promise<T> {
    const working = await this.#turns.do(adapter, async () => {
      const residence = this.#residences.get(adapter) ?? (await this.#enter(adapter, false));
      this.#residences.delete(adapter);
      this.#residences.set(adapter, residence);
      const working = work(residence.values);
      const end = working.then(forget, forget);
      residence.users.add(end);
      return { working };

      function forget(): void {
        residence.users.delete(end);
      }
    });
    try {
      return await working.working;
    } catch (error) {
      this.giveUpWhatIsLost();
      throw error;
    } finally {
      this.#makeRoom();
    }
  }

  /** In the adapter's turn. */
  async #enter(adapter: AdapterInstance, isTaken: boolean): Promise<Residence> {
    adapter.access.mustTrain();
    const program = await this.#program(adapter);
    const values = await ResidentValues.open(this.#device, adapter.adapter.parameters, adapter.tensors, program);
    if (this.#isDisposed) {
      await values.close();
      throw new GlmError("model-not-loaded", "the model was unloaded meanwhile. Load it again.");
    }
    adapter.follow(() => values.read());
    const residence: Residence = { values, isTaken, users: new Set() };
    this.#residences.set(adapter, residence);
    return residence;
  }

  /**
   * Brings the values back, and what optimisers remember of them. In the adapter's turn.
   * @throws whatever keeps them from being read: they then stay where they are
   */
  async #leave(adapter: AdapterInstance): Promise<void> {
    const residence = this.#residences.get(adapter);
    if (!residence) return;
    await over(residence.users);
    await adapter.current();
    await adapter.moments.home();
    this.#residences.delete(adapter);
    await adapter.unfollow();
    this.#pools.get(adapter)?.rest();
    await residence.values.close();
  }

  /** Gives everything back unread. In the adapter's turn. */
  async #drop(adapter: AdapterInstance): Promise<void> {
    const residence = this.#residences.get(adapter);
    if (residence) await over(residence.users);
    this.#residences.delete(adapter);
    this.#pools.get(adapter)?.dispose();
    this.#pools.delete(adapter);
    adapter.moments.lose();
    adapter.values.unfollow();
    await residence?.values.close();
  }

  /** Those who have not been trained for longest go back. */
  #makeRoom(): void {
    const resting = (): AdapterInstance[] =>
      [...this.#residences].flatMap(([adapter, { isTaken }]) => (isTaken ? [] : [adapter]));
    for (const adapter of resting().slice(0, -STAY)) {
      const leaving = this.#turns.do(adapter, async () => {
        // Somebody may have come back to it meanwhile.
        if (resting().slice(0, -STAY).includes(adapter)) await this.#leave(adapter);
      });
      // It is none of the business of whoever trains another; where it cannot be read, it stays.
      leaving.catch(() => undefined);
    }
  }

  #poolOf(adapter: AdapterInstance, { device, parameters }: ResidentValues): GradientPool {
    const pool = this.#pools.get(adapter) ?? new GradientPool(device, parameters);
    this.#pools.set(adapter, pool);
    return pool;
  }
}

/** What an optimiser remembers, brought to the device if it is not there. */
async function momentsThere(
  { moments }: AdapterInstance,
  optimizer: string,
  values: ResidentValues,
): Promise<ResidentMoments> {
  const known = moments.of(optimizer);
  if (known && !(known instanceof HostMoments)) return known as ResidentMoments;
  const there = await values.moments(known?.state);
  if (known) moments.moved(optimizer, there);
  return there;
}

/** Waits for all who use values. */
async function over(users: ReadonlySet<Promise<unknown>>): Promise<void> {
  await Promise.all(users);
}
