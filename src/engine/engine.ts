/**
 * @file The engine interface: what can be asked of the thing that holds the weights, wherever it lives.
 *
 * LocalEngine answers in this process, RemoteEngine asks a runtime process. Everything that passes is plain data
 * (structured-cloneable, typed arrays included), so one contract serves threads and sockets alike.
 */
import type { AdapterConfig, ModuleRank } from "../adapters/adapter.ts";
import type { AdapterDocuments, DocumentName } from "../adapters/documents.ts";
import type { AdapterFormat } from "../adapters/formats.ts";
import type { SentRows } from "../data/row-store.ts";
import type { GenerateEvent } from "../generate/generate.ts";
import type { RowLoss } from "../generate/losses.ts";
import type { SamplingOptions } from "../generate/sampler.ts";
import type { HubRequest } from "../hub/request.ts";
import type { ChatGLMConfig, Family } from "../models/config.ts";
import type { Deviation } from "../quantization/deviation.ts";
import type { DType, Tensor } from "../tensor.ts";
import type { Checkpointing } from "../train/checkpointing.ts";
import type { FitOptions } from "../train/fit-options.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import type { TeachEvent } from "../train/teach.ts";
import type { TeachOptions, TeachRows } from "../train/teaching.ts";
import type { FitEvent } from "../train/trainer.ts";

export type { GenerateEvent };

export const deviceChoices = ["auto", "cpu", "webgpu", "cuda"] as const;
export type DeviceChoice = (typeof deviceChoices)[number];
/** "auto": exact, but float16 on a GPU whose memory is enough for that only. */
export const precisionChoices = ["auto", "exact", "fast"] as const;
export type PrecisionChoice = (typeof precisionChoices)[number];
export type Precision = Exclude<PrecisionChoice, "auto">;
export const quantizations = ["none", "int8", "int4"] as const;
/** In how many bits the linear modules' weights are held; "none": as the checkpoint has them. */
export type Quantize = (typeof quantizations)[number];

/** An adapter's address. `owner` is the notebook it belongs to; SHARED makes it visible to every notebook. */
export interface AdapterRef {
  readonly owner: string;
  readonly name: string;
}
export const SHARED = "shared";

/** One of several adapters that act together: what it changes counts `weight` times, which is finite. */
export interface WeightedAdapter {
  readonly adapter: AdapterRef;
  readonly weight: number;
}

/** What answers, or is written: the base, the base with an adapter, or with the sum of several. */
export type AdapterSelection = AdapterRef | readonly WeightedAdapter[] | null;

export const mergedForms = ["dequantize", "requantize", "refuse"] as const;
/**
 * What becomes of matrices in 8 or 4 bits that a merged adapter changes, when the model is written: all such matrices in float16;
 * those that change quantised again in the same form, which loses a part of what was learnt; or nothing, and an error.
 */
export type MergedForm = (typeof mergedForms)[number];

/** What saving a model changed. */
export interface SaveReport {
  /** Matrices that were written in another form than they are held in, or quantised again, and how far that is from what they were to be. */
  readonly rewritten?: Deviation & { readonly form: "float16" | "int8" | "int4" };
}

export interface LoadParams {
  /** "tiny", a folder with config.json, weights and tokenizer (absolute path), or with `hub` a model's id there. */
  readonly name: string;
  /** Where the model is fetched from when it is not in the hub's cache. */
  readonly hub?: HubRequest;
  readonly device: DeviceChoice;
  readonly precision: PrecisionChoice;
  readonly quantize: Quantize;
  /** The generation that it is, where its files leave that open; they decide when it is left out. */
  readonly family?: Family;
}

