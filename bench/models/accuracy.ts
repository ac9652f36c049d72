/** @file How far logits are from those of float32 weights: this library's and llama.cpp's, from the same weights. */
import type { ContenderProcess } from "./contender-process.ts";
import { type Form, forms } from "./forms.ts";
import { promptIds } from "./prompt.ts";
import type { Workspace } from "./workspace.ts";

/** Tokens of each prompt whose last logits are compared. */
const LENGTHS = [8, 32, 64, 128];

export interface Errors {
  /** |logits - float32's| / |float32's|, Euclidean norms over all prompts. */
  readonly fast: number;
  /** The same of this library's exact setting: only the weights are rounded. */
  readonly exact: number;
  readonly llama: number;
}

export async function errorsOf(workspace: Workspace, form: Form): Promise<Errors> {
  const reference = await logitsOf(workspace.ours("float32"));
  const exact = { ...forms[form].options, precision: "exact" } as const;
  return {
    fast: relativeError(await logitsOf(workspace.ours(form)), reference),
    exact: relativeError(await logitsOf(workspace.ours(form, exact)), reference),
    llama: relativeError(await logitsOf(workspace.llama(form)), reference),
  };
}

async function logitsOf(contender: ContenderProcess): Promise<Float32Array[]> {
  try {
    await contender.load();
    const all: Float32Array[] = [];
    for (const length of LENGTHS) all.push(await contender.logits(promptIds(length)));
    return all;
  } finally {
    await contender.dispose();
  }
}

function relativeError(values: readonly Float32Array[], reference: readonly Float32Array[]): number {
  let [off, size] = [0, 0];
  for (const [row, expected] of reference.entries()) {
    expected.forEach((value, i) => {
      off += ((values[row]?.[i] ?? Number.NaN) - value) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(off / size);
}
