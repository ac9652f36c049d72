/** @file A matrix of a checkpoint on its way into a form's file: its numbers, and what kernels make of them. */
import { Graph } from "../graph/value.ts";
import type { Form, Pack } from "./form.ts";
import type { StoredMatrix } from "./matrix.ts";
import type { Preparation } from "./prepared-file.ts";

const WEIGHT = "weight";

/** @param onBytes told of bytes of the checkpoint that were worked on */
export function preparation(
  matrix: StoredMatrix,
  form: Form,
  pack: Pack,
  onBytes: (bytes: number) => void,
): Preparation {
  const numbers = form.prepare(matrix, onBytes);
  if (!form.isPacked) return numbers;
  return {
    ...numbers,
    bytes: 2 * numbers.bytes,
    async pack(codes, scales, use) {
      const graph = new Graph();
      const x = graph.input("x", "float32", ["tokens", matrix.in]);
      graph.output(form.product(x, WEIGHT, { ...matrix, codes, scales }), "y");
      await pack(graph, (packed) => use(packed.get(WEIGHT) ?? []));
    },
  };
}
