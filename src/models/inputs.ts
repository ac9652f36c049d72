/** @file What every graph of a model takes, declared and fed: ids, positions, angles, the mask of whole sequences. */
import type { Tensors } from "../graph/program.ts";
import type { Graph, Value } from "../graph/value.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import type { ModelInputs } from "./architecture.ts";
import { architectureOf } from "./architectures.ts";
import type { ChatGLMConfig } from "./config.ts";

/** A row's tokens, of which those from `from` on are new to the graph. */
export interface TokenRow {
  readonly ids: readonly number[];
  readonly from: number;
}

/** The graph inputs of `tokenTensors`, with `cos`, `sin` and `select` (int64 [chosen]). */
export function modelInputs(graph: Graph, config: ChatGLMConfig): ModelInputs & { readonly select: Value } {
  const rows = ["batch", "seq"];
  const angles = ["position", config.headSize / 4];
  return {
    ids: graph.input("ids", "int64", rows),
    positions: architectureOf(config).positions.map((name) => graph.input(name, "int64", rows)),
    cos: graph.input("cos", "float32", angles),
    sin: graph.input("sin", "float32", angles),
    select: graph.input("select", "int64", ["chosen"]),
  };
}

/** The new tokens of each row and where they stand, int64 [rows, seq]; shorter rows are padded on the right. */
export function tokenTensors(config: ChatGLMConfig, rows: readonly TokenRow[], seq: number): Tensors {
  const { positions: names, placement } = architectureOf(config);
  const matrix = (numbers: readonly (readonly number[])[]) => {
    const data = new BigInt64Array(rows.length * seq);
    numbers.forEach((row, r) => {
      const { from } = rows[r] as TokenRow;
      for (let i = from; i < row.length; i += 1) data[r * seq + i - from] = BigInt(row[i] as number);
    });
    return tensor("int64", [rows.length, seq], data);
  };
  const places = rows.map(({ ids }) => placement(ids, config).positions);
  const positions = names.map((name, axis) => [name, matrix(places.map((place) => place[axis] ?? []))] as const);
  return { ids: matrix(rows.map(({ ids }) => ids)), ...Object.fromEntries(positions) };
}

/** Far below any score, and still finite: a row of nothing else stays a number. */
const HIDDEN = -1e9;

/** The mask input of `maskedAttention`: one for all rows, or one for each where their contexts differ. */
export const maskInput = (graph: Graph, config: ChatGLMConfig): Value =>
  graph.input("mask", "float32", architectureOf(config).bidirectional ? ["batch", 1, "seq", "seq"] : ["seq", "seq"]);

/** Who sees whom in whole rows of up to `seq` tokens: 0 where a token is seen, far below zero where not. */
export function maskTensor(config: ChatGLMConfig, rows: readonly (readonly number[])[], seq: number): FloatTensor {
  const { bidirectional, placement } = architectureOf(config);
  if (!bidirectional) return tensor("float32", [seq, seq], causalMask(seq, 0));
  const masks = new Float32Array(rows.length * seq * seq);
  rows.forEach((ids, row) => {
    masks.set(causalMask(seq, placement(ids, config).context), row * seq * seq);
  });
  return tensor("float32", [rows.length, 1, seq, seq], masks);
}

/** [seq, seq]: each token sees those before it, and the first `context` ones in any case. */
function causalMask(seq: number, context: number): Float32Array {
  const mask = new Float32Array(seq * seq);
  for (let row = 0; row < seq; row += 1) {
    mask.fill(HIDDEN, row * seq + Math.max(row + 1, context), (row + 1) * seq);
  }
  return mask;
}
