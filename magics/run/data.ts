/** @file What %data does, and how files are read for %%train: with a progress bar, until the cell is interrupted. */
import { ambient } from "../../src/ambient.ts";
import * as library from "../../src/data/dataset.ts";
import type { ReadingProgress } from "../../src/data/read-files.ts";
import type { DataOptions, DataReport, Dataset, DatasetRules, Rows } from "../../src/index.ts";
import { show, write } from "../live.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { dataTable, lengthSpec, plainLengths, renderExamples } from "../render/data.ts";
import { toSvg } from "../render/svg.ts";
import { renderTable } from "../render/table.ts";
import { VEGA_LITE_MIME } from "../render/vega.ts";
import { currentModel } from "../session.ts";
import type { OfModel } from "./chat.ts";

/** Rows of files; large ones take a while. */
export async function loadDataset(path: string, rules: DatasetRules = {}): Promise<Dataset> {
  return watched(path, (onProgress) => {
    const { signal } = ambient();
    return library.loadDataset(path, { ...rules, signal, onProgress });
  });
}

/** Shows what a data set holds: lengths, duplicates, what would be cut, and the first rows as they are learnt. */
export async function data(
  source: Rows | string,
  { model: given, ...options }: Omit<DataOptions, "signal" | "onProgress"> & OfModel = {},
): Promise<DataReport> {
  const model = currentModel(given);
  const name = typeof source === "string" ? source : "The rows";
  const report = await watched(name, (onProgress) => model.data(source, { ...options, onProgress }));
  const spec = lengthSpec(name, report);
  show({ [VEGA_LITE_MIME]: spec, "image/svg+xml": await toSvg(spec), "text/plain": plainLengths(name, report) });
  show(renderTable(dataTable(report)));
  if (report.examples.length > 0) show(renderExamples(report.examples));
  if (report.duplicates > 0) {
    write(
      "Rows that are twice weigh twice, and one in the validation rows that is also trained on says nothing.\n",
      "stderr",
    );
  }
  return report;
}

type Progress = ReadingProgress | { readonly done: number; readonly total: number };

async function watched<T>(name: string, work: (tell: (progress: Progress) => void) => Promise<T>): Promise<T> {
  const bar = new ProgressBar({ title: `${name}: rows read`, delay: PATIENCE });
  try {
    const result = await work((progress) => {
      if ("done" in progress) bar.update({ ...progress, title: `${name}: rows made tokens` });
      else bar.update({ done: progress.rows, total: 0, note: progress.file });
    });
    bar.finish();
    return result;
  } catch (error) {
    bar.finish("failed");
    throw error;
  }
}
