/** @file Whether a model fits into memory: what it needs in a form, what there is, and which form would fit. */
import { totalmem } from "node:os";
import type { Capabilities } from "../backend/device.ts";
import { byteSize } from "../byte-size.ts";
import { GlmError } from "../errors.ts";
import { forwardBytes } from "../generate/forward-memory.ts";
import { PROMPT_RUN } from "../generate/generate.ts";
import { architectureOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { ParameterSpec } from "../models/context.ts";
import { type CheckpointContent, type Plan, plannedBytes, planWeights, type Wanted } from "../quantization/plan.ts";
import { sizeOf } from "../tensor.ts";
import type { TokenBatch } from "../train/batch.ts";
import { LARGE_STEP, type StepOptions, trainingBytes } from "../train/step-memory.ts";

/** In bytes. */
export interface MemoryNeed {
  /** Mapped, and shared by all who use the same weights. */
  readonly weights: number;
  /** Keys and values of a conversation of `tokens`. */
  readonly cache: number;
  /** What one run over as many of them as are read at once holds at its largest moment, about. */
  readonly activations: number;
  readonly tokens: number;
}

/** In bytes. */
export interface MemoryThere {
  /** The machine's, or as much of it as this process may use. */
  readonly total: number;
  /** Of that, what nobody uses, or could do without. */
  readonly available: number;
}

/** A conversation that every model should have room for. */
const TOKENS = 2048;
const FLOAT = 4;

/** What chatting takes. */
export function memoryNeed(plan: Plan, config: ChatGLMConfig): MemoryNeed {
  const { layers, groups, headSize, contextLength } = config;
  const tokens = Math.min(TOKENS, contextLength);
  const run = architectureOf(config).prefixLM ? tokens : Math.min(PROMPT_RUN, tokens);
  const parts = Math.max(1, ...[...plan.matrices.values()].map(({ form }) => form.partsOfProduct));
  return {
    weights: plannedBytes(plan),
    cache: FLOAT * 2 * layers * groups * headSize * tokens,
    activations: forwardBytes(config, { tokens: run, seen: tokens, chosen: 1, parts }),
    tokens,
  };
}

export const neededBytes = ({ weights, cache, activations }: MemoryNeed): number => weights + cache + activations;

export function memoryThere(): MemoryThere {
  const total = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return { total, available: Math.min(total, process.availableMemory()) };
}

/**
 * @returns a warning when the model fits, but not beside what runs now; undefined when it simply fits
 * @throws GlmError "out-of-memory" when it never would: its weights would be read from the disk for every token
 */
export function mustFitMemory(
  subject: string,
  given: CheckpointContent,
  plan: Plan,
  config: ChatGLMConfig,
  can: Capabilities,
  there: MemoryThere,
): string | undefined {
  const need = memoryNeed(plan, config);
  const needed = neededBytes(need);
  if (needed <= there.available) return undefined;
  const parts = `${byteSize(need.weights)} for ${plan.bits ? `int${plan.bits}` : plan.name} weights, ${byteSize(need.cache)} for a conversation of ${need.tokens} tokens, ${byteSize(need.activations)} to compute`;
  const facts = `it needs about ${byteSize(needed)} of memory (${parts})`;
  const remedy = smallerForm(subject, given, plan, config, can, there);
  if (needed > there.total) {
    throw new GlmError(
      "out-of-memory",
      `${subject} does not fit here: ${facts}, and there are ${byteSize(there.total)}. ${remedy}`,
    );
  }
  return `${subject} may be slow: ${facts}, and ${byteSize(there.available)} of ${byteSize(there.total)} are free. ${remedy}`;
}

/**
 * Whether there is memory for a training step over a batch. Small ones pass without a question to the system.
 * @param parameters that train: their gradients and what an optimiser remembers of them take memory, too
 * @param copies of them that a step needs beside their values
 * @throws GlmError "out-of-memory" when the step would take what others use: the system would then end this process
 */
export function mustFitTraining(
  subject: string,
  config: ChatGLMConfig,
  parameters: readonly ParameterSpec[],
  batch: TokenBatch,
  there: () => MemoryThere,
  copies: number,
  options: StepOptions = {},
): void {
  const trained = copies * FLOAT * parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const run = trainingBytes(config, batch, options);
  if (run + trained <= LARGE_STEP) return;
  const { available, total } = there();
  if (run + trained <= available) return;
  const less = trainingBytes(config, batch, { ...options, gradientCheckpointing: true });
  const checkpointing =
    less < run && less + trained <= available
      ? ` With gradientCheckpointing: true (--gradient-checkpointing) it takes ${byteSize(less + trained)}, and more time.`
      : "";
  const [rows, tokens] = [batch.inputIds.length, Math.max(...batch.inputIds.map(({ length }) => length))];
  throw new GlmError(
    "out-of-memory",
    `${subject}: a step over ${rows} rows of up to ${tokens} tokens takes about ${byteSize(run + trained)} of memory (${byteSize(run)} to compute, ` +
      `${byteSize(trained)} for gradients and the optimiser), and ${byteSize(available)} of ${byteSize(total)} are free. Nothing was trained on it. ` +
      "Give fewer rows a step (batchSize, with accumulate for steps of as many), or shorter ones (maxLength), or unload other models." +
      checkpointing,
  );
}

/** Which of the smaller forms would fit, the most precise first. */
function smallerForm(
  subject: string,
  given: CheckpointContent,
  plan: Plan,
  config: ChatGLMConfig,
  can: Capabilities,
  there: MemoryThere,
): string {
  const room = (wanted: Wanted, limit: number): boolean =>
    neededBytes(memoryNeed(planWeights(subject, given, wanted, can), config)) <= limit;
  const smaller = (["int8", "int4"] as const).filter((quantize) => Number(quantize.slice(3)) < (plan.bits ?? 32));
  const forms = given.bits ? [] : smaller.map((quantize): Wanted => ({ quantize, precision: "exact" }));
  if (can.float16 && plan.name === "float32") forms.unshift({ quantize: "none", precision: "fast" });
  const fast: Wanted = { quantize: "int4", precision: "fast" };
  if (!given.bits || given.bits === 4) forms.push(given.bits ? { ...fast, quantize: "none" } : fast);
  for (const limit of [there.available, there.total]) {
    const fitting = forms.find((form) => room(form, limit));
    if (!fitting) continue;
    const options = [
      ...(fitting.quantize === "none" ? [] : [`quantize: "${fitting.quantize}"`]),
      ...(fitting.precision === "exact" ? [] : [`precision: "fast"`]),
    ].join(", ");
    return limit === there.available
      ? `With ${options} it would fit.`
      : `With ${options} it would fit into a machine that runs nothing else.`;
  }
  return "Close other programs, or use a machine with more memory.";
}
