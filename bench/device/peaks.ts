/** @file What a device can do at best, measured: its memory's bandwidth, and its rate of float32 matrix products. */
import type { Device } from "../../src/backend/device.ts";
import type { DeviceTensor, Program } from "../../src/backend/program.ts";
import { add, gather, gemm, reduceSum } from "../../src/graph/ops.ts";
import { Graph } from "../../src/graph/value.ts";
import { randomStream } from "../../src/random.ts";
import { type FloatTensor, sizeOf, tensor } from "../../src/tensor.ts";
import { gemmPeak } from "../gemm.ts";

export interface Peaks {
  /** Bytes a second. */
  readonly bandwidth: number;
  /** What was done to measure it. */
  readonly bandwidthOf: string;
  /** Floating-point operations a second. */
  readonly gemm: number;
  readonly gemmOf: string;
}

/** Sizes grow until a run takes so many seconds, or all have had their turn. */
const LONG = { copy: 0.1, product: 1 };
const ROW = 2 ** 16;
/** Bytes of each of three tensors; the largest is more than any cache of a GPU holds. */
const COPIES = [24, 26, 28].map((power) => 2 ** power);
const READ = 2 ** 30;
const PRODUCTS = [512, 1024, 2048, 4096, 8192];

/** @param seconds for each figure */
export const measurePeaks = (device: Device, seconds: number): Promise<Peaks> =>
  device.can.ownMemory ? peaksThere(device, seconds) : peaksHere(device, seconds);

/**
 * Where results stay on the device: they are written to tensors that are there. Many runs are started one after the other,
 * and a small tensor that is fetched at the end has to wait for all of them.
 */
async function peaksThere(device: Device, seconds: number): Promise<Peaks> {
  const sum = new Graph(device.can.graph);
  const vector = (name: string) => sum.input(name, "float32", ["rows", ROW]);
  sum.output(add(vector("x"), vector("y")), "z");
  const copies = await best(COPIES, LONG.copy, async (bytes) => {
    const shape = [bytes / 4 / ROW, ROW];
    return { rate: await rate(device, sum, { x: shape, y: shape, z: shape }, 3 * bytes, seconds), size: bytes };
  });
  const product = new Graph(device.can.graph);
  const matrix = (name: string) => product.input(name, "float32", [`${name} rows`, `${name} columns`]);
  product.output(gemm(matrix("x"), matrix("y"), { transB: true }), "z");
  const products = await best(PRODUCTS, LONG.product, async (size) => {
    const shape = [size, size];
    return { rate: await rate(device, product, { x: shape, y: shape, z: shape }, 2 * size ** 3, seconds), size };
  });
  return {
    bandwidth: copies.rate,
    bandwidthOf: `z = x + y of ${copies.size / 2 ** 20} MiB each`,
    gemm: products.rate,
    gemmOf: `${products.size} x ${products.size} x ${products.size}`,
  };
}

interface Rate {
  /** Work a second. */
  readonly rate: number;
  /** Seconds of one run. */
  readonly run: number;
}

async function best(
  sizes: readonly number[],
  long: number,
  measure: (size: number) => Promise<{ readonly rate: Rate; readonly size: number }>,
): Promise<{ readonly rate: number; readonly size: number }> {
  let found = { rate: 0, size: 0 };
  for (const size of sizes) {
    const { rate } = await measure(size);
    if (rate.rate > found.rate) found = { rate: rate.rate, size };
    if (rate.run > long) break;
  }
  return found;
}

async function rate(
  device: Device,
  graph: Graph,
  { z, ...inputs }: Readonly<Record<"x" | "y" | "z", readonly number[]>>,
  work: number,
  seconds: number,
): Promise<Rate> {
  const held: DeviceTensor[] = [];
  const keep = async (made: Promise<DeviceTensor>): Promise<DeviceTensor> => {
    const one = await made;
    held.push(one);
    return one;
  };
  let program: Program | undefined;
  try {
    program = await device.compile(graph);
    const { run } = program;
    const fed = {
      x: await keep(device.upload(random(inputs.x))),
      y: await keep(device.upload(random(inputs.y))),
    };
    const into = { z: await keep(device.allocate("float32", z)) };
    const last = await keep(device.allocate("float32", [1]));
    const timed = async (count: number): Promise<number> => {
      const begun = performance.now();
      for (let i = 0; i < count; i += 1) await run(fed, into);
      await device.download(last);
      return (performance.now() - begun) / 1000;
    };
    await timed(1);
    let [count, took] = [1, await timed(1)];
    // Several rounds of a length that makes the wait at the end a small part.
    for (; took < seconds / 4 && count < 2 ** 16; took = await timed(count)) count *= 2;
    let shortest = took;
    for (let round = 0; round < 3; round += 1) shortest = Math.min(shortest, await timed(count));
    return { rate: (work * count) / shortest, run: shortest / count };
  } finally {
    await program?.dispose();
    for (const one of held) one.dispose();
  }
}

/** Where results are copied on their way to us: products with one row of them as the result, and a reduction, which only reads. */
async function peaksHere(device: Device, seconds: number): Promise<Peaks> {
  const peak = await gemmPeak();
  const operations = await peak.measure(seconds).finally(() => peak.dispose());
  const graph = new Graph(device.can.graph);
  const x = graph.input("x", "float32", ["rows", ROW]);
  graph.output(gather(reduceSum(x, [-1]), graph.indices([0])), "y");
  const program = await device.compile(graph);
  const fed = { x: await device.upload(random([READ / 4 / ROW, ROW])) };
  try {
    await program.run(fed);
    let shortest = Number.POSITIVE_INFINITY;
    for (const until = performance.now() + 1000 * seconds; performance.now() < until; ) {
      const begun = performance.now();
      await program.run(fed);
      shortest = Math.min(shortest, (performance.now() - begun) / 1000);
    }
    return {
      bandwidth: READ / shortest,
      bandwidthOf: `reading ${READ / 2 ** 20} MiB`,
      gemm: operations,
      gemmOf: "256 to 512 rows",
    };
  } finally {
    await program.dispose();
    fed.x.dispose();
  }
}

/** A million numbers, again and again: drivers and memory may treat zeros better than others. */
function random(shape: readonly number[]): FloatTensor {
  const data = new Float32Array(sizeOf(shape));
  const stream = randomStream(0, "peaks");
  const some = Math.min(data.length, 1_000_003);
  for (let i = 0; i < some; i += 1) data[i] = stream.integer(2 ** 16) / 2 ** 15 - 1;
  for (let at = some; at < data.length; at += some) data.copyWithin(at, 0, Math.min(some, data.length - at));
  return tensor("float32", shape, data);
}
