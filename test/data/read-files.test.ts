import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDataset } from "../../src/data/dataset.ts";
import { jsonRecords } from "../../src/data/json-records.ts";
import { readRows, streamRows } from "../../src/data/read-files.ts";
import { storedRows } from "../../src/data/row-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-data-"));
  process.env.GLMLAB_CACHE = join(folder, "cache");
});
afterAll(async () => {
  delete process.env.GLMLAB_CACHE;
  await rm(folder, { recursive: true });
});

const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
  return path;
};
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/data/${name}`, import.meta.url));
const rows = [
  { prompt: "问，", response: '他说："好"\n第二行' },
  { prompt: "q 🎂", response: "a" },
];
const csv = 'prompt,response\r\n"问，","他说：""好""\n第二行"\r\n\r\nq 🎂,a\r\n';

describe("forms", () => {
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  test.each<[string, string | Uint8Array]>([
    ["lines.jsonl", lines],
    ["marked.json", `\uFEFF${lines}\r\n\r\n`],
    ["array.json", JSON.stringify(rows)],
    ["spread.json", `\n ${JSON.stringify(rows, null, 2)}\n`],
    ["text.txt", lines],
    ["packed.jsonl.gz", gzipSync(lines)],
    ["packed", gzipSync(JSON.stringify(rows))],
    ["table.csv", csv],
    ["marked.csv", `\uFEFF${csv}`],
    ["table.csv.gz", gzipSync(csv)],
    ["table.tsv", csv.replace("prompt,response", "prompt\tresponse").replace('","', '"\t"').replace("🎂,a", "🎂\ta")],
    ["semicolons.csv", csv.replace("prompt,response", "prompt;response").replace('","', '";"').replace("🎂,a", "🎂;a")],
  ])("%s", async (name, content) => {
    expect(await readRows(await file(name, content))).toEqual(rows);
  });

  test("one object over many lines", async () => {
    expect(await readRows(await file("one.json", JSON.stringify(rows[0], null, 2)))).toEqual([rows[0]]);
  });

  test("lists in a table are JSON", async () => {
    const path = await file(
      "turns.csv",
      `messages\n"${JSON.stringify([
        { role: "user", content: "q" },
        { role: "assistant", content: "a" },
      ]).replaceAll('"', '""')}"\n`,
    );
    expect(await readRows(path)).toEqual([{ prompt: "q", response: "a" }]);
  });

  test.each(["snappy.parquet", "zstd.parquet"])("Parquet as pyarrow writes it: %s", async (name) => {
    expect(await readRows(fixture(name), { columns: { prompt: "query", response: "answer" } })).toEqual([
      { prompt: "问题一", response: "答案🎂" },
      { prompt: "q2", response: "a2" },
      { prompt: "q3", response: "a3" },
    ]);
    await expect(readRows(fixture(name))).rejects.toThrow(
      /row 1: expected .*got the keys query, answer, id, score.*--columns prompt=query,response=answer/,
    );
  });

  test("turns in Parquet", async () => {
    expect(await readRows(fixture("messages.parquet"))).toEqual([
      { prompt: "q", response: "a" },
      { prompt: "r", response: "b" },
    ]);
  });

  test("folders and globs, in the order of names; what is no data is left out, what is named so is not", async () => {
    const row = (n: number) => ({ prompt: `q${n}`, response: `a${n}` });
    await file("many/b.jsonl", JSON.stringify(row(2)));
    await file("many/a.csv", "prompt,response\nq1,a1\n");
    await file("many/deep/c.json", JSON.stringify([row(3)]));
    await file("many/README.md", "# data");
    expect(await readRows(join(folder, "many"))).toEqual([row(1), row(2), row(3)]);
    expect(await readRows(join(folder, "many/*.{csv,jsonl}"))).toEqual([row(1), row(2)]);
    await file("many/b.jsonl", `${JSON.stringify(row(2))}\n{"prompt": "x"}`);
    await expect(readRows(join(folder, "many"))).rejects.toThrow(/many cannot be used.*\n- .*b\.jsonl, line 2: /);
    await file("odd[1].jsonl", JSON.stringify(row(4)));
    expect(await readRows(join(folder, "odd[1].jsonl"))).toEqual([row(4)]);
    await file("none/README.md", "# data");
    await expect(readRows(join(folder, "none"))).rejects.toThrow(
      /expected files of JSON.*in the folder, found only README.md/,
    );
    await expect(readRows(join(folder, "*.nothing"))).rejects.toThrow(/by this pattern, found nothing/);
  });
});

