/** @file `glm.data`: what a data set holds for this model. */
import { abortSignal } from "../ambient.ts";
import { type Dataset, type DatasetRules, dataset, loadDataset } from "../data/dataset.ts";
import type { ReadingProgress } from "../data/read-files.ts";
import { complete, type Given } from "../options.ts";
import type { EncodeOptions } from "../train/encode.ts";
import { rowWriter } from "../train/row-writer.ts";
import { faultsOf } from "./checks.ts";
import type { HandleContext } from "./context.ts";
import { type DataReport, type Examined, reportOn } from "./data-report.ts";
import * as defaults from "./defaults.ts";
import type { Rows } from "./rows.ts";
import type { Abortable } from "./signal.ts";

export interface DataOptions extends Given<EncodeOptions>, DatasetRules, Abortable {
  /** How many of the first rows are told token by token. 3 by default. */
  readonly examples?: number | undefined;
  /** Told while a file is read, and then while rows become tokens. */
  readonly onProgress?: ((progress: ReadingProgress | Examined) => void) | undefined;
}

const { maxLength, maxPromptLength, learnRole } = defaults.fit;
const rules = { maxLength, maxPromptLength, learnRole, examples: defaults.examples };

/** @param source rows, or the path of a file, a folder or a glob */
export async function describeData(
  { info, tokenizer }: HandleContext,
  source: Rows | string,
  options: DataOptions = {},
): Promise<DataReport> {
  const { columns, whole: isWhole, onProgress } = options ?? {};
  const found = faultsOf({ signal: options?.signal, onProgress });
  const others = ["columns", "whole", "signal", "onProgress"];
  const { examples, ...limits } = complete("data", rules, options, others, found);
  const signal = abortSignal(options.signal);
  const read = { ...(columns && { columns }), ...(isWhole !== undefined && { whole: isWhole }) };
  const data =
    typeof source === "string" ? await loadDataset(source, { ...read, signal, onProgress }) : asDataset(source, read);
  const model = { writer: rowWriter(info.family, tokenizer), tokenizer, config: info.config };
  return reportOn(data, model, limits, { shown: examples, signal, onProgress });
}

function asDataset(rows: Rows, read: DatasetRules): Dataset {
  return typeof rows === "object" && rows !== null && "batches" in rows ? rows : dataset(rows, read);
}