export interface ModelInfo {
  /** Identifies the loaded weights in later calls: the same files loaded the same way have the same key. */
  readonly key: string;
  /** Identifies its weights in the form in which they are held, on whatever device: adapters belong to these. */
  readonly weightsKey: string;
  readonly name: string;
  readonly folder: string;
  readonly family: Family;
  readonly config: ChatGLMConfig;
  readonly device: Exclude<DeviceChoice, "auto">;
  /** Why it runs there, where that was left to choose: "this machine shows no GPU". */
  readonly deviceReason?: string;
  readonly precision: Precision;
  /** How the weights are held, whether the checkpoint has them so or they were quantised here. */
  readonly quantize: Quantize;
  /** Every base tensor, in checkpoint names. */
  readonly parameters: readonly ParameterInfo[];
  /** True when the weights were in memory already: nothing was read. */
  readonly resident: boolean;
  /** What its user should know: that its family is a guess, that memory is tight. */
  readonly note?: string;
}

export interface ParameterInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly trainable: boolean;
  /** Elements. */
  readonly count: number;
}

export interface AdapterInfo extends AdapterRef {
  readonly config: AdapterConfig;
  readonly parameters: readonly ParameterInfo[];
  /** Parameters of base and adapter together, and those that train: the numbers of PEFT's summary line. */
  readonly allCount: number;
  readonly trainableCount: number;
  /** Optimiser steps taken since it was created or loaded. */
  readonly steps: number;
  /** Counts every change of its values, also over restarts; absent where an engine does not count them. */
  readonly revision?: number;
  /** Names of the texts that it keeps beside its tensors. */
  readonly documents: readonly string[];
  /** The folder it was loaded from, if it was. */
  readonly source?: string;
  /** What its user should know of how it was made or loaded: that modules which it names are called otherwise, or are not there. */
  readonly note?: string;
  /**
   * What is left of each module's rank, of methods that give ranks up while they train. Absent for others, and for one that
   * was written by an earlier version and is not in memory.
   */
  readonly ranks?: readonly ModuleRank[];
  readonly merged: boolean;
  /** What could not be written to the disk when that was tried last: so many steps, and why; absent when all is well. */
  readonly unkept?: { readonly steps: number; readonly reason: string };
}

/**
 * What becomes of an adapter whose name a new one takes: kept under another name when it holds anything that is nowhere else
 * (the default), given up, or respected: then it is an error that there is one.
 */
export type Existing = "set-aside" | "replace" | "refuse";

export type NewAdapterInfo = AdapterInfo & {
  /** The name under which the adapter that had this one before is kept; absent when there was nothing to keep. */
  readonly setAside?: string;
};

/** Right-padded token rows with their labels; -100 is ignored. Rows may differ in length: they are padded here. */
export interface Batch {
  readonly inputIds: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
}

export interface GradientInfo {
  /** Mean cross-entropy over the labelled tokens, in nats (plus the adapter's penalty, if it has one). */
  readonly loss: number;
  /** Labelled tokens in the batch. */
  readonly tokens: number;
  /** Names the gradients held beside the weights until they are used or released. */
  readonly handle: number;
  /** Of the values that they belong to. */
  readonly revision?: number;
}

/** A row of which it is asked how well the model expects its labels; -100 is ignored. */
export interface LossRow extends GenerateRow {
  readonly labels: readonly number[];
}

export interface GenerateRow {
  readonly ids: readonly number[];
  readonly adapter: AdapterSelection;
}

export type LoadEvent =
  | {
      readonly type: "progress";
      readonly stage: string;
      readonly done: number;
      readonly total: number;
      /** What is counted, when it is no number of steps. */
      readonly unit?: "bytes";
    }
  | { readonly type: "ready"; readonly model: ModelInfo };

export interface ResidentModel {
  readonly model: ModelInfo;
  readonly adapters: readonly AdapterRef[];
  /** Bytes of weights that are mapped from files, or lie on the device. */
  readonly mappedBytes: number;
  /** Bytes that all models of its process have on a device with memory of its own: weights, caches, adapters, training. */
  readonly deviceBytes?: number;
  /** Runs of training that go on without anybody who reads them; left out when there are none. */
  readonly runs?: number;
}

