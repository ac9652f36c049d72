/** @file What every message of a client is made of. A field that the engine's types gain or lose does not compile here. */

import { isAbsolute } from "node:path";
import { z } from "zod";
import { adapterConfigSchema, type Fields } from "../adapters/config-schema.ts";
import { type AdapterDocuments, documentNames } from "../adapters/documents.ts";
import { adapterFormats } from "../adapters/formats.ts";
import type { Row, RowTurn } from "../data/row.ts";
import type { RowFile, SentRows } from "../data/row-store.ts";
import {
  type AdapterRef,
  type AdapterSelection,
  type Batch,
  type CallName,
  type Calls,
  deviceChoices,
  type GenerateRow,
  type LoadParams,
  type LossRow,
  mergedForms,
  precisionChoices,
  quantizations,
  type StreamName,
  type Streams,
  type WeightedAdapter,
} from "../engine/engine.ts";
import type { SamplingOptions } from "../generate/sampler.ts";
import { hubNames, isHubId, isRevision } from "../hub/names.ts";
import type { HubRequest } from "../hub/request.ts";
import type { HubSettings, ProxySettings } from "../hub/settings.ts";
import { families } from "../models/family.ts";
import type { Tensor } from "../tensor.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { monitors } from "../train/monitor.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import { schedulerNames } from "../train/schedule.ts";
import type { TeachOptions, TeachRows } from "../train/teaching.ts";
import type { Hello } from "./protocol.ts";

/** Faults of a long list that are looked for: each costs time and memory. */
const MAX_FAULTS = 8;
/** Most tensors or documents in a message; adapters have some hundreds. */
const MAX_NAMED = 10_000;

const expected = (what: string) => ({ error: `expected ${what}` });
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((value) => !value.includes("\0"), expected("text without zero characters"));
const name = text(4096);
const path = text(4096).refine(isAbsolute, expected("an absolute path"));
const whole = (least: number, most = 2 ** 31 - 1) => z.int().min(least).max(most);
const seed = z.int();
const handle = z.int().min(0);
const atLeast0 = z.number().min(0);
const above0 = z.number().gt(0);
const fraction = z.number().min(0).lt(1);

/** An object with a type's fields and no others. */
const exactly = <T extends object>(fields: Fields<T>): z.ZodType<T> =>
  z.strictObject(fields as Record<string, z.ZodType>) as unknown as z.ZodType<T>;

/** A list of plain numbers, which may be long: looked through without a check's cost for each. */
const numbers = z.custom<number[]>((value) => {
  if (!Array.isArray(value)) return false;
  // Not by `every`, which leaves out holes.
  for (let i = 0; i < value.length; i += 1) if (typeof value[i] !== "number") return false;
  return true;
}, expected("a list of numbers"));

/** A list of which only the first faults are found. */
function list<T>(item: z.ZodType<T>): z.ZodType<T[]> {
  return z.custom<T[]>().check((context) => {
    const values: unknown = context.value;
    if (!Array.isArray(values)) {
      context.issues.push({ code: "custom", input: values, message: "expected a list" });
      return;
    }
    faultsOf(values.entries(), item, context.issues);
  });
}

/** Values by name, of which only the first faults are found. */
function named<T>(item: z.ZodType<T>): z.ZodType<Record<string, T>> {
  return z.custom<Record<string, T>>().check((context) => {
    const values: unknown = context.value;
    const isRecord = typeof values === "object" && values !== null && !Array.isArray(values);
    if (!isRecord || ArrayBuffer.isView(values) || Object.keys(values).length > MAX_NAMED) {
      const message = `expected an object of at most ${MAX_NAMED} names`;
      context.issues.push({ code: "custom", input: values, message });
      return;
    }
    faultsOf(Object.entries(values), item, context.issues);
  });
}

function faultsOf(
  entries: Iterable<readonly [place: string | number, value: unknown]>,
  item: z.ZodType,
  issues: z.core.$ZodRawIssue[],
): void {
  let faults = 0;
  for (const [place, value] of entries) {
    const result = item.safeParse(value);
    if (result.success) continue;
    for (const issue of result.error.issues) {
      issues.push({ ...issue, input: value, path: [place, ...issue.path] } as z.core.$ZodRawIssue);
    }
    if (++faults === MAX_FAULTS) return;
  }
}

const adapter = exactly<AdapterRef>({ owner: name, name });
/** Adapters that act together; more would be no use that anybody has. */
const MAX_TOGETHER = 64;
const together = z
  .array(exactly<WeightedAdapter>({ adapter, weight: z.number() }))
  .min(1)
  .max(MAX_TOGETHER);
const selection = z.custom<AdapterSelection>(
  (value) => [adapter, together].some((form) => value === null || form.safeParse(value).success),
  expected(`an adapter, 1 to ${MAX_TOGETHER} adapters with finite weights, or null`),
);
const ofModel = { model: name };
const ofAdapter = { ...ofModel, adapter };

const tensor = exactly<Tensor<"float32">>({
  dtype: z.literal("float32"),
  shape: z.array(z.int().min(0)).max(8),
  data: z.instanceof(Float32Array, expected("a Float32Array")),
});

