/**
 * @file Effects of several adapters together. Each is made once and remembered, so that it is the same object as long as its parts are:
 * that is how tensors on a device are found again.
 */
import type { AdapterEffect, BaseModel } from "../adapters/adapter.ts";
import { combinedEffect, type EffectPart } from "../adapters/combined-effect.ts";
import { type FloatTensor, sizeOf } from "../tensor.ts";

/** Bytes of combinations that are remembered; the one used last is, whatever it takes. */
const KEPT = 256 * 2 ** 20;

interface Entry {
  readonly parts: readonly EffectPart[];
  readonly effect: Promise<AdapterEffect>;
  /** When it is made. */
  bytes: number;
}

export class CombinedEffects {
  readonly #base: Pick<BaseModel, "read">;
  readonly #onOver: (effect: AdapterEffect) => void;
  readonly #kept: number;
  /** The one used last at the end. */
  #entries: Entry[] = [];
  /** Effects that their adapters no longer have. */
  readonly #over = new WeakSet<AdapterEffect>();

  /**
   * @param onOver told of combinations that are no longer remembered
   * @param kept bytes of combinations that are remembered
   */
  constructor(base: Pick<BaseModel, "read">, onOver: (effect: AdapterEffect) => void, kept: number = KEPT) {
    this.#base = base;
    this.#onOver = onOver;
    this.#kept = kept;
  }

  /**
   * What adapters do together; undefined when there are none. One of weight 1 is its own effect.
   * @throws GlmError "unsupported" when they cannot be combined
   */
  async of(given: readonly EffectPart[]): Promise<AdapterEffect | undefined> {
    const parts = summed(given);
    const [first] = parts;
    if (!first) return undefined;
    if (parts.length === 1 && first.weight === 1) return first.effect;
    const known = this.#entries.find((entry) => isSame(entry.parts, parts));
    if (known) {
      this.#entries = [...this.#entries.filter((entry) => entry !== known), known];
      return known.effect;
    }
    return this.#made(parts);
  }

  /** An adapter no longer has this effect: combinations with it serve only who asked for them. */
  over(effect: AdapterEffect): void {
    this.#over.add(effect);
    for (const entry of this.#entries) if (entry.parts.some((part) => part.effect === effect)) this.#drop(entry);
  }

  async #made(parts: readonly EffectPart[]): Promise<AdapterEffect> {
    const entry: Entry = { parts, effect: combinedEffect(parts, this.#base), bytes: 0 };
    if (!parts.some(({ effect }) => this.#over.has(effect))) this.#entries.push(entry);
    try {
      const effect = await entry.effect;
      if (this.#entries.includes(entry)) this.#measure(entry, effect);
      else this.#onOver(effect);
      return effect;
    } catch (error) {
      this.#entries = this.#entries.filter((one) => one !== entry);
      throw error;
    }
  }

  #measure(entry: Entry, effect: AdapterEffect): void {
    entry.bytes = bytesOf(effect);
    let bytes = this.#entries.reduce((sum, one) => sum + one.bytes, 0);
    for (const one of this.#entries.slice(0, -1)) {
      if (bytes <= this.#kept) return;
      if (one === entry || one.bytes === 0) continue;
      bytes -= one.bytes;
      this.#drop(one);
    }
  }

  #drop(entry: Entry): void {
    this.#entries = this.#entries.filter((one) => one !== entry);
    // What is still being made is told of when it is there.
    if (entry.bytes > 0) void entry.effect.then(this.#onOver);
  }
}

/** An adapter that is named twice counts as often. */
function summed(parts: readonly EffectPart[]): readonly EffectPart[] {
  const sums = new Map<AdapterEffect, EffectPart>();
  for (const part of parts) {
    sums.set(part.effect, { ...part, weight: part.weight + (sums.get(part.effect)?.weight ?? 0) });
  }
  return [...sums.values()];
}

const isSame = (one: readonly EffectPart[], other: readonly EffectPart[]): boolean =>
  one.length === other.length &&
  one.every(({ effect, weight }, i) => effect === other[i]?.effect && weight === other[i]?.weight);

function bytesOf({ lowRank, overrides, prefix }: AdapterEffect): number {
  const tensors: FloatTensor[] = [
    ...[...(lowRank?.values() ?? [])].flatMap(({ down, up }) => [down, up]),
    ...(overrides?.values() ?? []),
    ...(prefix?.layers.flatMap(({ keys, values }) => [keys, values]) ?? []),
  ];
  // More than nothing: it is there.
  return 1 + tensors.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}