/** How a run of training stands. */
export interface RunInfo extends AdapterRef {
  /** "torchrun": it is a job of processes of their own, which the library watches. */
  readonly engine: "local" | "torchrun";
  /**
   * "interrupted": whoever ran it was killed, and it can go on; so it can when it was stopped, or has failed. "damaged": what is kept
   * of it cannot be read, and only its folder and `why` are known.
   */
  readonly state: "running" | "interrupted" | "stopped" | "failed" | "done" | "damaged";
  /** The step after which it stands: of one that does not run, that from which it goes on. */
  readonly step: number;
  readonly steps: number;
  readonly epochs: number;
  /** Milliseconds since 1970; 0 where that is not known. */
  readonly started: number;
  /** Whether it goes on without whoever began it. */
  readonly detached: boolean;
  /** Where its checkpoints and metrics are: metrics.jsonl, and event files for TensorBoard. */
  readonly folder: string;
  /** Why it failed, or what is damaged. */
  readonly why?: string;
  /** Of a job: whether all that it has kept is in the adapter. */
  readonly taken?: boolean;
}

/** Adapter calls name the model by key and the adapter by reference. */
interface OfAdapter {
  readonly model: string;
  readonly adapter: AdapterRef;
}

/** One answer per question. */
export interface Calls {
  models: { params: Record<string, never>; result: readonly ResidentModel[] };
  /**
   * Writes what was not written yet, and gives the model up. Refused while an adapter of it is being trained, or cannot be
   * written, unless `force` says that there is no other way.
   */
  unload: { params: { readonly model: string; readonly force?: boolean }; result: undefined };
  logits: {
    params: {
      readonly model: string;
      readonly inputIds: readonly (readonly number[])[];
      readonly adapter: AdapterSelection;
      /** Positions of each row whose logits are wanted; all of them by default. */
      readonly positions?: readonly number[];
    };
    /** float32 [batch, positions, vocabulary]; what lies right of a row's end is undefined. */
    result: Tensor<"float32">;
  };
  adapters: { params: { readonly model: string; readonly owner: string }; result: readonly AdapterInfo[] };
  createAdapter: {
    params: OfAdapter & {
      readonly config: AdapterConfig;
      readonly seed: number;
      readonly existing?: Existing;
      /** Texts that are kept beside its tensors from the start. */
      readonly documents?: AdapterDocuments;
    };
    result: NewAdapterInfo;
  };
  loadAdapter: {
    params: OfAdapter & { readonly folder: string; readonly existing?: Existing };
    result: NewAdapterInfo;
  };
  /** A new adapter that does by itself what several do together, as they are now. */
  combineAdapters: {
    params: OfAdapter & { readonly parts: readonly WeightedAdapter[]; readonly existing?: Existing };
    result: NewAdapterInfo;
  };
  /** In the form that its method usually has, or in a named one. */
  /** A folder with files of another adapter, or of a model, is refused unless it `replace`s them. */
  saveAdapter: {
    params: OfAdapter & { readonly folder: string; readonly format?: AdapterFormat; readonly replace?: boolean };
    result: undefined;
  };
  adapterInfo: { params: OfAdapter; result: AdapterInfo };
  disposeAdapter: { params: OfAdapter; result: undefined };
  readAdapter: { params: OfAdapter; result: Record<string, Tensor<"float32">> };
  writeAdapter: {
    params: OfAdapter & { readonly tensors: Record<string, Tensor<"float32">> };
    result: { readonly revision: number } | undefined;
  };
  /** Gives the adapter the values of a folder in which it was trained elsewhere, with the steps that this took. */
  takeAdapter: {
    params: OfAdapter & {
      readonly folder: string;
      readonly steps: number;
      /** Of the values that they were trained from: others are not replaced. */
      readonly revision?: number;
    };
    result: { readonly revision: number } | undefined;
  };
  /** A text that is kept beside the adapter's tensors; null when there is none of that name. */
  readDocument: { params: OfAdapter & { readonly document: DocumentName }; result: string | null };
  /** `replaces` is what must be there before, null for nothing: else it is refused, and nothing is changed. */
  writeDocument: {
    params: OfAdapter & { readonly document: DocumentName; readonly text: string; readonly replaces?: string | null };
    result: undefined;
  };
  /** Makes the adapter's effect a part of the weights that this adapter's owner sees when it names no adapter. */
  mergeAdapter: { params: OfAdapter; result: AdapterInfo };
  /** Takes that back: the base is as it was, and the adapter can be trained again. */
  unmergeAdapter: { params: OfAdapter; result: AdapterInfo };
  /** Writes a checkpoint of the base, with the adapters merged into it that are named. */
  saveModel: {
    params: {
      readonly model: string;
      readonly adapter: AdapterSelection;
      readonly folder: string;
      readonly maxShardBytes: number;
      /** "dequantize" when it is left out. */
      readonly quantized?: MergedForm;
    };
    result: SaveReport;
  };
  gradients: {
    params: OfAdapter & { readonly batch: Batch; readonly seed: number } & Checkpointing;
    result: GradientInfo;
  };
  readGradients: {
    params: { readonly model: string; readonly handle: number };
    result: Record<string, Tensor<"float32">>;
  };
  releaseGradients: { params: { readonly model: string; readonly handle: number }; result: undefined };
  /** Begins a run as the stream `fit` does, that goes on without anybody who reads it, and after a restart. */
  startRun: { params: Streams["fit"]["params"]; result: RunInfo };
  /** Goes on with the runs of a model's adapters that went on by themselves when whoever ran them ended. */
  resumeRuns: { params: { readonly model: string }; result: undefined };
  /** The adapter's run, the last one where none runs; null when it has had none. */
  run: { params: OfAdapter; result: RunInfo | null };
  /** Ends the adapter's run after its step, which is kept; of a job, the library does. */
  stopRun: { params: OfAdapter; result: RunInfo };
  /** The adapter's run is a job now, which lies in a folder. Refused while the adapter is being trained. */
  noteJob: {
    params: OfAdapter & { readonly folder: string; readonly steps: number; readonly epochs: number };
    result: undefined;
  };
  /** One optimiser step on the token-weighted mean of the given gradients, which are released. */
  optimizerStep: {
    params: OfAdapter & {
      /** The optimiser's state (moments, step count) is kept with the adapter, under this id. */
      readonly optimizer: string;
      readonly config: OptimizerConfig;
      readonly handles: readonly number[];
      /** Steps that the optimiser has taken, as its user knows: a state that lacks some of them is refused. */
      readonly taken?: number;
    };
    /** Total gradient norm before clipping. */
    result: {
      readonly gradientNorm: number;
      readonly step: number;
      readonly revision?: number;
      /** As `AdapterInfo`. */
      readonly ranks?: readonly ModuleRank[];
    };
  };
}

