/** @file What a file of data is: by its content first, then by its name, and they must agree. */
import { basename } from "node:path";
import { constants, gunzipSync } from "node:zlib";
import { openFile } from "../regular-file.ts";
import { utf16Fault } from "../text-encoding.ts";
import { broken, notData } from "./refusal.ts";

export type FileForm = "json" | "csv" | "parquet";

export interface FileKind {
  readonly form: FileForm;
  readonly gzip: boolean;
}

/** Bytes that tell what a file is. */
const HEAD = 65_536;

const EXTENSIONS: Readonly<Record<string, FileForm>> = {
  ...{ json: "json", jsonl: "json", ndjson: "json", csv: "csv", tsv: "csv", parquet: "parquet" },
};

/** The form that a name says, by its ending; undefined for any other. `.gz` is looked behind. */
export function formOfName(path: string): FileForm | undefined {
  return EXTENSIONS[/\.(\w+)$/.exec(basename(path).toLowerCase().replace(/\.gz$/, ""))?.[1] ?? ""];
}

/** What begins so is no data that can be read, and what to do about it. */
const OTHERS: readonly (readonly [start: string, what: string, remedy: string])[] = [
  ["PK\x03\x04", "a zip archive or a spreadsheet (.xlsx)", "Unpack it, or save the sheet as CSV in UTF-8."],
  ["\xd0\xcf\x11\xe0", "a spreadsheet (.xls)", "Save the sheet as CSV in UTF-8."],
  ["version https://git-lfs", "the pointer of Git LFS in place of the file", "Get the file itself: git lfs pull."],
  ["\x28\xb5\x2f\xfd", "a file packed with zstd", "Unpack it: zstd -d FILE."],
  ["BZh", "a file packed with bzip2", "Unpack it: bunzip2 FILE."],
  ["\xfd7zXZ", "a file packed with xz", "Unpack it: unxz FILE."],
  ["ARROW1", "an Arrow file", "Save it as Parquet: dataset.to_parquet(...)."],
  ["\xff\xff\xff\xff", "an Arrow stream", "Save it as Parquet: dataset.to_parquet(...)."],
  ["SQLite format 3", "a database", "Export its table as CSV."],
  ["\x89HDF", "an HDF5 file", "Save it as Parquet or JSON lines."],
  ["%PDF", "a PDF", "Write its text as rows of JSON lines."],
];

/**
 * Looks into a file.
 * @throws GlmError "data-invalid" when it is nothing that can be read, or not what its name says
 */
export async function kindOf(path: string): Promise<FileKind> {
  const packed = await headOf(path);
  const gzip = packed[0] === 0x1f && packed[1] === 0x8b;
  const head = gzip ? unpacked(path, packed) : packed;
  const named = formOfName(path);
  const start = head.toString("latin1");
  if (start.startsWith("PAR1")) {
    if (gzip) throw notData(path, "Parquet in gzip", "Unpack it: gunzip FILE.");
    return { form: "parquet", gzip };
  }
  const other = OTHERS.find(([beginning]) => start.startsWith(beginning));
  if (other) throw notData(path, other[1], other[2]);
  const wide = utf16Fault(head);
  if (wide) throw notData(path, wide.got, wide.remedy);
  if (head.includes(0)) throw notData(path, "bytes that are no text", "Check what the file is: file NAME.");
  const text = start.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (/^<(!doctype|html|\?xml|head)/i.test(text)) {
    throw notData(path, "a web page", "Was its page saved in place of the file? Download the file itself.");
  }
  const looksJson = text.startsWith("{") || text.startsWith("[");
  if (named === "parquet" && head.length > 0) {
    throw notData(path, "a file that is named .parquet, without Parquet's mark", "Download it again.");
  }
  if (named === "csv") {
    const isObject = /^(\[\s*)?\{\s*"/.test(text);
    if (isObject) throw notData(path, "JSON in a file that is named CSV", "Name it .json or .jsonl.");
    return { form: "csv", gzip };
  }
  if (named === "json" || looksJson || head.length === 0) {
    const line = /^[^\n]*/.exec(text)?.[0] ?? "";
    if (named === "json" && !looksJson && /^"?[\w ]+"?([,\t]"?[\w ]+"?)+\r?$/.test(line)) {
      throw notData(
        path,
        `what looks like CSV (its first line is ${JSON.stringify(line.slice(0, 60))})`,
        "Name it .csv.",
      );
    }
    return { form: "json", gzip };
  }
  throw notData(path, "text of another form", "Name a CSV file .csv; write text as rows of JSON lines.");
}

async function headOf(path: string): Promise<Buffer> {
  const file = await openFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The beginning of what is packed, of which the rest is not looked at. */
function unpacked(path: string, head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, HEAD);
  } catch (cause) {
    throw broken(path, `its gzip is damaged (${cause instanceof Error ? cause.message : cause}). Download it again.`);
  }
}