const turn = exactly<RowTurn>({
  role: z.enum(["system", "user", "assistant", "observation"]),
  content: z.string(),
  metadata: z.string().optional(),
  tools: list(z.unknown()).optional(),
  loss: z.boolean().optional(),
});

const row = exactly<Row>({
  prompt: z.string(),
  response: z.string(),
  system: z.string().optional(),
  history: list(z.tuple([z.string(), z.string()])).optional(),
  turns: list(turn).optional(),
});

const rowFile = exactly<RowFile>({
  path,
  rows: whole(0),
  only: z.instanceof(Uint32Array, expected("a Uint32Array")).optional(),
});
const rowList = list(row);
/** One or the other by its form, so that faults of rows are told, and not that they are no file. */
const sentRows = z.custom<SentRows>().check((context) => {
  const result = (Array.isArray(context.value) ? rowList : rowFile).safeParse(context.value);
  for (const issue of result.error?.issues ?? []) {
    context.issues.push({ ...issue, input: context.value } as z.core.$ZodRawIssue);
  }
});

const existing = z.enum(["set-aside", "replace", "refuse"]).optional();
const adapterFormat = z.enum(adapterFormats).optional();
const documents: z.ZodType<AdapterDocuments> = z.partialRecord(z.enum(documentNames), z.string()) as never;

const sampling = exactly<SamplingOptions>({
  maxNewTokens: whole(0),
  greedy: z.boolean(),
  temperature: above0,
  topP: above0.max(1),
  topK: whole(0),
  repetitionPenalty: above0,
  seed,
  stop: numbers,
});

const optimizer = exactly<OptimizerConfig>({
  kind: z.literal("adamW"),
  lr: atLeast0,
  betas: z.tuple([fraction, fraction]),
  eps: atLeast0,
  weightDecay: atLeast0,
  decayNormsAndBiases: z.boolean().optional(),
  clip: atLeast0,
});

const fitOptions = exactly<FitOptions>({
  epochs: whole(0),
  maxSteps: whole(0).optional(),
  lr: z.number(),
  batchSize: whole(1),
  accumulate: whole(1),
  mixLengths: z.boolean().optional(),
  gradientCheckpointing: z.boolean().optional(),
  clip: atLeast0,
  weightDecay: atLeast0,
  scheduler: z.enum(schedulerNames as [(typeof schedulerNames)[number]]),
  warmup: atLeast0,
  validateEvery: whole(0).optional(),
  monitor: z.enum(monitors as [(typeof monitors)[number]]).optional(),
  patience: whole(0),
  rehearse: list(row),
  rehearsePerBatch: whole(0, 2 ** 16),
  maxLength: whole(2),
  maxPromptLength: whole(0).optional(),
  learnRole: z.boolean().optional(),
  seed,
  stop: numbers,
});

const teachOptions = exactly<TeachOptions>({
  steps: whole(0),
  lr: z.number(),
  batchSize: whole(1),
  rehearsePerStep: whole(0, 2 ** 16),
  checkEvery: whole(1),
  extraSteps: whole(0),
  clip: atLeast0,
  weightDecay: atLeast0,
  maxLength: whole(2),
  seed,
  stop: numbers,
});

const hubSettings = exactly<HubSettings>({
  hub: z.enum(hubNames as [(typeof hubNames)[number]]),
  endpoint: z.url({ protocol: /^https?$/, error: "expected an address of http or https" }),
  cache: path,
  token: text(4096)
    .regex(/^[\x21-\x7e]*$/, expected("a token without spaces"))
    .optional(),
  offline: z.boolean(),
  proxy: exactly<ProxySettings>({ http: name.optional(), https: name.optional(), except: name.optional() }).optional(),
});

const hubRequest = exactly<HubRequest>({
  hub: z.enum(hubNames as [(typeof hubNames)[number]]),
  revision: name.refine(isRevision, expected("a branch, tag or commit")).optional(),
  settings: hubSettings.optional(),
});

const load = exactly<LoadParams>({
  name,
  hub: hubRequest.optional(),
  device: z.enum(deviceChoices),
  precision: z.enum(precisionChoices),
  quantize: z.enum(quantizations),
  family: z.enum(families).optional(),
}).refine((params) => params.hub === undefined || isHubId(params.name), {
  path: ["name"],
  ...expected("a model's id on a hub (owner/name)"),
});

const inputIds = list(numbers);

const fit = exactly<Streams["fit"]["params"]>({
  ...ofAdapter,
  rows: sentRows,
  validation: sentRows,
  options: fitOptions,
  resume: z.boolean().optional(),
});

