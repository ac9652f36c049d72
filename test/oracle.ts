/** @file The reference numbers that tests compare with: small models of each family, run by the published code. */
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChatGLMConfig } from "../src/models/config.ts";
import { readConfig } from "../src/models/config.ts";
import type { FloatTensor, Tensor } from "../src/tensor.ts";
import { packageFolder } from "../src/version.ts";
import { readSafetensors } from "../src/weights/safetensors.ts";

const root = fileURLToPath(new URL("fixtures/oracle/", import.meta.url));

export const oracleFolder = (family: string, ...path: string[]): string => join(root, family, ...path);

/** Tokenizer files that a model of each folder loads with; the reference's models have none, and no test reads their text. */
const tokenizers: Readonly<Record<string, string>> = {
  "chatglm-6b": "test/fixtures/text/chatglm-6b",
  "glm-4-9b": "test/fixtures/text/glm-4-9b",
  "glm-4-9b-hf": "test/fixtures/text/glm-4-9b-hf",
};

/** Copies a model of the reference into a folder, with a tokenizer so that it loads. */
export function copyOracleModel(family: string, to: string): string {
  cpSync(oracleFolder(family), to, { recursive: true });
  const from = join(packageFolder, tokenizers[family.replace(/-(int[48]|fp16-bin)$/, "")] ?? "models/tiny");
  for (const name of ["ice_text.model", "tokenizer.model", "tokenizer.json", "tokenizer_config.json"]) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name));
  }
  return to;
}

export async function oracleTensors(family: string, file: string): Promise<Record<string, Tensor>> {
  return (await readSafetensors(oracleFolder(family, `${file}.safetensors`))).values;
}

export function oracleConfig(family: string): ChatGLMConfig {
  return readConfig(oracleJson(family, "config.json") as Record<string, unknown>, family);
}

export function oracleJson(family: string, file: string): unknown {
  return JSON.parse(readFileSync(oracleFolder(family, file), "utf8"));
}

/** A matrix of int64 as rows of numbers. */
export function rowsOf({ shape, data }: Tensor): number[][] {
  const width = shape[1] as number;
  const numbers = Array.from(data as BigInt64Array, Number);
  return Array.from({ length: shape[0] as number }, (_, row) => numbers.slice(row * width, (row + 1) * width));
}

/** max |a-b| / max(1, max|b|): the measure in which results must agree with the reference. */
export function deviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, largest] = [0, 1];
  for (let i = 0; i < expected.length; i += 1) {
    const gap = Math.abs((actual[i] as number) - (expected[i] as number));
    if (Number.isNaN(gap)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, gap);
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return difference / largest;
}

export const floats = (value: Tensor | undefined): FloatTensor["data"] => value?.data as Float32Array;