describe("files that are not what they say", () => {
  const gbk = Buffer.from("c4e3bac3a3acbbb6d3ad", "hex");
  test.each<[string, string | Uint8Array, RegExp]>([
    [
      "csv.json",
      "prompt,response\nq,a\n",
      /got what looks like CSV \(its first line is "prompt,response"\)\. Name it \.csv/,
    ],
    ["json.csv", '{"prompt": "q"}\n', /got JSON in a file that is named CSV/],
    ["page.jsonl", "<!DOCTYPE html><html>", /got a web page/],
    [
      "pointer.parquet",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
      /got the pointer of Git LFS.*git lfs pull/,
    ],
    ["sheet.csv", "PK\x03\x04abc", /zip archive or a spreadsheet.*save the sheet as CSV/],
    ["text.parquet", "hello", /named \.parquet, without Parquet's mark/],
    ["cut.parquet", "PAR1abcdefgh", /cannot be read as rows: .*Is the file whole/],
    ["noise.jsonl", Buffer.from([1, 0, 7, 9, 200]), /got bytes that are no text/],
    ["notes.txt", "hello", /text of another form/],
    [
      "wide.jsonl",
      Buffer.from('\uFEFF{"prompt": "q"}', "utf16le"),
      /text in UTF-16LE\. Save it as UTF-8: iconv -f UTF-16LE -t UTF-8/,
    ],
    [
      "gbk.csv",
      Buffer.concat([Buffer.from("prompt,response\n"), gbk, Buffer.from(","), gbk, Buffer.from("\n")]),
      /text in GBK.*iconv -f GB18030/,
    ],
    [
      "broken.jsonl",
      Buffer.from([...Buffer.from('{"prompt": "'), 0xff, 0x22]),
      /no UTF-8, the first of them at byte 12/,
    ],
    [
      "ends.jsonl",
      Buffer.from('{"prompt": "问').subarray(0, -1),
      /got bytes that are no UTF-8|ends in the middle of a character/,
    ],
    ["cut.jsonl.gz", gzipSync("{}\n".repeat(999)).subarray(0, 20), /gzip is damaged/],
    ["twice.csv", "prompt,prompt\nq,a\n", /two columns of the name "prompt"/],
    ["open.csv", 'prompt,response\n"q,a\n', /Quote Not Closed|quotation mark missing/i],
    ["columns.csv", "prompt,response\nq,a\nq,a,b\n", /line 3: expected 2 columns, got 3/],
    ["cut.json", '[{"prompt": "q", "response": "a"}, {"prom', /line 1: the JSON array cannot be read: it does not end/],
    [
      "rows.json",
      '[{"prompt": "q", "response": "a"}, {"prompt": "q"},\n{"response": "a"}]',
      /- row 2 \(line 1\): expected.*\n- row 3 \(line 2\): prompt/,
    ],
    ["comma.json", '[{"prompt": "q", "response": "a"},]', /expected a value before \]/],
    ["two.json", '[{"prompt": "q", "response": "a"}]\n[]', /line 2: expected nothing after the array/],
    [
      "joined.jsonl",
      '{"prompt":"q","response":"a"}\n\uFEFF{"prompt":"q","response":"a"}',
      /line 2: .*byte order mark.*Were files joined/,
    ],
    [
      "spread.jsonl",
      '{\n"prompt":"q",\n"response":"a"\n}\n{\n"prompt":"q"\n}',
      /got 2 objects that are spread over lines/,
    ],
    ["empty.jsonl", "", /empty\.jsonl is empty: expected at least one row/],
    ["names.csv", "prompt,response\n", /names\.csv is empty/],
  ])("%s", async (name, content, message) => {
    await expect(readRows(await file(`bad/${name}`, content))).rejects.toMatchObject({
      code: "data-invalid",
      message: expect.stringMatching(message),
    });
  });

  test("GBK far into a file is named, too", async () => {
    const line = '{"prompt": "question", "response": "answer"}\n';
    const path = await file(
      "late.jsonl",
      Buffer.concat([Buffer.from(line.repeat(30_000)), gbk, Buffer.from("\n"), gbk]),
    );
    await expect(readRows(path)).rejects.toThrow(/got text in GBK/);
  });

  test("every faulty row counts, ten are shown", async () => {
    const path = await file("faulty.jsonl", `{"prompt":"q","response":"a"}\n${'{"prompt":"q"}\n'.repeat(2000)}`);
    const error: Error = await readRows(path).catch((cause) => cause);
    expect(error.message).toMatch(/line 11: .*\n- and 1990 more$/);
    expect(error.message).not.toMatch(/line 12:/);
  });
});

