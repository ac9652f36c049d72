/** @file A sound message of every type and method, to be changed by those who try what a runtime makes of others. */
import type { CallName, Calls, StreamName, Streams } from "../../src/engine/engine.ts";
import type { ClientMessage } from "../../src/rpc/protocol.ts";
import { tensor } from "../../src/tensor.ts";

/** What the samples are about. */
export interface SampleOf {
  /** The key of a loaded model. */
  readonly model: string;
  /** Its folder. */
  readonly folder: string;
  /** A folder that may be written to. */
  readonly scratch: string;
  /** The name of an adapter's only tensor that is written, and its shape. */
  readonly tensor: { readonly name: string; readonly shape: readonly number[] };
}

type Params = { [M in CallName]: Calls[M]["params"] } & { [M in StreamName]: Streams[M]["params"] };

const turns = [
  { role: "system" as const, content: "", tools: [{ name: "f" }] },
  { role: "assistant" as const, content: "b", metadata: "f", loss: false },
];
const rows = [{ prompt: "a", response: "b", system: "c", history: [["d", "e"]] as [string, string][], turns }];
const bounds = { clip: 1, weightDecay: 0, maxLength: 16, seed: 0 };

/** Every optional field is there, so that it can be changed. */
export function sampleParams({ model, folder, scratch, tensor: { name, shape } }: SampleOf): Params {
  const adapter = { owner: "fuzz", name: "sample" };
  const of = { model, adapter };
  const config = {
    method: "lora",
    bias: "lora_only",
    ...{ r: 1, alpha: 2, dropout: 0, targets: ["query_key_value"], rankStabilized: true },
    ...{ rankPattern: { dense: 1 }, alphaPattern: { dense: 1 } },
  } as const;
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const hub = {
    hub: "huggingface",
    revision: "main",
    settings: {
      hub: "huggingface",
      ...{ endpoint: "http://localhost:1", cache: scratch, token: "t", offline: true },
      proxy: { http: "http://localhost:1", https: "http://localhost:1", except: "localhost" },
    },
  } as const;
  const fit: Streams["fit"]["params"] = {
    ...{ ...of, rows, validation: rows, resume: true },
    options: {
      ...{ ...bounds, epochs: 1, lr: 0.001, batchSize: 1, accumulate: 1, scheduler: "constant", warmup: 0 },
      ...{ maxSteps: 1, mixLengths: true, validateEvery: 1, monitor: "exact" },
      ...{ patience: 0, rehearse: rows, rehearsePerBatch: 1, stop: [2] },
    },
  };
  return {
    models: {},
    unload: { model: "another" },
    logits: { model, inputIds: [[5, 6]], adapter, positions: [-1] },
    adapters: { model, owner: "fuzz" },
    createAdapter: { ...of, config, seed: 1, existing: "replace", documents: { "facts.json": "[]" } },
    loadAdapter: { ...of, folder: scratch, existing: "refuse" },
    combineAdapters: {
      ...{ model, adapter: { owner: "fuzz", name: "combined" }, parts: [{ adapter, weight: 0.5 }] },
      existing: "replace",
    },
    saveAdapter: { ...of, folder: scratch, format: "peft" },
    adapterInfo: of,
    disposeAdapter: { model, adapter: { owner: "fuzz", name: "another" } },
    readAdapter: of,
    writeAdapter: { ...of, tensors: { [name]: tensor("float32", shape, values) } },
    takeAdapter: { ...of, folder: scratch, steps: 1, revision: 1 },
    readDocument: { ...of, document: "facts.json" },
    writeDocument: { ...of, document: "facts.json", text: "[]" },
    mergeAdapter: { model, adapter: { owner: "fuzz", name: "another" } },
    unmergeAdapter: { model, adapter: { owner: "fuzz", name: "another" } },
    saveModel: { model, adapter: null, folder: scratch, maxShardBytes: 1e6, quantized: "requantize" },
    gradients: { ...of, batch: { inputIds: [[5, 6, 7]], labels: [[-100, 6, 7]] }, seed: 1 },
    readGradients: { model, handle: 1 },
    releaseGradients: { model, handle: 1 },
    optimizerStep: {
      ...{ ...of, optimizer: "o", handles: [1] },
      config: { kind: "adamW", lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, clip: 0 },
    },
    load: { name: folder, hub, device: "cpu", precision: "exact", quantize: "none" },
    generate: {
      model,
      rows: [
        { ids: [5, 6], adapter },
        { ids: [5], adapter: [{ adapter, weight: -0.5 }] },
      ],
      options: {
        ...{ maxNewTokens: 2, greedy: false, temperature: 1, topP: 0.9, topK: 5, repetitionPenalty: 1.1, seed: 1 },
        stop: [2],
      },
    },
    losses: { model, rows: [{ ids: [5, 6], labels: [-100, 6], adapter }] },
    fit,
    startRun: fit,
    run: of,
    resumeRuns: { model },
    stopRun: of,
    noteJob: { ...of, folder: scratch, steps: 1, epochs: 1 },
    watchRun: of,
    teach: {
      ...{ ...of, rows: { lessons: rows, kept: rows, rehearse: [rows] } },
      options: {
        ...{ ...bounds, steps: 1, lr: 0.001, batchSize: 1, rehearsePerStep: 1, checkEvery: 1, extraSteps: 0 },
        stop: [2],
      },
    },
  };
}

const streams: readonly string[] = ["load", "generate", "losses", "fit", "watchRun", "teach"] satisfies StreamName[];

/** All of them, under ids from `id` on. */
export function sampleMessages(of: SampleOf, id: number): ClientMessage[] {
  const asked = Object.entries(sampleParams(of)).map(([method, params], i) => {
    const question = { id: id + i, method, params };
    return streams.includes(method) ? { type: "stream", ...question, credit: 1000 } : { type: "call", ...question };
  });
  const next = id + asked.length;
  const control = [
    { type: "hello", protocol: 2, version: "0", pid: 1 },
    { type: "more", id: next, credit: 1 },
    { type: "cancel", id: next },
    { type: "status", id: next },
    { type: "bye" },
  ];
  return [...asked, ...control] as ClientMessage[];
}

/** What stands in places where something else belongs. */
export const strangers: readonly unknown[] = [
  ...[null, true, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 2 ** 53, "", "x", "../x", "\u0000"],
  ...["x".repeat(100_000), [], {}, [[]], [null], { length: 3 }, Float32Array.of(1, 2), new Uint8Array(3)],
  ...[new BigInt64Array(1), Array(2000).fill(""), { constructor: 1 }, ["constructor"], { toString: null }],
];

/** The paths to all fields and items within a message, but for its type, id and method. */
export function placesIn(value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    if (at.length === 0 && ["type", "id", "method"].includes(key)) return [];
    const place = [...at, Array.isArray(value) ? Number(key) : key];
    return [place, ...placesIn(part, place)];
  });
}

/** A copy with something else at one place; undefined takes it away. */
export function withAt(value: unknown, [key, ...rest]: readonly (string | number)[], part: unknown): unknown {
  if (key === undefined) return part;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = withAt(copy[key], rest, part);
  if (copy[key] === undefined) delete copy[key];
  return copy;
}
