import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tensor } from "../../src/tensor.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { fingerprint } from "../../src/weights/fingerprint.ts";
import { sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";

const SIZE = 3_000_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-fingerprint-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Of a checkpoint of many megabytes whose named tensor is scaled. */
async function of(changed: string, factor: number, file = "model.safetensors"): Promise<string> {
  const tensors = Object.fromEntries(
    ["a", "b", "c", "d"].map((name, i) => {
      const scale = name === changed ? factor : 1;
      return [
        name,
        tensor(
          "float32",
          [SIZE],
          Float32Array.from({ length: SIZE }, (_, j) => scale * ((j % 97) + i)),
        ),
      ];
    }),
  );
  await writeSafetensors(join(folder, file), sourcesOf(tensors));
  const identity = await fingerprint(await openCheckpoint(folder), "{}");
  await rm(join(folder, file));
  return identity;
}

test("a checkpoint's identity changes with any one of its tensors", async () => {
  const before = await of("a", 1);
  expect(await of("b", 1)).toBe(before);
  for (const name of ["a", "b", "c", "d"]) expect(await of(name, 1.01), name).not.toBe(before);
});

test("a checkpoint's identity changes with its configuration and its tensors' names", async () => {
  await writeSafetensors(join(folder, "model.safetensors"), sourcesOf({ a: tensor("int8", [2], Int8Array.of(1, 2)) }));
  const checkpoint = await openCheckpoint(folder);
  const one = await fingerprint(checkpoint, "{}");
  expect(await fingerprint(checkpoint, '{"a":1}')).not.toBe(one);
  await writeSafetensors(join(folder, "model.safetensors"), sourcesOf({ b: tensor("int8", [2], Int8Array.of(1, 2)) }));
  expect(await fingerprint(await openCheckpoint(folder), "{}")).not.toBe(one);
});
