/** @file The real files that are mutated: models and weights of every format, held in memory with what they load as. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageFolder } from "../../src/version.ts";
import { openCheckpoint, writeCheckpoint } from "../../src/weights/checkpoint.ts";

/** A folder of files, as they are before any mutation. */
export interface Subject {
  readonly name: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** Whether its files have checksums or a layout that tells changes of what describes the tensors. */
  readonly checked: boolean;
}

const fixtures = join(packageFolder, "test", "fixtures");
/** Models with their config.json: one in safetensors, shards in float16, both published quantisations. */
const models = ["chatglm2-6b", "chatglm2-6b-fp16-bin", "chatglm-6b-int4", "chatglm2-6b-int8"];
/** Weights alone, as PyTorch wrote them. */
const torchFiles = ["dtypes", "shared", "state-dict", "protocol-4", "no-checksums", "rezipped", "old/1.6", "old/1.12"];

/** All of them. A folder for those that must be made first is removed again. */
export async function readSubjects(): Promise<readonly Subject[]> {
  const found: Subject[] = [];
  for (const name of models)
    found.push({ name, files: await modelFiles(join(fixtures, "oracle", name)), checked: true });
  const made = await shards(join(fixtures, "oracle", "chatglm2-6b"));
  found.push({ name: "chatglm2-6b in shards", files: made, checked: true });
  for (const name of torchFiles) {
    const bytes = await readFile(join(fixtures, "torch", `${name}.bin`));
    const files = new Map([["pytorch_model.bin", bytes]]);
    found.push({ name: `torch/${name}`, files, checked: name !== "no-checksums" });
  }
  return found;
}

const isModelFile = (name: string): boolean =>
  name === "config.json" || /^(model|pytorch_model)[-\w]*\.(safetensors|bin)(\.index\.json)?$/.test(name);

async function modelFiles(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(folder)).sort()) {
    if (isModelFile(name)) files.set(name, await readFile(join(folder, name)));
  }
  return files;
}

/** The same model in three safetensors files with an index. */
async function shards(folder: string): Promise<Map<string, Buffer>> {
  const made = await mkdtemp(join(tmpdir(), "glmlab-fuzz-shards-"));
  try {
    const checkpoint = await openCheckpoint(folder);
    const sources = [...checkpoint.tensors.values()].map((tensor) => ({
      ...tensor,
      read: () => checkpoint.read(tensor.name),
    }));
    await writeCheckpoint(made, sources, { maxShardBytes: 400_000 });
    return (await modelFiles(made)).set("config.json", await readFile(join(folder, "config.json")));
  } finally {
    await rm(made, { recursive: true });
  }
}
