/** @file Training of values that stay on a device: of a step only the loss and the gradient's norm come back. */
import { GradientPool, type ResidentGradients } from "./gradient-pool.ts";
import type { Learner } from "./learner.ts";
import type { ResidentValues } from "./resident-values.ts";

/** A learner that has memory of a device until it is closed. */
export interface DeviceLearner extends Learner {
  /** Gives back what it has beside the values. */
  close(): void;
}

export async function deviceLearner(values: ResidentValues): Promise<DeviceLearner> {
  const pool = new GradientPool(values.device, values.parameters);
  const moments = await values.moments();
  return {
    gradients: (batch, seed, options) => values.gradients(batch, seed, pool, options),
    loss: (batch) => values.loss(batch),
    async step(config, shares) {
      const parts = shares.map((share) => ({ ...share, gradients: share.gradients as ResidentGradients }));
      try {
        return await values.step(config, moments, parts);
      } finally {
        for (const { gradients } of parts) gradients.release();
      }
    },
    snapshot: (what) => values.snapshot(what === "all" ? moments : undefined),
    restore: (snapshot) => values.restore(snapshot, moments),
    async state() {
      // Both begin now: what is read is of one step.
      const [tensors, optimizer] = await Promise.all([values.read(), moments.copy()]);
      return { values: tensors, optimizer: optimizer.step === 0 ? null : optimizer };
    },
    adopt: (state) => values.adopt(state, moments),
    close() {
      pool.dispose();
      moments.release();
    },
  };
}
