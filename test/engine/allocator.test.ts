import { expect, it } from "vitest";
import { modelProcessEnvironment } from "../../src/engine/allocator.ts";

it("leaves the last word, and all else, to what the user has set", () => {
  const theirs = "glibc.malloc.mmap_threshold=1";
  const { GLIBC_TUNABLES, ...others } = modelProcessEnvironment({ GLIBC_TUNABLES: theirs, HOME: "/home/ada" });
  expect(GLIBC_TUNABLES?.split(":").at(-1)).toBe(theirs);
  expect(GLIBC_TUNABLES?.split(":").length).toBeGreaterThan(1);
  expect(others).toEqual({ HOME: "/home/ada" });
});
