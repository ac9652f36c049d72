/** @file The cells of this session, as front ends ask for them: the last ones, a range, or those that match a pattern. */
import type { HistoryEntry, HistoryRequest } from "./requests.ts";

interface Line {
  readonly count: number;
  readonly input: string;
  output: string | null;
}

/** In memory, for the life of the kernel. */
export class History {
  readonly #lines: Line[] = [];

  /** Notes a cell; the returned function adds its result, as plain text. */
  add(count: number, input: string): (output: string) => void {
    const line: Line = { count, input, output: null };
    this.#lines.push(line);
    return (output) => {
      line.output = output;
    };
  }

  find(request: HistoryRequest): HistoryEntry[] {
    return this.#select(request).map(({ count, input, output }) => [
      0,
      count,
      request.output ? [input, output] : input,
    ]);
  }

  #select(request: HistoryRequest): Line[] {
    switch (request.access) {
      case "tail":
        return last(this.#lines, request.count);
      case "range": {
        const { session, start, stop = Number.POSITIVE_INFINITY } = request;
        return session === 0 ? this.#lines.filter(({ count }) => count >= start && count < stop) : [];
      }
      case "search": {
        const pattern = globPattern(request.pattern);
        const matching = this.#lines.filter(({ input }) => pattern.test(input));
        return last(request.unique ? lastOfEach(matching) : matching, request.count);
      }
    }
  }
}

function last(lines: Line[], count = Number.POSITIVE_INFINITY): Line[] {
  return count > 0 ? lines.slice(-count) : [];
}

function lastOfEach(lines: Line[]): Line[] {
  return lines.filter(({ input }, index) => lines.findLastIndex((line) => line.input === input) === index);
}

/** `*` stands for anything, `?` for one character; the whole input must match. */
function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  return new RegExp(`^${source}$`, "u");
}
