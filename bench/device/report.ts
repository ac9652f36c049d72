/** @file The tables of the device bench. */
import { byteSize } from "../../src/byte-size.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { stepOperations } from "../lora-model.ts";
import { markdownTable } from "../table.ts";
import type { KernelRow, PerLayer } from "./kernels.ts";
import { CONTEXT, type Figures, PROMPT, TOGETHER } from "./measure.ts";
import type { Peaks } from "./peaks.ts";
import type { TorchFigures, TorchMeasured } from "./torch.ts";
import { BATCH } from "./training.ts";
import { promptOperations } from "./weights.ts";

const number = (value: number, digits = 3): string =>
  Math.abs(value) >= 10 ** (digits - 1) ? value.toFixed(0) : value.toPrecision(digits);
const percent = (share: number): string => `${number(100 * share, 2)}%`;
const milliseconds = (seconds: number): string => `${number(1000 * seconds)} ms`;

/** What each row says of a form. */
type Cells = Readonly<Record<string, (figures: Figures) => string>>;

export const peakLines = ({ bandwidth, bandwidthOf, gemm, gemmOf }: Peaks): string =>
  `bandwidth ${byteSize(bandwidth)}/s (${bandwidthOf}), float32 GEMM ${number(gemm / 1e9)} GFLOP/s (${gemmOf})`;

/**
 * A column for each form.
 * @param crosses whether the device's memory is its own
 * @param torch what ours are compared with: how many times as fast they are
 */
export function figuresTable(
  config: ChatGLMConfig,
  columns: ReadonlyMap<string, Figures>,
  peaks: Peaks,
  crosses: boolean,
  torch?: TorchMeasured,
): string {
  const inTorch = (what: string, figure: keyof TorchFigures, text: (seconds: number) => string): Cells => {
    if (!torch) return {};
    const seconds = torch.figures[figure];
    return {
      [`${what} in ${torch.name}; x its speed`]: ({ [figure]: ours }) => {
        // What was extrapolated from too little of it, beside other work, may come out below zero.
        if (seconds <= 0) return "lost in noise";
        return ours > 0 ? `${text(seconds)}; ${number(seconds / ours)} x` : text(seconds);
      },
    };
  };
  const tokens = (count: number, seconds: number): string => `${number(count / seconds)} tokens/s`;
  const rate = (rows: number, seconds: number, read: number): string =>
    `${tokens(rows, seconds)}, ${percent(read / seconds / peaks.bandwidth)}`;
  const cells: Cells = {
    load: ({ load, held }) => `${number(load)} s${crosses ? `, ${byteSize(held / load)}/s` : ""}`,
    ...(crosses ? { "on the device": ({ held }) => byteSize(held) } : {}),
    "weights read for a token": ({ read }) => byteSize(read),
    [`answer after ${CONTEXT} tokens, of the bandwidth`]: ({ alone, read }) => rate(1, alone, read),
    ...inTorch("answer", "alone", (seconds) => tokens(1, seconds)),
    [`${TOGETHER} rows together, of the bandwidth`]: ({ together, read }) => rate(TOGETHER, together, read),
    ...inTorch(`${TOGETHER} rows`, "together", (seconds) => tokens(TOGETHER, seconds)),
    [`prompt of ${PROMPT} tokens, of the GEMM peak`]: ({ prompt }) =>
      `${tokens(PROMPT, prompt)}, ${percent(promptOperations(config, PROMPT) / prompt / peaks.gemm)}`,
    ...inTorch("prompt", "prompt", (seconds) => tokens(PROMPT, seconds)),
    "an adapter's first token, beyond the next: new": ({ newAdapter }) => milliseconds(newAdapter),
    "the same, when another one answered before": ({ swap }) => milliseconds(swap),
    [`LoRA step, ${BATCH.batch} x ${BATCH.seq} tokens, of the GEMM peak`]: ({ train }) =>
      Number.isNaN(train)
        ? "failed"
        : `${milliseconds(train)}, ${percent(stepOperations({ ...config, ...BATCH }) / train / peaks.gemm)}`,
    ...inTorch("LoRA step", "train", milliseconds),
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
