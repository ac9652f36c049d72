/** @file Patterns mean here what they mean to Python's re.fullmatch, whose answers stand in the table. */
import { describe, expect, test } from "vitest";
import { pythonPattern } from "../../src/adapters/python-pattern.ts";

// Each line was asked of Python 3.12: re.fullmatch(pattern, text) is not None.
test.each([
  ["dense", "dense", true],
  ["dense", "dense_h", false],
  [".*\\.(q|k)_proj", "model.layers.0.q_proj", true],
  ["a|ab", "ab", true],
  ["a{,2}b", "aab", true],
  ["a{,2}b", "a{,2}b", false],
  ["a{,}", "aaa", true],
  ["a{2}", "aa", true],
  ["a{x}", "a{x}", true],
  ["a{}", "a{}", true],
  ["ab\\Z", "ab", true],
  ["^ab$", "ab", true],
  ["[[:alpha:]]", "a]", true],
  ["[[:alpha:]]", "a", false],
  ["[]a]+", "]a", true],
  ["[^]a]", "b", true],
  ["[\\]x]", "]", true],
  ["(?P<layer>\\d+)\\.x", "12.x", true],
  ["(?i)DENSE", "dense", true],
  ["(?i:D)ense", "dense", true],
  ["(?:x)??y", "xy", true],
  ["\\u0061\\x62", "ab", true],
  ["\\.", "x", false],
])("%s on %s: %s", (pattern, text, expected) => {
  expect(pythonPattern(pattern).matches(text)).toBe(expected);
});

test("the first group, from the text's start", () => {
  const pattern = pythonPattern(".*\\.layers\\.(\\d+)\\.");
  expect(pattern.firstGroup("a.layers.3.layers.12.x")).toBe("12");
  expect(pattern.firstGroup("layers.3.x")).toBeUndefined();
});

describe("refused by name", () => {
  test.each([
    ["(?=a)", "a lookahead"],
    ["(?!a)", "a negative lookahead"],
    ["(?<=a)", "a lookbehind"],
    ["(?<!a)", "a negative lookbehind"],
    ["(a)\\1", "a backreference"],
    ["(?P<n>a)(?P=n)", "a backreference"],
    ["(a)?(?(1)b)", "a condition"],
    ["(?>a)", "an atomic group"],
    ["a++", "a possessive quantifier"],
    ["a{1,2}+", "a possessive quantifier"],
    ["(?x) a", "the flags x"],
    ["(?#c)a", "a comment"],
    ["a{600}b{600}", "more than 1000 repetitions"],
    ["a".repeat(20_001), "20001 characters"],
  ])("%s", (pattern, said) => {
    expect(() => pythonPattern(pattern)).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining(said) }),
    );
  });

  test.each(["(", "a)", "[a", "a\\", "\\Q", "\\p{L}", "(?<n>a)", "a**", "*a", "\\x{61}"])(
    "%s, which is no pattern of Python's",
    (pattern) => {
      expect(() => pythonPattern(pattern)).toThrow(expect.objectContaining({ code: "adapter-invalid" }));
    },
  );
});

test.each(["(?:(?:[a-z_.0-9]+)+)+!", "(a|a)*!", "(.*)*!", "(?:.?){500}!"])("%s ends soon", (pattern) => {
  const start = performance.now();
  expect(pythonPattern(pattern).matches("a".repeat(200))).toBe(false);
  expect(performance.now() - start).toBeLessThan(2000);
});
