/** @file CSV from text that comes piece by piece: a line of names, then a row of text for each record. */
import { Readable } from "node:stream";
import { CsvError, type Info, parse } from "csv-parse";
import type { Found } from "./json-records.ts";
import { broken, notData } from "./refusal.ts";

/** What may stand between columns, likeliest first. */
const DELIMITERS = [",", "\t", ";"] as const;

interface Parsed {
  readonly record: readonly string[];
  readonly info: Info;
}

/** @throws GlmError "data-invalid" when the names are none, or a quotation mark is missing */
export async function* csvRecords(path: string, pieces: AsyncIterable<string>): AsyncGenerator<Found, void, void> {
  const text = pieces[Symbol.asyncIterator]();
  let begun = "";
  for (let one = await text.next(); !one.done; one = await text.next()) {
    begun += one.value;
    if (begun.includes("\n")) break;
  }
  const names = begun.split("\n", 1)[0] ?? "";
  const [delimiter = ","] = [...DELIMITERS].sort((a, b) => names.split(b).length - names.split(a).length);
  const rest = { [Symbol.asyncIterator]: () => text };
  const source = Readable.from(
    (async function* () {
      yield begun;
      yield* rest;
    })(),
  );
  const parser = parse({ delimiter, info: true, relax_column_count: true, skip_empty_lines: true });
  source.on("error", (error) => parser.destroy(error)).pipe(parser);
  let header: readonly string[] | undefined;
  let line = 1;
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      const begins = line;
      line = info.lines + 1;
      if (!header) {
        header = record.map((name) => name.trim());
        mustBeNames(path, header);
      } else if (record.length !== header.length) {
        yield {
          fault: `line ${begins}: expected ${header.length} columns, got ${record.length}. Put texts with a delimiter or a line break in quotation marks`,
        };
      } else {
        yield { value: Object.fromEntries(header.map((name, i) => [name, record[i]])), line: begins };
      }
    }
  } catch (error) {
    throw error instanceof CsvError ? broken(path, `${error.message}. Is a quotation mark missing?`) : error;
  } finally {
    source.destroy();
  }
}

function mustBeNames(path: string, header: readonly string[]): void {
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined)
    throw notData(path, `two columns of the name ${JSON.stringify(twice)}`, "Rename one of them.");
  if (header.includes("")) {
    throw notData(path, "a column without a name", "The first line must name the columns: prompt,response.");
  }
}
