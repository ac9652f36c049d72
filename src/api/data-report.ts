/** @file What a data set holds for a model: how many rows, how long in tokens, what is twice, what would be cut, what is learnt. */
import { createHash } from "node:crypto";
import type { Dataset } from "../data/dataset.ts";
import type { Row } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type Cut, CutCount } from "../train/cut.ts";
import { type EncodeOptions, IGNORED, limitsFor, RowFaults, rowEncoder } from "../train/encode.ts";
import type { RowWriter } from "../train/row-writer.ts";

/** A row as it is read and learnt, token by token. */
export interface LabelledRow {
  readonly ids: readonly number[];
  /** The ids again where they are learnt, else -100. */
  readonly labels: readonly number[];
  /** The same in text: neighbours that are learnt, or not, together. */
  readonly pieces: readonly { readonly text: string; readonly learnt: boolean }[];
}

export interface LengthReport {
  readonly least: number;
  readonly median: number;
  readonly mean: number;
  /** 95 of 100 rows are no longer. */
  readonly p95: number;
  readonly most: number;
  readonly total: number;
}

/** What a data set holds. Lengths are in tokens, of rows that are not cut, with the marks of their family. */
export interface DataReport {
  readonly rows: number;
  /** Rows that are the same as an earlier one, in all that is read of them. */
  readonly duplicates: number;
  readonly lengths: LengthReport;
  /** Tokens that are learnt. */
  readonly learnt: number;
  /** Rows by length: from `from` up to below `to`. */
  readonly histogram: readonly { readonly from: number; readonly to: number; readonly rows: number }[];
  /** The limits that were asked about, and what would be cut by them. */
  readonly limits: EncodeOptions;
  readonly cut: Cut;
  /** The first rows as they are learnt within these limits. */
  readonly examples: readonly LabelledRow[];
}

export interface Examined {
  readonly done: number;
  readonly total: number;
}

/** Rows between two reports. */
const BATCH = 256;
/** Bars of the histogram, about. */
const BARS = 24;

/**
 * Encodes all rows, a few at a time.
 * @param shown how many of the first rows are told token by token
 * @throws GlmError "data-invalid" with rows that cannot be learnt
 */
export async function reportOn(
  data: Dataset,
  {
    writer,
    tokenizer,
    config,
  }: { readonly writer: RowWriter; readonly tokenizer: Tokenizer; readonly config: ChatGLMConfig },
  limits: EncodeOptions,
  {
    shown,
    signal,
    onProgress,
  }: {
    readonly shown: number;
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((progress: Examined) => void) | undefined;
  },
): Promise<DataReport> {
  if (data.length === 0) throw new GlmError("data-invalid", "data: expected at least one row, got none.");
  const encode = rowEncoder(writer, limitsFor(limits, config));
  const lengths = new Uint32Array(data.length);
  const digests = new BigUint64Array(data.length);
  const examples: LabelledRow[] = [];
  const [cut, faults] = [new CutCount(), new RowFaults()];
  let learnt = 0;
  signal?.throwIfAborted();
  for (let at = 0; at < data.length; at += 1) {
    const row = data.at(at);
    const encoded = faults.of(row, at, encode);
    digests[at] = digest(row);
    if (encoded) {
      const { ids, labels, lost } = encoded;
      cut.add(lost);
      lengths[at] = ids.length + lost.prompt + lost.answer;
      for (const label of labels) if (label !== IGNORED) learnt += 1;
      if (examples.length < shown) examples.push({ ids, labels, pieces: piecesOf(ids, labels, tokenizer) });
    }
    if ((at + 1) % BATCH !== 0 && at + 1 < data.length) continue;
    onProgress?.({ done: at + 1, total: data.length });
    // Whoever interrupts must be heard.
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
  faults.end();
  const sorted = lengths.slice().sort();
  return {
    ...{ rows: data.length, duplicates: repeated(digests), learnt, limits, cut: cut.total, examples },
    lengths: lengthsOf(sorted),
    histogram: histogramOf(sorted),
  };
}

/** Of all that is read of a row: 64 bits, which many millions of rows hardly share by chance. */
function digest({ prompt, response, system, history, turns }: Row): bigint {
  const said = JSON.stringify([prompt, response, system ?? "", history ?? [], turns ?? []]);
  return createHash("sha1").update(said).digest().readBigUInt64LE();
}

/** How many are the same as another one that was counted. */
function repeated(digests: BigUint64Array): number {
  const sorted = digests.slice().sort();
  return sorted.reduce((count, one, i) => (i > 0 && one === sorted[i - 1] ? count + 1 : count), 0);
}

function lengthsOf(sorted: Uint32Array): LengthReport {
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  const total = sorted.reduce((sum, length) => sum + length, 0);
  return { least: at(0), median: at(0.5), mean: total / sorted.length, p95: at(0.95), most: at(1), total };
}

function histogramOf(sorted: Uint32Array): DataReport["histogram"] {
  const [least = 0, most = 0] = [sorted[0], sorted.at(-1)];
  const width = niceWidth((most + 1 - least) / BARS);
  const first = Math.floor(least / width) * width;
  const rows = new Map<number, number>();
  for (const length of sorted) {
    const from = first + Math.floor((length - first) / width) * width;
    rows.set(from, (rows.get(from) ?? 0) + 1);
  }
  const bars = Math.floor((most - first) / width) + 1;
  return Array.from({ length: bars }, (_, i) => {
    const from = first + i * width;
    return { from, to: from + width, rows: rows.get(from) ?? 0 };
  });
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function niceWidth(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((step) => step * power).find((width) => width >= least) ?? 10 * power;
}

/** Special tokens are named, whatever decoding leaves out. */
function piecesOf(ids: readonly number[], labels: readonly number[], tokenizer: Tokenizer): LabelledRow["pieces"] {
  const names = new Map(Object.entries(tokenizer.specialIds).map(([name, id]) => [id, name]));
  const pieces: { text: string; learnt: boolean }[] = [];
  let plain: number[] = [];
  const say = (text: string, learnt: boolean): void => {
    const last = pieces.at(-1);
    if (text === "") return;
    if (last?.learnt === learnt) last.text += text;
    else pieces.push({ text, learnt });
  };
  const flush = (learnt: boolean): void => {
    say(tokenizer.decode(plain), learnt);
    plain = [];
  };
  ids.forEach((id, i) => {
    const learnt = labels[i] !== IGNORED;
    if (i > 0 && learnt !== (labels[i - 1] !== IGNORED)) flush(!learnt);
    const name = names.get(id);
    if (name === undefined) plain.push(id);
    else {
      flush(learnt);
      say(name, learnt);
    }
  });
  flush(labels.at(-1) !== IGNORED);
  return pieces;
}
