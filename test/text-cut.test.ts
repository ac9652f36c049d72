/** @file Texts in messages are cut between characters, wherever the messages come from. */
import { expect, describe as group, it } from "vitest";
import { toRows } from "../src/data/rows.ts";
import { describe, shownJson } from "../src/describe.ts";
import { quoted, shortened } from "../src/text-cut.ts";

const FAMILY = "👨‍👩‍👧‍👦";

group("cutting a text", () => {
  it("leaves what is short enough as it is, counted as people count", () => {
    expect(shortened("a".repeat(60))).toBe("a".repeat(60));
    expect(shortened(FAMILY.repeat(60))).toBe(FAMILY.repeat(60));
    expect(shortened("", 4)).toBe("");
  });

  it("keeps whole characters: surrogate pairs, joined emoji, flags, letters with marks", () => {
    expect(shortened("a".repeat(61))).toBe(`${"a".repeat(57)}...`);
    for (const character of ["🎈", FAMILY, "🇨🇳", "e\u0301", "𠮷"]) {
      for (const before of ["", "x", "xy"]) {
        const cut = shortened(before + character.repeat(70), 40);
        expect(cut).toBe(`${before}${character.repeat(37 - before.length)}...`);
      }
    }
  });

  it("ends a character without end somewhere, and a long text at once", () => {
    expect(shortened(`ab${"\u0301".repeat(100_000)}`, 10)).toBe("a...");
    const started = performance.now();
    expect(shortened("好".repeat(50_000_000), 10)).toBe("好好好好好好好...");
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("is what all messages use", () => {
    for (let odd = 0; odd < 4; odd++) {
      const text = "x".repeat(odd) + "🎈".repeat(300);
      for (const shown of [quoted(text), describe(text), shownJson(text), shownJson([text])]) {
        expect(shown).toMatch(/🎈\.\.\./u);
        expect(shown).not.toMatch(/\\ud|\p{Surrogate}/iu);
      }
      expect(() => toRows([text])).toThrow(/^[^\p{Surrogate}]*$/u);
    }
  });
});