/** A stream of events; abandoning or aborting it stops the work within one token or one training step. */
export interface Streams {
  load: { params: LoadParams; event: LoadEvent };
  generate: {
    params: { readonly model: string; readonly rows: readonly GenerateRow[]; readonly options: SamplingOptions };
    event: GenerateEvent;
  };
  /** The cross-entropy of rows' labels, each row's as soon as it is known, in whatever order. */
  losses: { params: { readonly model: string; readonly rows: readonly LossRow[] }; event: RowLoss };
  fit: {
    params: OfAdapter & {
      readonly rows: SentRows;
      readonly validation: SentRows;
      readonly options: FitOptions;
      /** Goes on with the adapter's run before, of the same rows and options, if there is one. What that told is told first. */
      readonly resume?: boolean;
    };
    event: FitEvent;
  };
  /** What the adapter's run has told from its start, and tells until it is over. To stop reading does nothing to it. */
  watchRun: { params: OfAdapter; event: FitEvent };
  /** Trains until rows are answered exactly. However it ends, the adapter has the values of a check. */
  teach: {
    params: OfAdapter & { readonly rows: TeachRows; readonly options: TeachOptions };
    event: TeachEvent;
  };
}

export type CallName = keyof Calls;
export type StreamName = keyof Streams;

export interface EngineOptions {
  readonly signal?: AbortSignal;
}

export interface Engine {
  call<M extends CallName>(method: M, params: Calls[M]["params"], options?: EngineOptions): Promise<Calls[M]["result"]>;
  stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    options?: EngineOptions,
  ): AsyncGenerator<Streams[M]["event"], void, void>;
  /** Lets go of the engine. What the weights' holder does then is its own affair. */
  close(): Promise<void>;
}
