/** @file What a data set holds for a model: how many rows, how long in tokens, what is twice, what would be cut, what is learnt. */
import { createHash } from "node:crypto";
import type { Dataset } from "../data/dataset.ts";
import type { Row } from "../data/row.ts";
import { GlmError } from "../errors.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Cut } from "../train/cut.ts";
import { cutOf, type EncodeOptions, encodeForModel, IGNORED } from "../train/encode.ts";
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

/** Rows that are encoded at a time. */
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
  const lengths = new Uint32Array(data.length);
  const known = new Set<bigint>();
  const examples: LabelledRow[] = [];
  const cut = { answers: 0, prompts: 0, rows: 0, tokens: 0 };
  let [learnt, duplicates] = [0, 0];
  for (let at = 0; at < data.length; at += BATCH) {
    signal?.throwIfAborted();
    const rows = Array.from({ length: Math.min(BATCH, data.length - at) }, (_, i) => data.at(at + i));
    const { inputIds, labels, lost } = encoded(rows, at, () => {
      const batch = encodeForModel(rows, writer, limits, config);
      const own = cutOf(batch);
      return { ...batch, lost: own };
    });
    for (const name of ["answers", "prompts", "rows", "tokens"] as const) cut[name] += lost[name];
    const whole = lost.rows === 0 ? inputIds : encodeForWhole(rows, writer, limits);
    whole.forEach((ids, i) => {
      lengths[at + i] = ids.length;
    });
    for (const row of rows) {
      const key = digest(row);
      if (known.has(key)) duplicates += 1;
      else known.add(key);
    }
    labels.forEach((own, i) => {
      for (const label of own) if (label !== IGNORED) learnt += 1;
      const ids = inputIds[i] as readonly number[];
      if (examples.length < shown) examples.push({ ids, labels: own, pieces: piecesOf(ids, own, tokenizer) });
    });
    onProgress?.({ done: at + rows.length, total: data.length });
    // Whoever interrupts must be heard.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const sorted = lengths.slice().sort();
  return {
    ...{ rows: data.length, duplicates, learnt, limits, cut, examples },
    lengths: lengthsOf(sorted),
    histogram: histogramOf(sorted),
  };
}

/** Rows are told by their number in the data set. */
function encoded<T>(rows: readonly Row[], from: number, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof GlmError) || from === 0 || rows.length === 0) throw error;
    const message = error.message.replace(/^- row (\d+)/gm, (_, row: string) => `- row ${Number(row) + from}`);
    throw new GlmError(error.code, message, { cause: error.cause });
  }
}

/** Nothing is longer than this. */
const UNLIMITED = 2 ** 31;

const encodeForWhole = (
  rows: readonly Row[],
  writer: RowWriter,
  limits: EncodeOptions,
): readonly (readonly number[])[] =>
  encodeForModel(rows, writer, { ...limits, maxLength: UNLIMITED, maxPromptLength: 0 }, { contextLength: UNLIMITED })
    .inputIds;

/** Of all that is read of a row: 64 bits, which many millions of rows hardly share by chance. */
function digest({ prompt, response, system, history, turns }: Row): bigint {
  const said = JSON.stringify([prompt, response, system ?? "", history ?? [], turns ?? []]);
  return createHash("sha1").update(said).digest().readBigUInt64LE();
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
