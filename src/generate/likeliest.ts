/**
 * @file The likeliest token of each row, found where the logits are: of a whole vocabulary only the leader of every block comes
 * out. One pass over a row by one thread, as ArgMax makes it, would take longer than to bring all logits over.
 */
import type { Tensors } from "../backend/program.ts";
import { emitOne, reduceMax, reduceSum, reshape } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import type { FloatTensor } from "../tensor.ts";

/** Logits of a block at most. */
const BLOCK = 512;

const [HIGHEST, PLACE, SUM] = ["highest of a block", "place in its block", "sum of a block"];

/** The largest power of two that divides a vocabulary, up to a block. */
function blockSize(vocabulary: number): number {
  let size = 1;
  while (size < BLOCK && vocabulary % (2 * size) === 0) size *= 2;
  return size;
}

/** Outputs of a graph in place of its logits [rows, vocabulary]. */
export function outputLeaders(logits: Value, vocabulary: number): void {
  const { graph } = logits;
  const size = blockSize(vocabulary);
  const blocks = reshape(logits, [logits.shape[0] as string, vocabulary / size, size]);
  graph.output(reduceMax(blocks, [-1], false), HIGHEST);
  graph.output(emitOne("ArgMax", [blocks], "int64", blocks.shape.slice(0, -1), { axis: -1, keepdims: 0 }), PLACE);
  // Numbers that are none are found in it.
  graph.output(reduceSum(blocks, [-1], false), SUM);
}

/** The token that greedy sampling takes for each row of a run; undefined where logits are no numbers. */
export function likeliestTokens(results: Tensors, vocabulary: number): (number | undefined)[] {
  const size = blockSize(vocabulary);
  const count = vocabulary / size;
  const [highest, places, sums] = [HIGHEST, PLACE, SUM].map((name) => results[name]?.data) as [
    Float32Array,
    BigInt64Array,
    Float32Array,
  ];
  return Array.from({ length: highest.length / count }, (_, row) => {
    let best = row * count;
    for (let block = best; block < (row + 1) * count; block += 1) {
      if (!Number.isFinite(sums[block])) return undefined;
      if ((highest[block] as number) > (highest[best] as number)) best = block;
    }
    return (best - row * count) * size + Number(places[best]);
  });
}

/** Whether the logits of a run are numbers, as far as they came out. */
export function areNumbers(results: Tensors): boolean {
  const { data } = (results.logits ?? results[SUM]) as FloatTensor;
  return data.every(Number.isFinite);
}
