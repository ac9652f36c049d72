/** @file An optimiser whose state and steps live beside the weights: only its settings pass through here. */
import { randomUUID } from "node:crypto";
import { shownJson } from "../describe.ts";
import { refuseUnknown } from "../options.ts";
import { type AdamWOptions, adamWConfig, type OptimizerConfig } from "../train/optimizer.ts";
import type { AdapterHandle, StepResult } from "./adapter.ts";
import { faultsOf } from "./checks.ts";
import { Gradients } from "./gradients.ts";
import type { Abortable } from "./signal.ts";

export interface StepOptions extends Abortable {
  /** Learning rate of this step, where a schedule of your own decides. */
  readonly lr?: number | undefined;
}

/** One optimiser may serve several adapters; it keeps a state for each. */
export class Optimizer {
  readonly config: OptimizerConfig;
  /** The engine keeps the moments under this id. */
  readonly id: string = randomUUID();
  /** What is known of each adapter's state; until its user is told that some of it was lost. */
  readonly #taken = new WeakMap<AdapterHandle, { readonly steps: number; readonly losses: number }>();

  constructor(config: OptimizerConfig) {
    this.config = config;
  }

  /**
   * One step on the given gradients, or on the mean of several over their labelled tokens. They are used up.
   * @throws GlmError "loss-not-finite" when a gradient is no number, "disk" when what was learned before cannot be written,
   * "runtime-lost" once when steps that it had taken are lost, "adapter-invalid" while the adapter is being trained
   * otherwise; nothing is changed then
   */
  async step(
    adapter: AdapterHandle,
    gradients: Gradients | readonly Gradients[],
    options: StepOptions = {},
  ): Promise<StepResult> {
    const { lr = this.config.lr, signal } = options ?? {};
    refuseUnknown("step", options, ["lr", "signal"], [...argumentFaults(adapter, gradients), ...faultsOf({ signal })]);
    const config = lr === this.config.lr ? this.config : adamWConfig({ ...adamWOptions(this.config), lr });
    const all = gradients instanceof Gradients ? [gradients] : gradients;
    const known = this.#taken.get(adapter);
    const taken = known?.losses === adapter.losses ? known.steps : 0;
    const result = await adapter.optimize({
      id: this.id,
      config,
      gradients: all,
      taken,
      ...(signal ? { signal } : {}),
    });
    this.#taken.set(adapter, { steps: result.step, losses: adapter.losses });
    return result;
  }
}

/**
 * AdamW.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  return new Optimizer(adamWConfig(options));
}

function argumentFaults(adapter: unknown, gradients: unknown): string[] {
  const isHandle = typeof adapter === "object" && adapter !== null && "optimize" in adapter;
  const all: readonly unknown[] = Array.isArray(gradients) ? gradients : [gradients];
  const isSound = all.every((one) => one instanceof Gradients);
  const strange = all.find((one) => !(one instanceof Gradients));
  if (adapter instanceof Gradients)
    return ["expected the adapter first, then its gradients: step(adapter, gradients)."];
  const isStep = typeof strange === "object" && strange !== null && "gradients" in strange;
  return [
    ...(isHandle
      ? []
      : [`adapter: expected an adapter's handle, as createAdapter gives it, got ${shownJson(adapter)}.`]),
    ...(isSound
      ? []
      : [
          `gradients: expected what adapter.gradients(...) gives as gradients, or a list of it, ` +
            `got ${isStep ? "the whole of it. Write: (await adapter.gradients(rows)).gradients" : shownJson(strange)}.`,
        ]),
  ];
}

function adamWOptions({ kind: _, ...options }: OptimizerConfig): AdamWOptions {
  return options;
}
