/** @file What every graph of a model takes, declared and fed: ids, positions, angles, the mask. */
import type { Tensors } from "../backend/program.ts";
import { oneOr } from "../graph/shape.ts";
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

/** The mask input of `maskedAttention`. Without a cache, "all" are the run's own tokens: "seq". */
export const maskInput = (graph: Graph, all: "all" | "seq" = "seq"): Value =>
  graph.input("mask", "float32", [oneOr("batch"), 1, "seq", all]);

/**
 * Who sees whom, [rows or 1, 1, seq, past + seq]: 0 where a token is seen, far below zero where not. One for all rows
 * where it is the same for all.
 * @param past places of the cache before the rows' new tokens, of which a row has filled those up to its `from`
 * @param prefixes places of each row before its tokens, at the start of what is past, which are always seen
 */
export function maskTensor(
  config: ChatGLMConfig,
  rows: readonly TokenRow[],
  seq: number,
  past = 0,
  prefixes: readonly number[] = [],
): FloatTensor {
  const { prefixLM, placement } = architectureOf(config);
  const filled = rows.map(({ from }, row) => from + (prefixes[row] ?? 0));
  const alike = !prefixLM && filled.every((places) => places === filled[0]);
  const different = alike ? rows.slice(0, 1) : rows;
  const all = past + seq;
  const mask = new Float32Array(different.length * seq * all).fill(HIDDEN);
  for (const [r, { ids, from }] of different.entries()) {
    // A context that ended in an earlier run is seen anyway.
    const context = prefixLM ? placement(ids, config).prefixLength - from : 0;
    for (let i = 0; i < seq; i += 1) {
      const start = (r * seq + i) * all;
      mask.fill(0, start, start + (filled[r] as number));
      mask.fill(0, start + past, start + past + Math.max(i + 1, context));
    }
  }
  return tensor("float32", [different.length, 1, seq, all], mask);
}
