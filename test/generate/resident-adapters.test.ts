/** @file Adapters on a device with memory of its own: what is uploaded when, and when it is given back. */
import { describe, expect, it } from "vitest";
import type { AdapterEffect } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import type { Device } from "../../src/backend/device.ts";
import type { DeviceTensor } from "../../src/backend/program.ts";
import { type Effects, type LeasedAdapters, ResidentAdapters } from "../../src/generate/resident-adapters.ts";
import { filled, sizeOf } from "../../src/tensor.ts";

const MODULES = [
  { name: "first", in: 4, out: 6 },
  { name: "second", in: 6, out: 4 },
];

/** Bytes of an adapter of rank 1 at both modules. */
const BYTES = 4 * (4 + 6 + 6 + 4);

const loraOf = (value: number): AdapterEffect => ({
  lowRank: new Map(
    MODULES.map((module) => [module.name, { down: filled([module.in, 1], value), up: filled([1, module.out], value) }]),
  ),
});

/** The processor, whose tensors must not be used when they were given back, and are given back once. */
function watched() {
  const there = new Set<DeviceTensor>();
  let uploads = 0;
  const device: Device = {
    ...cpu,
    can: { ...cpu.can, emptyTensors: false },
    async upload(tensor) {
      uploads += 1;
      // As on a device, where others have their turn meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
      const made: DeviceTensor = {
        ...tensor,
        dispose: () => {
          if (!there.delete(made)) throw new Error("given back twice");
        },
      };
      there.add(made);
      return made;
    },
  };
  const bytes = () => [...there].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  const isThere = ({ slots, overrides }: LeasedAdapters) =>
    [...Object.values(slots), ...Object.values(overrides)].every((tensor) => there.has(tensor as DeviceTensor));
  return { device, bytes, isThere, uploads: () => uploads };
}

function residence(kept: number) {
  const { device, ...seen } = watched();
  const all = new ResidentAdapters(device, MODULES, kept);
  /** An answer, from its begin to its end. */
  const answer = async (...effects: Effects): Promise<void> => {
    const adapters = await all.lease(effects);
    expect(seen.isThere(adapters)).toBe(true);
    adapters.release();
  };
  return { all, answer, ...seen };
}

describe("adapters on a device", () => {
  it("stay when an answer ends, for the next one", async () => {
    const { answer, uploads, bytes } = residence(2 * BYTES);
    const [one, other] = [loraOf(1), loraOf(2)];
    for (const effect of [one, other, undefined, one, other, one]) await answer(effect, effect);
    expect([uploads(), bytes()]).toEqual([8, 2 * BYTES]);
  });

  it("are uploaded once for answers that begin together", async () => {
    const { answer, uploads } = residence(2 * BYTES);
    const one = loraOf(1);
    await Promise.all([answer(one), answer(one)]);
    expect(uploads()).toBe(4);
  });

  it("go when there are more than may stay, the longest unused first", async () => {
    const { answer, uploads, bytes } = residence(2 * BYTES);
    const [a, b, c] = [loraOf(1), loraOf(2), loraOf(3)];
    for (const effect of [a, b, a, c]) await answer(effect);
    expect([uploads(), bytes()]).toEqual([12, 2 * BYTES]);
    await answer(a);
    expect(uploads()).toBe(12);
    await answer(b);
    expect([uploads(), bytes()]).toEqual([16, 2 * BYTES]);
  });

  it("never take more than may stay and what is answered with, however many take turns", async () => {
    const { answer, bytes } = residence(2 * BYTES);
    for (let turn = 0; turn < 50; turn += 1) {
      await answer(loraOf(turn));
      expect(bytes()).toBeLessThanOrEqual(2 * BYTES);
    }
  });

  it("stay while they are answered with, whatever comes meanwhile", async () => {
    const { all, answer, isThere, bytes } = residence(BYTES);
    const long = await all.lease([loraOf(1)]);
    for (let turn = 0; turn < 5; turn += 1) await answer(loraOf(turn));
    expect(isThere(long)).toBe(true);
    expect(bytes()).toBe(2 * BYTES);
    long.release();
    long.release();
    await answer(loraOf(9));
    expect(bytes()).toBe(BYTES);
  });

  it("stay when they were used last, however large, and make room for another first", async () => {
    const { answer, bytes, uploads } = residence(BYTES);
    const large = (value: number): AdapterEffect => ({ overrides: new Map([["w", filled([10, BYTES], value)]]) });
    const [one, other] = [large(1), large(2)];
    await answer(one);
    await answer(one);
    expect([uploads(), bytes()]).toEqual([1, 40 * BYTES]);
    await answer(other);
    expect([uploads(), bytes()]).toEqual([2, 40 * BYTES]);
  });

  it("of a batch go with it", async () => {
    const { all, answer, bytes, isThere } = residence(10 * BYTES);
    const effects = [loraOf(1), undefined, loraOf(2)];
    const batch = await all.lease(effects);
    expect(isThere(batch)).toBe(true);
    expect(bytes()).toBe(3 * BYTES);
    batch.release();
    expect(bytes()).toBe(0);
    for (let turn = 0; turn < 5; turn += 1) await answer(...effects);
    expect(bytes()).toBe(0);
  });

  it("go at once when nobody will ask for them again, or with the answers that are under way", async () => {
    const { all, answer, bytes, isThere } = residence(10 * BYTES);
    const [idle, answering] = [loraOf(1), loraOf(2)];
    await answer(idle);
    const leases = [await all.lease([answering]), await all.lease([answering])];
    all.forget(idle);
    all.forget(answering);
    await Promise.resolve();
    expect(bytes()).toBe(BYTES);
    leases[0]?.release();
    expect(isThere(leases[1] as LeasedAdapters)).toBe(true);
    leases[1]?.release();
    expect(bytes()).toBe(0);
    // Whoever had it in hand already is answered, and leaves nothing.
    await answer(answering);
    expect(bytes()).toBe(0);
  });

  it("that are forgotten while they come up go when they are there", async () => {
    const { all, bytes, isThere } = residence(10 * BYTES);
    const effect = loraOf(1);
    const coming = all.lease([effect]);
    all.forget(effect);
    const lease = await coming;
    expect(isThere(lease)).toBe(true);
    lease.release();
    expect(bytes()).toBe(0);
  });

  it("all go when the model does, those under way when they end", async () => {
    const { all, answer, bytes } = residence(10 * BYTES);
    await answer(loraOf(1));
    const lease = await all.lease([loraOf(2)]);
    all.dispose();
    await Promise.resolve();
    expect(bytes()).toBe(BYTES);
    lease.release();
    await answer(loraOf(3));
    expect(bytes()).toBe(0);
  });

  it("that cannot be uploaded leave nothing, and are uploaded when they are asked for again", async () => {
    const { device, bytes } = watched();
    let failures = 1;
    const upload: Device["upload"] = async (tensor) => {
      if (bytes() > 40 && failures-- > 0) throw new Error("no room");
      return device.upload(tensor);
    };
    const all = new ResidentAdapters({ ...device, upload }, MODULES, 10 * BYTES);
    const effect = loraOf(1);
    await expect(all.lease([effect])).rejects.toThrow("no room");
    expect(bytes()).toBe(0);
    const lease = await all.lease([effect]);
    lease.release();
    expect(bytes()).toBe(BYTES);
  });
});
