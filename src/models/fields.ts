/** @file The fields of a config.json, each checked as it is read; what is wrong is collected, not thrown. */

import { describe } from "../describe.ts";

export type Json = Readonly<Record<string, unknown>>;

export class Fields {
  /** Values that no model has. */
  readonly faults: string[] = [];
  /** Values that some model has which is not supported. */
  readonly unsupported: string[] = [];
  /** The fields that were asked for. */
  readonly asked: Set<string> = new Set();
  readonly #json: Json;

  constructor(json: Json) {
    this.#json = json;
  }

  /** A positive integer; `fallback` when the field is missing. */
  size(key: string, fallback?: number): number {
    const value = this.#value(key) ?? fallback;
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    this.faults.push(`${key}: expected a positive integer, got ${describe(this.#value(key))}`);
    return 1;
  }

  /** A token id. */
  id(key: string, fallback: number): number {
    const value = this.#value(key) ?? fallback;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    this.faults.push(`${key}: expected a token id, got ${describe(value)}`);
    return fallback;
  }

  positive(key: string, fallback: number): number {
    const value = this.#value(key) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    this.faults.push(`${key}: expected a positive number, got ${describe(value)}`);
    return fallback;
  }

  /** A field that changes the computation and has one value that is supported; files may leave it out. */
  only(key: string, expected: unknown): void {
    const value = this.#value(key);
    if (value === undefined || value === expected) return;
    this.unsupported.push(`${key}: only ${describe(expected)} is supported, got ${describe(value)}`);
  }

  /** The published quantisation of the weights, if they have one. */
  quantization(): 4 | 8 | undefined {
    const bits = this.#value("quantization_bit") ?? 0;
    if (bits === 0) return undefined;
    if (bits === 4 || bits === 8) return bits;
    this.faults.push(`quantization_bit: expected 4, 8 or 0, got ${describe(bits)}`);
    return undefined;
  }

  #value(key: string): unknown {
    this.asked.add(key);
    return this.#json[key];
  }

  check(holds: boolean, fault: string): void {
    if (!holds) this.faults.push(fault);
  }
}
