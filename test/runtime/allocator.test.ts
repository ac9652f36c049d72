import { expect, it } from "vitest";
import { runtimeEnvironment, takesTunables } from "../../src/runtime/allocator.ts";

it("leaves the last word, and all else, to what the user has set", () => {
  const theirs = "glibc.malloc.mmap_threshold=1";
  const { GLIBC_TUNABLES, ...others } = runtimeEnvironment({ GLIBC_TUNABLES: theirs, HOME: "/home/ada" });
  expect(GLIBC_TUNABLES?.split(":").at(-1)).toBe(theirs);
  expect(others).toEqual({ HOME: "/home/ada" });
});

it.each([
  ["2.36", true],
  ["2.41", true],
  ["3.0", true],
  ["2.35", false],
  ["2.9", false],
  [undefined, false],
])("with glibc %s the allocator is set: %s", (version, set) => {
  expect(takesTunables(version)).toBe(set);
});