/** By method. */
export const callSchemas: { readonly [M in CallName]: z.ZodType<unknown> } = {
  models: exactly<Calls["models"]["params"]>({}),
  unload: exactly<Calls["unload"]["params"]>({ ...ofModel, force: z.boolean().optional() }),
  logits: exactly<Calls["logits"]["params"]>({
    ...ofModel,
    inputIds,
    adapter: selection,
    positions: numbers.optional(),
  }),
  adapters: exactly<Calls["adapters"]["params"]>({ ...ofModel, owner: name }),
  createAdapter: exactly<Calls["createAdapter"]["params"]>({
    ...ofAdapter,
    config: adapterConfigSchema,
    seed,
    existing,
    documents: documents.optional(),
  }),
  loadAdapter: exactly<Calls["loadAdapter"]["params"]>({
    ...ofAdapter,
    folder: path,
    existing,
  }),
  combineAdapters: exactly<Calls["combineAdapters"]["params"]>({ ...ofAdapter, parts: together, existing }),
  saveAdapter: exactly<Calls["saveAdapter"]["params"]>({
    ...{ ...ofAdapter, folder: path, format: adapterFormat, replace: z.boolean().optional() },
  }),
  adapterInfo: exactly<Calls["adapterInfo"]["params"]>(ofAdapter),
  disposeAdapter: exactly<Calls["disposeAdapter"]["params"]>(ofAdapter),
  readAdapter: exactly<Calls["readAdapter"]["params"]>(ofAdapter),
  writeAdapter: exactly<Calls["writeAdapter"]["params"]>({ ...ofAdapter, tensors: named(tensor) }),
  takeAdapter: exactly<Calls["takeAdapter"]["params"]>({
    ...ofAdapter,
    folder: path,
    steps: whole(0),
    revision: whole(0).optional(),
  }),
  readDocument: exactly<Calls["readDocument"]["params"]>({ ...ofAdapter, document: z.enum(documentNames) }),
  writeDocument: exactly<Calls["writeDocument"]["params"]>({
    ...ofAdapter,
    document: z.enum(documentNames),
    text: z.string(),
    replaces: z.string().nullable().optional(),
  }),
  mergeAdapter: exactly<Calls["mergeAdapter"]["params"]>(ofAdapter),
  unmergeAdapter: exactly<Calls["unmergeAdapter"]["params"]>(ofAdapter),
  saveModel: exactly<Calls["saveModel"]["params"]>({
    ...ofModel,
    adapter: selection,
    folder: path,
    quantized: z.enum(mergedForms).optional(),
    maxShardBytes: z.number().or(z.literal(Number.POSITIVE_INFINITY)),
  }),
  gradients: exactly<Calls["gradients"]["params"]>({
    ...ofAdapter,
    batch: exactly<Batch>({ inputIds, labels: inputIds }),
    seed,
    gradientCheckpointing: z.boolean().optional(),
  }),
  readGradients: exactly<Calls["readGradients"]["params"]>({ ...ofModel, handle }),
  releaseGradients: exactly<Calls["releaseGradients"]["params"]>({ ...ofModel, handle }),
  startRun: fit,
  resumeRuns: exactly<Calls["resumeRuns"]["params"]>(ofModel),
  run: exactly<Calls["run"]["params"]>(ofAdapter),
  stopRun: exactly<Calls["stopRun"]["params"]>(ofAdapter),
  noteJob: exactly<Calls["noteJob"]["params"]>({ ...ofAdapter, folder: path, steps: whole(0), epochs: whole(0) }),
  optimizerStep: exactly<Calls["optimizerStep"]["params"]>({
    ...ofAdapter,
    optimizer: name,
    config: optimizer,
    handles: numbers,
    taken: whole(0).optional(),
  }),
};

/** By method. */
export const streamSchemas: { readonly [M in StreamName]: z.ZodType<unknown> } = {
  load,
  generate: exactly<Streams["generate"]["params"]>({
    ...ofModel,
    rows: list(exactly<GenerateRow>({ ids: numbers, adapter: selection })),
    options: sampling,
  }),
  losses: exactly<Streams["losses"]["params"]>({
    ...ofModel,
    rows: list(exactly<LossRow>({ ids: numbers, labels: numbers, adapter: selection })),
  }),
  fit,
  watchRun: exactly<Streams["watchRun"]["params"]>(ofAdapter),
  teach: exactly<Streams["teach"]["params"]>({
    ...ofAdapter,
    rows: exactly<TeachRows>({ lessons: list(row), kept: list(row), rehearse: list(list(row)) }),
    options: teachOptions,
  }),
};

const id = z.int().min(0);
const credit = whole(1);
const methods = <T extends string>(schemas: Readonly<Record<T, unknown>>) => z.enum(Object.keys(schemas) as [T]);

/** By type. A greeting may hold more than this version knows of. */
export const envelopes: Readonly<Record<string, z.ZodType<unknown>>> = {
  hello: z.looseObject({
    type: z.literal("hello"),
    protocol: z.number(),
    version: text(200),
    pid: z.number(),
  } satisfies { readonly [K in keyof Hello]: z.ZodType<Hello[K]> }),
  call: z.strictObject({ type: z.literal("call"), id, method: methods(callSchemas), params: z.unknown() }),
  stream: z.strictObject({
    type: z.literal("stream"),
    id,
    method: methods(streamSchemas),
    params: z.unknown(),
    credit,
  }),
  more: z.strictObject({ type: z.literal("more"), id, credit }),
  cancel: z.strictObject({ type: z.literal("cancel"), id }),
  status: z.strictObject({ type: z.literal("status"), id }),
  bye: z.strictObject({ type: z.literal("bye") }),
};
