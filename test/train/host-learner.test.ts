/** @file Values in ordinary memory that train: steps in place, and snapshots that can be gone back to. */
import { expect, it } from "vitest";
import { filled, tensor } from "../../src/tensor.ts";
import { hostLearner } from "../../src/train/host-learner.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";

const gradient = (...values: number[]) => ({ w: tensor("float32", [values.length], Float32Array.from(values)) });
const config = adamWConfig({ lr: 0.1, weightDecay: 0, clip: 0 });

const noBatch = () => Promise.reject(new Error("no batch is run here"));

function learner() {
  const tensors = { w: filled([2], 1) };
  return { tensors, learner: hostLearner(tensors, { gradients: noBatch, loss: noBatch }) };
}

it("steps in place, along the weighted mean", async () => {
  const { tensors, learner: one } = learner();
  const { data } = tensors.w;
  const norm = await one.step(config, [
    { gradients: gradient(4, 0), weight: 3 },
    { gradients: gradient(0, 8), weight: 1 },
  ]);
  expect(norm).toBeCloseTo(Math.hypot(3, 2), 6);
  expect(tensors.w.data).toBe(data);
  expect([...data]).toEqual([expect.closeTo(0.9, 5), expect.closeTo(0.9, 5)]);
});

it("goes back to values alone, or with the optimiser's moments", async () => {
  const { tensors, learner: one } = learner();
  const step = () => one.step(config, [{ gradients: gradient(1, -2), weight: 1 }]);
  await step();
  const [values, all] = [await one.snapshot("values"), await one.snapshot("all")];
  const before = [...tensors.w.data];
  await step();
  const after = [...tensors.w.data];
  await one.restore(all);
  expect([...tensors.w.data]).toEqual(before);
  await step();
  expect([...tensors.w.data]).toEqual(after);
  // A snapshot can be gone back to again; the moments are those of three steps now.
  await one.step(config, [{ gradients: gradient(-9, 9), weight: 1 }]);
  await one.restore(values);
  expect([...tensors.w.data]).toEqual(before);
  await step();
  expect([...tensors.w.data]).not.toEqual(after);
});

it("refuses gradients that are no numbers, and changes nothing", async () => {
  const { tensors, learner: one } = learner();
  const broken = one.step(config, [{ gradients: gradient(1, Number.NaN), weight: 1 }]);
  await expect(broken).rejects.toMatchObject({ code: "loss-not-finite" });
  expect([...tensors.w.data]).toEqual([1, 1]);
});

it("leaves gradients as they are, also those that are clipped for what comes after a step", async () => {
  const tensors = { w: filled([2], 1) };
  const seen: number[][] = [];
  const one = hostLearner(
    tensors,
    { gradients: noBatch, loss: noBatch },
    {
      afterStep: ({ gradients }) => {
        seen.push([...(gradients.w?.data ?? [])]);
        return {};
      },
    },
  );
  const own = gradient(3, 4);
  await one.step({ ...config, clip: 1 }, [{ gradients: own, weight: 7 }], { step: 0, steps: 1 });
  expect([...own.w.data]).toEqual([3, 4]);
  expect(seen).toEqual([[expect.closeTo(0.6, 5), expect.closeTo(0.8, 5)]]);
});
