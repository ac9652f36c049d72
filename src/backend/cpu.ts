/** @file This machine's processor as a device: weights are mapped from their files, tensors are ordinary memory. */
import { readFile } from "node:fs/promises";
import { join, parse } from "node:path";
import { encode, externalEntries } from "../graph/encode.ts";
import { type Graph, usedWeights } from "../graph/value.ts";
import { filled, type Tensor } from "../tensor.ts";
import type { Device, PackedForm, WeightPacker } from "./device.ts";
import { createSession, type Session, type SessionOptions, version } from "./onnxruntime.ts";
import { prepackedEntries, readPrepacked } from "./prepacked.ts";
import type { CompileOptions, DeviceTensor, Program } from "./program.ts";

export interface CpuOptions extends CompileOptions {
  /** Threads of one operator; onnxruntime's own choice by default. */
  readonly threads?: number;
}

/**
 * Bytes of weights up to which a training graph packs them: its products gain a twentieth, and two copies of so little
 * do no harm. Above, one mapped file for all is worth more.
 */
const PACKED_WEIGHTS = 64 * 2 ** 20;

/**
 * Compiles for the CPU. Weights are mapped from their files: neither onnxruntime nor a second session copies them, but
 * for small ones of graphs that gain from it.
 */
export async function compileForCpu(graph: Graph, options: CpuOptions = {}): Promise<Program> {
  const settings = {
    // An arena keeps what its largest run took for as long as the session lives, and cannot be told to shrink from here.
    enableCpuMemArena: options.frees !== true,
    // A second run would lay its tensors out in one block, which is taken beside what the first one took.
    ...(options.lean ? { enableMemPattern: false } : {}),
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  };
  const session = await create(graph, settings, {
    disable_prepacking: packs(graph, options.packs === true) ? "0" : "1",
  });
  return {
    async run(inputs, into = {}) {
      const results = await session.run(inputs);
      // onnxruntime hands every output over in memory of its own, whatever it is told to write to.
      for (const [name, target] of Object.entries(into)) {
        const { data } = results[name] as Tensor<"float32">;
        (target as HostTensor).data.set(data);
        delete results[name];
      }
      return results;
    },
    dispose: () => session.release(),
  };
}

/** A device's tensor where the device's memory is ours. */
type HostTensor = DeviceTensor & Tensor<"float32">;

const nothing = (): void => undefined;

/** This machine's processor. */
export const cpu: Device & { readonly packer: WeightPacker } = {
  name: "cpu",
  can: {
    graph: { fusedMatMul: true, byteArithmetic: true },
    float16: false,
    emptyTensors: true,
    mapsFiles: true,
    ownMemory: false,
    cacheInPlace: false,
  },
  compile: compileForCpu,
  upload: async (tensor) => ({ ...tensor, dispose: nothing }),
  allocate: async (_, shape) => ({ ...filled(shape), dispose: nothing }),
  download: async (tensor) => tensor as HostTensor,
  bytes: 0,
  packer: { version, pack: packForCpu },
};

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

/** Whether kernels may pack weights: those whose packed form is in their file, which is then mapped, too; and few ones. */
function packs(graph: Graph, wanted: boolean): boolean {
  const weights = usedWeights(graph).map(([, range]) => range);
  if (weights.some(({ packed }) => packed !== undefined && packed.length > 0)) return true;
  const bytes = weights.reduce((sum, range) => sum + range.bytes, 0);
  return wanted && bytes <= PACKED_WEIGHTS;
}

/** onnxruntime maps the files that a model in memory names when they lie below a folder that it is told. */
function create(graph: Graph, options: SessionOptions, session: object): Promise<Session> {
  const model = encode(graph, { entries: ({ packed = [] }) => prepackedEntries(packed) });
  const [weight] = graph.weights.values();
  const place = weight ? { model_external_initializers_file_folder_path: parse(weight.file).root } : {};
  return createSession(model, {
    executionProviders: ["cpu"],
    ...options,
    extra: { session: { ...session, ...place } },
  });
}
