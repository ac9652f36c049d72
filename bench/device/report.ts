/** @file The tables of the device bench. */
import { byteSize } from "../../src/byte-size.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { stepOperations } from "../lora-model.ts";
import { markdownTable } from "../table.ts";
import type { KernelRow, PerLayer } from "./kernels.ts";
import { CONTEXT, type Figures, PROMPT, TOGETHER } from "./measure.ts";
import type { Peaks } from "./peaks.ts";
import { BATCH } from "./training.ts";
import { promptOperations } from "./weights.ts";

const number = (value: number, digits = 3): string =>
  Math.abs(value) >= 10 ** (digits - 1) ? value.toFixed(0) : value.toPrecision(digits);
const percent = (share: number): string => `${number(100 * share, 2)}%`;
const milliseconds = (seconds: number): string => `${number(1000 * seconds)} ms`;

export const peakLines = ({ bandwidth, bandwidthOf, gemm, gemmOf }: Peaks): string =>
  `bandwidth ${byteSize(bandwidth)}/s (${bandwidthOf}), float32 GEMM ${number(gemm / 1e9)} GFLOP/s (${gemmOf})`;

/**
 * A column for each form.
 * @param crosses whether the device's memory is its own
 */
export function figuresTable(
  config: ChatGLMConfig,
  columns: ReadonlyMap<string, Figures>,
  peaks: Peaks,
  crosses: boolean,
): string {
  const rate = (rows: number, seconds: number, read: number): string =>
    `${number(rows / seconds)} tokens/s, ${percent(read / seconds / peaks.bandwidth)}`;
  const cells: Readonly<Record<string, (figures: Figures) => string>> = {
    load: ({ load, held }) => `${number(load)} s${crosses ? `, ${byteSize(held / load)}/s` : ""}`,
    ...(crosses ? { "on the device": ({ held }) => byteSize(held) } : {}),
    "weights read for a token": ({ read }) => byteSize(read),
    [`answer after ${CONTEXT} tokens, of the bandwidth`]: ({ alone, read }) => rate(1, alone, read),
    [`${TOGETHER} rows together, of the bandwidth`]: ({ together, read }) => rate(TOGETHER, together, read),
    [`prompt of ${PROMPT} tokens, of the GEMM peak`]: ({ prompt }) =>
      `${number(PROMPT / prompt)} tokens/s, ${percent(promptOperations(config, PROMPT) / prompt / peaks.gemm)}`,
    "an adapter's first token, beyond the next: new": ({ newAdapter }) => milliseconds(newAdapter),
    "the same, when another one answered before": ({ swap }) => milliseconds(swap),
    [`LoRA step, ${BATCH.batch} x ${BATCH.seq} tokens, of the GEMM peak`]: ({ train }) =>
      Number.isNaN(train)
        ? "failed"
        : `${milliseconds(train)}, ${percent(stepOperations({ ...config, ...BATCH }) / train / peaks.gemm)}`,
    ...(crosses
      ? {
          "crosses for a token, there and back": ({ tokenToDevice, tokenToHost }: Figures) =>
            `${bytes(tokenToDevice)}, ${bytes(tokenToHost)}`,
          "crosses for a LoRA step, there and back": ({ trainToDevice, trainToHost }: Figures) =>
            `${bytes(trainToDevice)}, ${bytes(trainToHost)}`,
        }
      : {}),
  };
  return markdownTable(
    Object.entries(cells).map(([what, cell]) => ({
      "": what,
      ...Object.fromEntries([...columns].map(([form, figures]) => [form, cell(figures)])),
    })),
  );
}

const bytes = (count: number): string => (Number.isNaN(count) ? "?" : `${count} bytes`);

export function kernelTable(rows: readonly KernelRow[]): string {
  const line = ({ layer, rest }: PerLayer): string => `${layer} a layer + ${rest}`;
  return markdownTable(
    rows.map(({ structure, form, kernels }) => ({
      "kernels started": structure,
      weights: form,
      "for a token": line(kernels.token),
      "with LoRA on query_key_value": line(kernels["adapted token"]),
      "for a LoRA step": line(kernels["training step"]),
    })),
  );
}
