/** @file The only file that knows onnxruntime: graphs become sessions, our tensors become its tensors. */
import { readFile } from "node:fs/promises";
import { join, parse } from "node:path";
import "./privacy.ts";
import * as ort from "onnxruntime-node";
import { encode, externalEntries } from "../graph/encode.ts";
import { type Graph, usedWeights } from "../graph/value.ts";
import type { DType, Tensor } from "../tensor.ts";
import type { Device, PackedForm } from "./device.ts";
import { prepackedEntries, readPrepacked } from "./prepacked.ts";
import type { CompileOptions, Program } from "./program.ts";

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
  const settings = {
    // An arena keeps what its largest run took for as long as the session lives, and cannot be told to shrink from here.
    enableCpuMemArena: options.frees !== true,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  };
  const session = await create(graph, settings, {
    disable_prepacking: packs(graph, options.packs === true) ? "0" : "1",
  });
  return {
    run: async (inputs) => mapValues(await session.run(mapValues(inputs, toOrt)), fromOrt),
    dispose: () => session.release(),
  };
}

/** onnxruntime writes a model with what its kernels made of the weights, of which only that is of interest. */
async function packForCpu(graph: Graph, folder: string): Promise<ReadonlyMap<string, readonly PackedForm[]>> {
  const [model, data] = [join(folder, "model.onnx"), "weights"];
  const session = await create(
    graph,
    { optimizedModelFilePath: model },
    {
      save_external_prepacked_constant_initializers: "1",
      optimized_model_external_initializers_file_name: data,
      optimized_model_external_initializers_min_size_in_bytes: "0",
    },
  );
  await session.release();
  const file = join(folder, data);
  const written = [...externalEntries(await readFile(model))].map(([name, entries]): [string, PackedForm[]] => [
    name,
    readPrepacked(entries).map(({ key, parts }) => ({ key, parts: parts.map((part) => ({ file, ...part })) })),
  ]);
  return new Map(written);
}

/** This machine's processor. */
export const cpu: Device = {
  name: "cpu",
  compile: compileForCpu,
  packer: { version: ort.env.versions.node ?? ort.env.versions.common, pack: packForCpu },
};

/** Whether kernels may pack weights: those whose packed form is in their file, which is then mapped, too; and few ones. */
function packs(graph: Graph, wanted: boolean): boolean {
  const weights = usedWeights(graph).map(([, range]) => range);
  if (weights.some(({ packed }) => packed !== undefined && packed.length > 0)) return true;
  const bytes = weights.reduce((sum, range) => sum + range.bytes, 0);
  return wanted && bytes <= PACKED_WEIGHTS;
}

/** onnxruntime maps the files that a model in memory names when they lie below a folder that it is told. */
function create(
  graph: Graph,
  options: ort.InferenceSession.SessionOptions,
  session: object,
): Promise<ort.InferenceSession> {
  const model = encode(graph, ({ packed = [] }) => prepackedEntries(packed));
  const [weight] = graph.weights.values();
  const place = weight ? { model_external_initializers_file_folder_path: parse(weight.file).root } : {};
  return ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    logSeverityLevel: ONLY_ERRORS,
    ...options,
    extra: { session: { ...session, ...place } },
  });
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