test("JSON is the same however its text is divided", async () => {
  const texts = [
    JSON.stringify([...rows, '[,]{\\"', 5, [1, [2]], {}, { a: ["]", "}"] }], null, 1),
    rows.map((row) => JSON.stringify(row)).join("\r\n\n"),
  ];
  for (const text of texts) {
    const whole = await all(jsonRecords(pieces(text, text.length)));
    expect(whole.length).toBeGreaterThan(1);
    for (let size = 1; size < 12; size += 1) expect(await all(jsonRecords(pieces(text, size)))).toEqual(whole);
  }
  const lines = await all(jsonRecords(pieces("[\n{},\n\n{}]", 3)));
  expect(lines).toEqual([
    { value: {}, line: 2, item: 1 },
    { value: {}, line: 4, item: 2 },
  ]);
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function* pieces(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

describe("data sets of files", () => {
  const many = Array.from({ length: 100 }, (_, i) => ({ prompt: `问 ${i}`, response: `答 ${i}` }));
  async function* stream() {
    yield* many;
  }

  test("rows on the disk are the rows, in any order", async () => {
    const store = await storedRows(stream(), 500);
    expect(store.length).toBe(100);
    expect([99, 0, 50, 1].map((index) => store.at(index))).toEqual([many[99], many[0], many[50], many[1]]);
    const held = await storedRows(stream());
    expect(held.at(99)).toBe(many[99]);
  });

  test("batches are those of the rows in memory, splits too", async () => {
    const path = await file("many.jsonl", many.map((row) => JSON.stringify(row)).join("\n"));
    const { dataset } = await import("../../src/data/dataset.ts");
    const [loaded, held] = [await loadDataset(path), dataset(many)];
    const options = { size: 7, epochs: 2, seed: 3 };
    expect([...loaded.batches(options)]).toEqual([...held.batches(options)]);
    expect(loaded.split(0.1, 5).validation.rows).toEqual(held.split(0.1, 5).validation.rows);
    expect(loaded.split(0.1, 5).validation.length).toBe(10);
    expect(loaded.at(3)).toEqual(many[3]);
    expect(() => loaded.at(100)).toThrow(/expected a row from 0 to 99, got 100/);
  });

  test("reading can be stopped, and tells how far it is", async () => {
    const path = await file("long.jsonl", '{"prompt":"q","response":"a"}\n'.repeat(5000));
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ rows }: { rows: number }): void => {
      seen.push(rows);
      if (rows > 2000) stop.abort();
    };
    await expect(loadDataset(path, { signal: stop.signal, onProgress })).rejects.toThrow(/abort/);
    expect(seen).toEqual([1023, 2047]);
    for await (const row of streamRows(path)) {
      expect(row.prompt).toBe("q");
      break;
    }
    await expect(loadDataset(path, { colums: {} } as object)).rejects.toThrow(/Did you mean columns/);
  });
});
