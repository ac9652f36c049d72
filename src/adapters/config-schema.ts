/** @file What an adapter's configuration is made of, for those who get one from a message or a file. */
import { z } from "zod";
import type {
  AdaLoraConfig,
  AdapterConfig,
  EmbeddingsConfig,
  FreezeConfig,
  FullConfig,
  LoraConfig,
  PTuningConfig,
} from "./adapter.ts";

/** A field for each of a type's own: one that is missing here, or too many, does not compile. */
export type Fields<T> = {
  readonly [K in keyof T]-?: Partial<Pick<T, K>> extends Pick<T, K> ? z.ZodType<T[K] | undefined> : z.ZodType<T[K]>;
};

/** Names in configurations: long enough for any module, too short to be a burden. */
const name = z.string().max(1000);
const names = z.array(name).max(10_000);
const targets = z.union([name, names]);
const numbers = z.record(name, z.number());

const lora = z.strictObject({
  method: z.literal("lora"),
  r: z.number(),
  alpha: z.number(),
  dropout: z.number(),
  targets,
  rankStabilized: z.boolean().optional(),
  rankPattern: numbers.optional(),
  alphaPattern: numbers.optional(),
  bias: z.enum(["all", "lora_only"]).optional(),
  dora: z.boolean().optional(),
  modulesToSave: names.optional(),
  init: z.enum(["gaussian"]).optional(),
} satisfies Fields<LoraConfig>);

const full = z.strictObject({ method: z.literal("full"), match: names.optional() } satisfies Fields<FullConfig>);

const adaLora = z.strictObject({
  method: z.literal("adaLora"),
  ...{ r: z.number(), initR: z.number(), alpha: z.number(), dropout: z.number(), targets },
  ...{ tinit: z.number(), tfinal: z.number(), deltaT: z.number(), beta1: z.number(), beta2: z.number() },
  orthogonality: z.number(),
  totalStep: z.number().optional(),
} satisfies Fields<AdaLoraConfig>);

const freeze = z.strictObject({
  method: z.literal("freeze"),
  layers: z.number().optional(),
  match: names.optional(),
} satisfies Fields<FreezeConfig>);

const embeddings = z.strictObject({ method: z.literal("embeddings") } satisfies Fields<EmbeddingsConfig>);

const pTuning = z.strictObject({
  method: z.literal("pTuning"),
  length: z.number(),
  projection: z.boolean(),
  dropout: z.number(),
} satisfies Fields<PTuningConfig>);

/** Types and names; what the numbers may be is a matter of the method. */
export const adapterConfigSchema = z.discriminatedUnion("method", [
  lora,
  adaLora,
  pTuning,
  freeze,
  embeddings,
  full,
]) as unknown as z.ZodType<AdapterConfig>;

/** Whether a value is a configuration of a known method. */
export const isAdapterConfig = (value: unknown): value is AdapterConfig => adapterConfigSchema.safeParse(value).success;

/** What is wrong with one that is none: the first fault. */
export function configFault(value: unknown): string {
  const [issue] = adapterConfigSchema.safeParse(value).error?.issues ?? [];
  return issue ? [...issue.path.map(String), issue.message].join(": ") : "expected the configuration of an adapter";
}
