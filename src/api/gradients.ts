/** @file Gradients that stay beside the weights until an optimiser uses them: a handle, and what came with it. */
import type { Engine } from "../engine/engine.ts";
import type { FloatTensor } from "../tensor.ts";
import type { Cut } from "../train/cut.ts";
import { type Abortable, onlySignal } from "./signal.ts";

/** The outcome of one pass over a batch. */
export interface GradientStep {
  /** Mean cross-entropy over the labelled tokens, in nats (plus the adapter's penalty, if it has one). */
  readonly loss: number;
  /** Labelled tokens in the batch. */
  readonly tokens: number;
  readonly gradients: Gradients;
  /** Rows that did not fit into `maxLength` and lost something; left out when none did. */
  readonly cut?: Cut;
}

interface Held {
  readonly engine: Engine;
  readonly model: string;
  readonly handle: number;
}

/** Frees what a cell forgot: a net, not a plan; gradients are as large as the adapter. */
const forgotten = new FinalizationRegistry<Held>((held) => void free(held));

/** Gradients of an adapter. An optimiser step uses them up; `release` lets go of them unused. */
export class Gradients {
  /** The engine's name for them. */
  readonly handle: number;
  readonly #held: Held;

  constructor(engine: Engine, model: string, handle: number) {
    this.handle = handle;
    this.#held = { engine, model, handle };
    forgotten.register(this, this.#held, this);
  }

  /** The values by parameter, named as in the adapter's files. */
  async read(options: Abortable = {}): Promise<Record<string, FloatTensor>> {
    const { engine, model, handle } = this.#held;
    return engine.call("readGradients", { model, handle }, onlySignal("read", options));
  }

  /** Lets go of them. Harmless when they are gone already. */
  async release(): Promise<void> {
    forgotten.unregister(this);
    await free(this.#held);
  }

  /** Told by whoever used them up. */
  spent(): void {
    forgotten.unregister(this);
  }
}

async function free({ engine, model, handle }: Held): Promise<void> {
  await engine.call("releaseGradients", { model, handle }).catch(() => undefined);
}
