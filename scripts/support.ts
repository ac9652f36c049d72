/** @file `npm run support`: writes the tables of what is supported, and of what it takes, from the code that decides it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { markdownTable } from "../bench/table.ts";
import { cpu } from "../src/backend/cpu.ts";
import { WebGpu } from "../src/backend/webgpu.ts";
import type { Precision, Quantize } from "../src/engine/engine.ts";
import { GlmError } from "../src/errors.ts";
import { architectureOf, modulesOf, parametersOf } from "../src/models/architectures.ts";
import { readConfig } from "../src/models/config.ts";
import { checkpoints, families } from "../src/models/family.ts";
import { weightFileNames } from "../src/published.ts";
import { type CheckpointContent, planWeights } from "../src/quantization/plan.ts";
import { tokenizerFiles } from "../src/text/load.ts";
import { packageFolder } from "../src/version.ts";
import { floatTypes, type PublishedBits, scaleName } from "../src/weights/model-tensors.ts";
import { bytesOf } from "../src/weights/safetensors.ts";
import type { StoredTensor } from "../src/weights/stored.ts";
import { gpuMemoryTable } from "./gpu-memory.ts";

const [BEGIN, END] = ["<!-- npm run support -->", "<!-- end of what npm run support writes -->"];

/** The documents with tables from here, and what stands between the marks. */
export const written: readonly { readonly file: string; readonly tables: () => string }[] = [
  { file: join(packageFolder, "README.md"), tables: supportTables },
  { file: join(packageFolder, "README.zh-CN.md"), tables: supportTables },
  { file: join(packageFolder, "docs", "gpu.md"), tables: gpuMemoryTable },
];

const names = (list: readonly string[], between: string): string => list.map((name) => `\`${name}\``).join(between);

/** What each family's definition and tokenizer are, which of its checkpoints are known by name. */
function familyTable(): string {
  return markdownTable(
    families.map((family) => ({
      model: family,
      checkpoints: names(checkpoints[family], ", "),
      tokenizer: names(tokenizerFiles[family], " or "),
    })),
  );
}

const quantizations = Object.keys({ none: 0, int8: 0, int4: 0 } satisfies Record<Quantize, 0>) as Quantize[];
const precisions = Object.keys({ exact: 0, fast: 0 } satisfies Record<Precision, 0>) as Precision[];

/** For each type that files have: in which form weights are held, by what `load` is asked for. */
function weightTable(): string {
  const stored: readonly (readonly [string, string, PublishedBits | undefined])[] = [
    ...floatTypes.map((type) => [type, type, undefined] as const),
    ["int8, as published", "float16", 8],
    ["int4, as published", "float16", 4],
  ];
  return markdownTable(
    stored.map(([name, floats, bits]) => {
      const given = givenIn(floats as StoredTensor["dtype"], bits);
      const cells = quantizations.flatMap((quantize) =>
        precisions.map((precision) => {
          const asked = quantize === "none" ? precision : `--quantize ${quantize}, ${precision}`;
          return [asked, formOf(given, quantize, precision)] as const;
        }),
      );
      return { "type in the files": name, ...Object.fromEntries(cells) };
    }),
  );
}

function formOf(given: CheckpointContent, quantize: Quantize, precision: Precision): string {
  try {
    const { name, converted, bits } = planWeights("the model", given, { quantize, precision }, cpu.can);
    if (bits) return `int${bits}`;
    return converted.length > 0 ? `${name}, in a cached file` : `${name}, as they lie`;
  } catch (error) {
    if (error instanceof GlmError) return "refused";
    throw error;
  }
}

/** A small model whose files have their floats in this type, the linear modules in so many bits. */
function givenIn(floats: StoredTensor["dtype"], bits: PublishedBits | undefined): CheckpointContent {
  const json = { model_type: "chatglm", num_layers: 1, hidden_size: 64, ffn_hidden_size: 64, kv_channels: 32 };
  const sizes = { num_attention_heads: 2, multi_query_group_num: 1, padded_vocab_size: 64 };
  const config = readConfig({ ...json, ...sizes }, "a small model");
  const [parameters, modules] = [parametersOf(config), modulesOf(config)];
  const packed = new Set(bits ? modules.map(({ name }) => `${name}.weight`) : []);
  const tensor = (name: string, dtype: StoredTensor["dtype"], shape: readonly number[]): StoredTensor => {
    return { name, dtype, shape, file: "model.safetensors", offset: 0, bytes: bytesOf({ dtype, shape }) };
  };
  const stored = parameters.flatMap(({ name, shape }) => {
    if (!bits || !packed.has(name)) return [tensor(name, floats, shape)];
    const [out, width] = shape as [number, number];
    return [tensor(name, "int8", [out, (width * bits) / 8]), tensor(scaleName(name), floats, [out])];
  });
  const { embedding, head } = architectureOf(config);
  return { parameters, modules, embedding, head, bits, stored: new Map(stored.map((one) => [one.name, one])) };
}

function supportTables(): string {
  const devices = [cpu, new WebGpu()].map(({ name }) => name).join(", ");
  const where = `Weights in ${names(weightFileNames, ", ")}, the first that is there. Devices: ${devices}. On the processor, weights are held so:`;
  return [familyTable(), where, weightTable()].join("\n\n");
}

/** A document with its tables as the code has them now. */
export function withTables(text: string, { file, tables }: (typeof written)[number]): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file}: expected "${BEGIN}" and after it "${END}"`);
  return `${text.slice(0, from + BEGIN.length)}\n\n${tables()}\n\n${text.slice(to)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const one of written) writeFileSync(one.file, withTables(readFileSync(one.file, "utf8"), one));
}
