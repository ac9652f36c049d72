/** @file Values that are trained elsewhere: when they are read, who gets which, and what stays when they cannot be read. */
import { describe, expect, it } from "vitest";
import type { Adapter, AdapterTensors } from "../../src/adapters/adapter.ts";
import { AdapterInstance } from "../../src/engine/adapter-instance.ts";
import type { AdapterStore, KeptAdapter } from "../../src/engine/adapter-store.ts";
import { HostMoments } from "../../src/engine/moments.ts";
import { filled } from "../../src/tensor.ts";

const at = (value: number): AdapterTensors => ({ w: filled([1], value) });

/** An adapter of one number, and what the disk has of it. */
function instance() {
  const kept: KeptAdapter[] = [];
  const store = {
    keep: async (_: unknown, adapter: KeptAdapter) => void kept.push(adapter),
  } as unknown as AdapterStore;
  const adapter = {
    config: { method: "full" },
    forInference: (tensors: AdapterTensors) => ({
      overrides: new Map(Object.entries({ w: filled([1], first(tensors)) })),
    }),
  } as unknown as Adapter;
  const live = new AdapterInstance({ owner: "o", name: "a" }, adapter, { tensors: at(0), steps: 0 }, store);
  const effectOf = async () => (await live.effect()).overrides?.get("w")?.data[0];
  return { live, kept, effectOf };
}

const first = (tensors: AdapterTensors): number => tensors.w?.data[0] ?? Number.NaN;

describe("values that are trained elsewhere", () => {
  it("are read when somebody asks after a change, and once for all who ask", async () => {
    const { live, effectOf } = instance();
    let reads = 0;
    live.follow(async () => at(++reads));
    expect(await effectOf()).toBe(0);
    live.changed(1);
    expect(await Promise.all([effectOf(), effectOf(), live.copy().then(first)])).toEqual([1, 1, 1]);
    live.changed(1);
    await live.unfollow();
    expect([first(live.tensors), await effectOf(), reads]).toEqual([2, 2, 2]);
  });

  it("that change while they are read serve who asked, and nobody later", async () => {
    const { live, effectOf } = instance();
    let value = 1;
    let release = (): void => undefined;
    live.follow(async () => {
      const now = at(value);
      if (value === 1) await new Promise<void>((resolve) => (release = resolve));
      return now;
    });
    live.changed(1);
    const early = effectOf();
    await Promise.resolve();
    value = 2;
    live.changed(1);
    release();
    expect(await early).toBe(1);
    expect(await effectOf()).toBe(2);
    await live.unfollow();
    expect(await effectOf()).toBe(2);
  });

  it("that can no longer be read leave what was read last, with its steps, on the disk, too", async () => {
    const { live, kept } = instance();
    let value = 1;
    live.follow(async () => {
      if (value === 2) throw new Error("the device is gone");
      return at(value);
    });
    live.changed(3);
    await live.flush();
    value = 2;
    live.changed(4);
    await expect(live.unfollow()).rejects.toThrow("the device is gone");
    await live.settle();
    expect(first(live.tensors)).toBe(1);
    expect(kept.map(({ steps, revision, tensors }) => [steps, revision, first(tensors)])).toEqual([[3, 1, 1]]);
    live.changed(1);
    await live.flush();
    expect(kept.at(-1)).toMatchObject({ steps: 4, revision: 2 });
  });

  it("are written with what optimisers remember there, of the same moment; what is lost there is not remembered", async () => {
    const { live, kept } = instance();
    let value = 1;
    live.follow(async () => at(value));
    let released = 0;
    const state = (id: string) => ({
      get step() {
        return value;
      },
      copy: async () => ({ step: value, mean: at(value), square: at(value) }),
      release: () => {
        released += id === "first" ? 1 : 100;
      },
    });
    for (const id of ["first", "second", "third"]) live.moments.used(id, state(id));
    // Two are kept.
    expect(released).toBe(1);
    live.changed(1);
    const written = live.flush();
    value = 2;
    await written;
    const [{ tensors, optimizers }] = kept as [KeptAdapter];
    expect(first(tensors)).toBe(1);
    expect([...optimizers]).toEqual([
      ["second", { step: 1, mean: at(1), square: at(1) }],
      ["third", { step: 1, mean: at(1), square: at(1) }],
    ]);
    live.moments.used("home", new HostMoments({ step: 7, mean: at(7), square: at(7) }));
    live.changed(1);
    live.lose();
    expect([live.moments.steps("third"), live.moments.steps("home"), live.revision]).toEqual([0, 7, 1]);
  });
});
