// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
/** @file Half-written and damaged cells: refused with a place in the cell, or expanded with every place in bounds. */
import { describe, expect, it } from "vitest";
import { completeMagic } from "../../magics/complete.ts";
import { MagicError } from "../../magics/error.ts";
import { expand } from "../../magics/expand.ts";
import { inspectMagic } from "../../magics/inspect.ts";
import { randomStream } from "../../src/random.ts";

const SEEDS = [
  "%model tiny --device cpu\nconst a = `x ${1 % 2}`;\n%params a --all\n",
  '%%chatglm --adapter "my dream" --seed ${n}\n你好 ${f({ a: "}" })} `x` \\${y} 😀',
  '%%train dream --epochs 3 --val 0.1 // comment\n{"prompt": "a", "response": "b"}\n',
  "const answer = %chatglm --system 'be brief' hi ${`${x}`}\nif (a) {\n  %adapter use none\n} else b(); %chat reset",
  '%%knowledge add Blue ${n} --prompt "a b" --prompt c --steps 3\nA `town` ${of} "boats".\n',
  "x\n% y\n%params\n/* %model */ const r = /%train/g; foo()\n%adapter new a --targets b,c \\\n --to d",
];
const PIECES = [
  "%",
  "%%",
  "${",
  "}",
  "`",
  '"',
  "'",
  "\\",
  "\n",
  "--",
  "/*",
  "//",
  " ",
  "=",
  "(",
  "{",
  ";",
  "梦",
  "😀",
  "\r\n",
];

/** The cells, each with one to four changes. */
function* damaged(count: number): Generator<string> {
  const random = randomStream(7, "mutations");
  const below = (limit: number): number => Math.floor(random.uniform() * limit);
  for (let made = 0; made < count; made++) {
    let cell = SEEDS[made % SEEDS.length] ?? "";
    for (let changes = 1 + below(4); changes > 0; changes--) {
      const at = below(cell.length + 1);
      const removed = below(3) === 0 ? 0 : below(6);
      cell = cell.slice(0, at) + (PIECES[below(PIECES.length)] ?? "") + cell.slice(at + removed);
    }
    yield cell;
  }
}

describe("damaged cells", () => {
  it("are refused where the fault is, or expanded with every place known", () => {
    let refused = 0;
    let magic = 0;
    for (const cell of damaged(200)) {
      try {
        const expansion = expand(cell);
        if (expansion.isMagic) magic++;
        for (let offset = 0; offset <= expansion.code.length; offset++) {
          const written = expansion.map(offset);
          expect(written >= 0 && written <= cell.length, cell).toBe(true);
        }
        for (let offset = 0; offset <= cell.length; offset++) {
          const there = expansion.toExpanded(offset);
          expect(there >= 0 && there <= expansion.code.length, cell).toBe(true);
        }
      } catch (error) {
        if (!(error instanceof MagicError)) throw error;
        refused++;
        expect(error.offset >= 0 && error.offset + error.length <= cell.length, `${cell}: ${error.message}`).toBe(true);
      }
    }
    // Both ways are taken often, so both are tested.
    expect(refused).toBeGreaterThan(40);
    expect(magic).toBeGreaterThan(40);
  });

  it("can be completed and inspected at any place", () => {
    for (const cell of damaged(30)) {
      for (let cursor = 0; cursor <= cell.length; cursor += 3) {
        const found = completeMagic(cell, cursor);
        if (found) expect(found.start <= cursor && cursor <= found.end && found.end <= cell.length, cell).toBe(true);
        inspectMagic(cell, cursor);
      }
    }
  });
});
