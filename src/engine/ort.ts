/** @file The only file that knows onnxruntime: graphs become sessions, our tensors become its tensors. */
import { readFile } from "node:fs/promises";
import { join, parse } from "node:path";
import "./privacy.ts";
import * as ort from "onnxruntime-node";
import { decodePacked, encode } from "../graph/encode.ts";
import type { CompileOptions, Program } from "../graph/program.ts";
import { type Graph, usedWeights } from "../graph/value.ts";
import type { PackedBytes } from "../held/prepared-file.ts";
import type { DType, Tensor } from "../tensor.ts";
import { pieces } from "../weights/bytes.ts";

/** onnxruntime's version: what it packs is for itself only. */
export const version: string = ort.env.versions.node ?? ort.env.versions.common;

export interface OrtOptions extends CompileOptions {
  /** Threads of one operator; onnxruntime's own choice by default. */
  readonly threads?: number;
}

/** onnxruntime calls float16 data "float16" and knows no bfloat16 across its JavaScript API. */
type OrtType = Exclude<DType, "bfloat16">;

const ONLY_ERRORS = 3;

/**
 * Bytes of weights up to which a training graph packs them: its products gain a twentieth, and two copies of so little
 * do no harm. Above, one mapped file for all is worth more.
 */
const PACKED_WEIGHTS = 64 * 2 ** 20;

/**
 * Compiles for the CPU. Weights are mapped from their files: neither onnxruntime nor a second session copies them, but
 * for small ones of graphs that gain from it.
 */
export async function compileForCpu(graph: Graph, options: OrtOptions = {}): Promise<Program> {
  const session = await atRoot(graph, (model) =>
    ort.InferenceSession.create(model, {
      executionProviders: ["cpu"],
      logSeverityLevel: ONLY_ERRORS,
      // An arena keeps what its largest run took for as long as the session lives, and cannot be told to shrink from here.
      enableCpuMemArena: options.frees !== true,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
      extra: { session: { disable_prepacking: packs(graph) ? "0" : "1" } },
    }),
  );
  return {
    run: async (inputs) => mapValues(await session.run(mapValues(inputs, toOrt)), fromOrt),
    dispose: () => session.release(),
  };
}

/**
 * What the kernels of a graph make of its weights before the first run, by weight: onnxruntime writes a model with it,
 * of which only that is of interest.
 * @param folder an empty one for that model, from which the parts are read
 */
export async function packForCpu(graph: Graph, folder: string): Promise<ReadonlyMap<string, readonly PackedBytes[]>> {
  const [model, data] = [join(folder, "model.onnx"), "weights"];
  const session = await atRoot(graph, (bytes) =>
    ort.InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      logSeverityLevel: ONLY_ERRORS,
      optimizedModelFilePath: model,
      extra: {
        session: {
          save_external_prepacked_constant_initializers: "1",
          optimized_model_external_initializers_file_name: data,
          optimized_model_external_initializers_min_size_in_bytes: "0",
        },
      },
    }),
  );
  await session.release();
  const read = (offset: number, bytes: number) => () => pieces(join(folder, data), offset, bytes);
  const packed = [...decodePacked(await readFile(model))].map(([name, forms]): [string, PackedBytes[]] => [
    name,
    forms.map(({ key, parts }) => ({ key, parts: parts.map(({ offset, bytes }) => ({ read: read(offset, bytes) })) })),
  ]);
  return new Map(packed);
}

/** Whether kernels may pack weights: those whose packed form is in their file, which is then mapped, too; and few ones. */
function packs(graph: Graph): boolean {
  const weights = usedWeights(graph).map(([, range]) => range);
  if (weights.some(({ packed }) => packed !== undefined && packed.length > 0)) return true;
  const bytes = weights.reduce((sum, range) => sum + range.bytes, 0);
  return graph.options.manyRows === true && bytes <= PACKED_WEIGHTS;
}

let creating: Promise<unknown> = Promise.resolve();

/**
 * Creates a session while the process's working directory is the root of the file system: onnxruntime maps only files
 * below it. A runtime process lives there anyway; elsewhere the directory is put back at once. Worker threads cannot
 * change it, so their process must have done so.
 */
function atRoot(
  graph: Graph,
  create: (model: Uint8Array) => Promise<ort.InferenceSession>,
): Promise<ort.InferenceSession> {
  const file = [...graph.weights.values()][0]?.file;
  const session = creating.then(async () => {
    const before = process.cwd();
    if (file === undefined) return create(encode(graph));
    const { root } = parse(file);
    if (before === root) return create(encode(graph, root));
    process.chdir(root);
    try {
      return await create(encode(graph, root));
    } finally {
      process.chdir(before);
    }
  });
  creating = session.catch(() => undefined);
  return session;
}

const mapValues = <A, B>(record: Record<string, A>, convert: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));

/** Shares the data: nothing is copied. */
function toOrt({ dtype, shape, data }: Tensor): ort.Tensor {
  if (dtype === "bfloat16") throw new TypeError("bfloat16 tensors cannot be fed to onnxruntime");
  return new ort.Tensor(dtype as OrtType, data as Float32Array, shape);
}

function fromOrt({ type, dims, data }: ort.Tensor): Tensor {
  return {
    dtype: type as DType,
    shape: dims,
    data: data as Float32Array,
  } as Tensor;
}
