/** @file A flipped bit anywhere in prepared weights is found when they are, and the file made anew with the same bytes. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Wanted } from "../../src/quantization/plan.ts";
import { isSound, sealed } from "../../src/quantization/seal.ts";
import { readHeader, writeHeader } from "../../src/weights/header.ts";
import { oracleConfig, oracleFolder } from "../oracle.ts";
import { heldModel } from "../quantized-model.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "glmlab-seal-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const forms: readonly (readonly [name: string, checkpoint: string, wanted: Wanted])[] = [
  ["int4, packed", "chatglm2-6b", { quantize: "int4", precision: "fast" }],
  ["int8", "chatglm2-6b", { quantize: "int8", precision: "exact" }],
  ["float32 of float16", "chatglm2-6b-fp16-bin", { quantize: "none", precision: "exact" }],
];

/** Bytes from the start of the file: in the header's length and text, at the content's ends, and within. */
const places = (bytes: number, content: number): number[] => [
  ...[3, 20, 60, 150, 300, 450],
  ...[content, content + 1, Math.floor((content + bytes) / 2), bytes - 100, bytes - 1],
];

describe.each(forms)("prepared weights as %s", (name, checkpoint, wanted) => {
  const prepare = () => heldModel(oracleFolder(checkpoint), oracleConfig(checkpoint), wanted, join(home, name));

  it("are made anew where any bit is another, and only there", { timeout: 120_000 }, async () => {
    const { folder } = await prepare();
    const files = (await readdir(folder)).filter((file) => file.endsWith(".safetensors"));
    const file = files.at(-1) as string;
    const whole = await readFile(join(folder, file));
    const content = Math.min(...(await readHeader(join(folder, file))).tensors.map(({ offset }) => offset));
    const others = await Promise.all(files.slice(0, -1).map((other) => readFile(join(folder, other))));
    for (const at of places(whole.length, content)) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 4;
      await writeFile(join(folder, file), damaged);
      const { weightStore } = await prepare();
      expect(weightStore.floats.size, `byte ${at}`).toBeGreaterThan(0);
      expect((await readFile(join(folder, file))).equals(whole), `byte ${at}`).toBe(true);
    }
    const after = await Promise.all(files.slice(0, -1).map((other) => readFile(join(folder, other))));
    expect(after.every((bytes, i) => bytes.equals(others[i] as Buffer))).toBe(true);
  });

  it("that earlier versions made without checksums are made anew", async () => {
    const { folder } = await prepare();
    const file = join(folder, (await readdir(folder)).filter((one) => one.endsWith(".safetensors")).at(-1) as string);
    const whole = await readFile(file);
    const text = whole.toString("latin1");
    await writeFile(file, text.replace('"checksums"', '"chicksums"'), "latin1");
    await prepare();
    expect((await readFile(file)).equals(whole)).toBe(true);
  });
});

it("of a large file, some parts are read at a time, and all of them in the end", async () => {
  const file = join(home, "large.safetensors");
  const bytes = 40 * 2 ** 20;
  const layout = { name: "a", dtype: "uint8", shape: [bytes] } as const;
  const content = Buffer.alloc(bytes, "prepared");
  await writeFile(file, Buffer.concat([Buffer.alloc(4096), content]));
  const metadata = await sealed(file, [layout], {}, 4096, 4096 + bytes);
  const header = writeHeader([layout], metadata, 4096);
  await writeFile(file, Buffer.concat([header, content]));
  const sound = async (most: number) => isSound(file, await readHeader(file), most);
  expect(await sound(Number.POSITIVE_INFINITY)).toBe(true);
  expect(await sound(1)).toBe(true);
  content[bytes - 7] = 0;
  await writeFile(file, Buffer.concat([header, content]));
  expect(await sound(Number.POSITIVE_INFINITY)).toBe(false);
  const found = await Promise.all(Array.from({ length: 400 }, () => sound(4 * 2 ** 20)));
  // A tenth of the file each time: found now and then, and in the end.
  expect(found.filter((isFine) => !isFine).length).toBeGreaterThan(10);
  expect(found.filter(Boolean).length).toBeGreaterThan(200);
});
