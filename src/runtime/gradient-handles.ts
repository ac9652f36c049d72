/**
 * @file Numbers for gradients that stay unique when the engine behind them is replaced by another.
 *
 * A new engine may give the same numbers again; gradients of a lost one must not be taken for the new one's.
 */

import type { CallName, Calls, GradientInfo } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";

interface Held {
  readonly model: string;
  /** The engine's own number. */
  readonly handle: number;
}

export class GradientHandles {
  readonly #held = new Map<number, Held>();
  #next = 1;

  /**
   * A question with the engine's own numbers.
   * @throws GlmError "runtime-lost" when it names gradients that were lost
   */
  inward<M extends CallName>(method: M, params: Calls[M]["params"]): Calls[M]["params"] {
    if (method === "optimizerStep") {
      const step = params as Calls["optimizerStep"]["params"];
      return { ...step, handles: step.handles.map((handle) => this.#own(handle)) } as Calls[M]["params"];
    }
    if (method === "readGradients" || method === "releaseGradients") {
      const one = params as Calls["readGradients"]["params"];
      return { ...one, handle: this.#own(one.handle) } as Calls[M]["params"];
    }
    return params;
  }

  /** The answer to a question, with numbers of this side; gradients that the question used up are forgotten. */
  outward<M extends CallName>(method: M, params: Calls[M]["params"], result: Calls[M]["result"]): Calls[M]["result"] {
    if (method === "gradients") {
      const { model } = params as Calls["gradients"]["params"];
      const info = result as GradientInfo;
      const handle = this.#next++;
      this.#held.set(handle, { model, handle: info.handle });
      return { ...info, handle } as Calls[M]["result"];
    }
    if (method === "releaseGradients") this.#held.delete((params as Calls["releaseGradients"]["params"]).handle);
    if (method === "optimizerStep") {
      for (const handle of (params as Calls["optimizerStep"]["params"]).handles) this.#held.delete(handle);
    }
    return result;
  }

  /** The engine that held gradients of this model is gone. */
  forget(model: string): void {
    for (const [handle, held] of this.#held) if (held.model === model) this.#held.delete(handle);
  }

  #own(handle: number): number {
    const held = this.#held.get(handle);
    if (held) return held.handle;
    throw new GlmError(
      "runtime-lost",
      "These gradients are gone: they were released, used by an optimiser step, or lost with the runtime that held them. " +
        "Compute them again with gradients(batch).",
    );
  }
}
