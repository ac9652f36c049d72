import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSafetensors, readTensor } from "../../src/weights/safetensors.ts";
import { readTorch } from "../../src/weights/torch.ts";

const fixtures = join(import.meta.dirname, "../fixtures/torch");
const names = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".bin"))
    .map((name) => basename(name, ".bin"));

describe("files of PyTorch hold what it saved as safetensors", () => {
  const written = names(fixtures).filter((name) => name !== "rezipped");
  test.each([...written.map((name) => [name, name]), ["rezipped", "numbers"]])("%s", async (name, values) => {
    await expectValues(join(fixtures, `${name}.bin`), join(fixtures, `${values}.safetensors`));
  });

  test.each(names(join(fixtures, "old")))("by PyTorch %s", async (name) => {
    await expectValues(join(fixtures, "old", `${name}.bin`), join(fixtures, "dtypes.safetensors"));
  });
});

async function expectValues(file: string, values: string): Promise<void> {
  const tensors = await readTorch(file);
  const expected = (await readSafetensors(values)).values;
  expect(tensors.map(({ name }) => name).sort()).toEqual(Object.keys(expected).sort());
  for (const stored of tensors) expect(await readTensor(stored)).toEqual(expected[stored.name]);
}

test("tensors that share a storage share its place in the file", async () => {
  const stored = new Map((await readTorch(join(fixtures, "shared.bin"))).map((tensor) => [tensor.name, tensor]));
  const at = (name: string): number => (stored.get(name)?.offset ?? Number.NaN) - (stored.get("tied.a")?.offset ?? 0);
  // The storage has 6 rows of 4 float32.
  expect([at("tied.b"), at("rows"), at("last"), at("element")]).toEqual([0, 2 * 16, 5 * 16, 5 * 16 + 3 * 4]);
});

describe("files that are no plain weights are refused", () => {
  test.each([
    [
      "transposed",
      "model-invalid",
      /"turned": expected its numbers one after the other, got strides \[1,3\].*contiguous/,
    ],
    ["expanded", "model-invalid", /"repeated": expected its numbers one after the other, got strides \[0,1\]/],
    ["list", "model-invalid", /holds no dictionary of tensors/],
    ["nested", "model-invalid", /- "epoch": expected a tensor, got something else\n- "state_dict": expected a tensor/],
    ["negative", "model-invalid", /the negative or the conjugate/],
    ["float8", "model-invalid", /asks for "torch\._utils\._rebuild_tensor_v3"/],
    ["module", "model-invalid", /asks for "torch\.nn\.modules\.linear\.Linear"\. Nothing of it was run/],
    ["legacy", "unsupported", /the zip format of PyTorch 1\.6 and later, got the older one.*torch\.save/],
    ["compressed", "unsupported", /got "numbers\/byteorder" compressed \(zip method 8\).*zip -0/],
    ["big-endian", "unsupported", /little-endian numbers, got big-endian ones.*torch\.save/],
    ["script", "unsupported", /got a TorchScript program/],
  ])("%s", async (name, code, message) => {
    const file = join(fixtures, "refused", `${name}.bin`);
    await expect(readTorch(file)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(readTorch(file)).rejects.toThrow(file);
  });

  test("no refused file lacks a test", () => {
    expect(names(join(fixtures, "refused"))).toHaveLength(11);
  });
});
