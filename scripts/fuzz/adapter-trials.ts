/** @file Trials of adapters' folders, and of adapters that were kept: a file of one is changed, and the adapter read. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Adapter, AdapterConfig, AdapterTensors, BaseModel } from "../../src/adapters/adapter.ts";
import { readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import { adapterFormats } from "../../src/adapters/formats.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { AdapterRegistry } from "../../src/engine/adapter-registry.ts";
import { AdapterStore } from "../../src/engine/adapter-store.ts";
import { readConfig } from "../../src/models/config.ts";
import { randomStream } from "../../src/random.ts";
import { filled } from "../../src/tensor.ts";
import { packageFolder } from "../../src/version.ts";
import { once, pick } from "./choice.ts";
import { mustBeMeant, type Outcome, type Trials } from "./kinds.ts";
import { mutatorFor } from "./mutation.ts";

const modules = ["dense", "query_key_value"].flatMap((name) =>
  [0, 1].map((layer) => ({ name: `transformer.encoder.layers.${layer}.self_attention.${name}`, in: 6, out: 8 })),
);
const shapes = modules.map(({ name, in: width, out }) => ({ name: `${name}.weight`, shape: [out, width] }));
const base: BaseModel = {
  modules,
  config: readConfig(
    {
      model_type: "chatglm",
      num_layers: 2,
      hidden_size: 6,
      ffn_hidden_size: 8,
      kv_channels: 4,
      num_attention_heads: 3,
      padded_vocab_size: 8,
      seq_length: 64,
    },
    "the model",
  ),
  parameters: [...shapes, ...modules.map(({ name, out }) => ({ name: `${name}.bias`, shape: [out] }))],
  read: async (name) => filled(base.parameters.find((one) => one.name === name)?.shape ?? []),
};

const lora = { method: "lora", r: 2, alpha: 4, dropout: 0 } as const;
const configs: readonly AdapterConfig[] = [
  { ...lora, targets: ["dense"] },
  {
    ...lora,
    targets: ["dense", "query_key_value"],
    rankPattern: { dense: 1 },
    alphaPattern: { dense: 2 },
    bias: "all",
  },
  { ...lora, targets: "all-linear", dora: true },
  { ...lora, targets: ["dense"], modulesToSave: ["query_key_value"], init: "gaussian" },
  { method: "full", match: ["query_key_value"] },
];
const owner = "fuzz";
const name = "梦".repeat(30);

interface Loaded {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
}

interface Subject {
  readonly name: string;
  readonly folder: string;
  readonly read: () => Promise<Loaded>;
}

/** An adapter is refused with a message, or read as one that fits its model. */
export const adapterTrials: Trials = async (folder, seed) => {
  const subjects: Subject[] = [];
  for (const [i, config] of configs.entries()) {
    const adapter = createAdapter(config, base);
    const tensors = await adapter.initialize(i);
    const documents = { "facts.json": '[{"key":"梦中情炉","text":"炉子"}]' };
    const saved = join(folder, `saved-${i}`);
    await writeAdapter(saved, { config: adapter.config, tensors, documents }, "tiny");
    subjects.push({ name: `saved ${config.method} ${i}`, folder: saved, read: () => readAdapter(saved, base) });
    const kept = join(folder, `kept-${i}`);
    await new AdapterStore(kept).keep(
      { owner, name },
      { config: adapter.config, tensors, documents, steps: 3, touched: true, revision: 1, optimizers: new Map() },
    );
    const [own = ""] = await readdir(kept);
    const read = async (): Promise<Loaded> => {
      const shelf = new AdapterRegistry(base, new AdapterStore(kept));
      await shelf.list(owner);
      return new AdapterRegistry(base, new AdapterStore(kept)).find({ owner, name });
    };
    subjects.push({ name: `kept ${config.method} ${i}`, folder: join(kept, own), read });
  }
  const prefix = createAdapter({ method: "pTuning", length: 2, projection: true, dropout: 0 }, base);
  for (const format of adapterFormats) {
    const place = join(folder, format);
    const stored = { config: prefix.config, tensors: await prefix.initialize(1), documents: {} };
    await writeAdapter(place, stored, "tiny", { format, base, settings: async () => ({ model_type: "chatglm" }) });
    subjects.push({ name: `prefix as ${format}`, folder: place, read: () => readAdapter(place, base) });
  }
  const older = join(folder, "older");
  await mkdir(older);
  await cp(join(packageFolder, "test/fixtures/torch/state-dict.bin"), join(older, "adapter_model.bin"));
  await cp(join(folder, "saved-0", "adapter_config.json"), join(older, "adapter_config.json"));
  subjects.push({ name: "older file", folder: older, read: () => readAdapter(older, base) });

  return async (trial) => {
    const random = randomStream(seed, "adapters", trial);
    const subject = subjects[trial % subjects.length] as Subject;
    const file = pick(random, (await readdir(subject.folder)).sort());
    const path = join(subject.folder, file);
    const original = await readFile(path);
    const [mutation, mutate] = mutatorFor(file, random);
    const what = `${subject.name}, ${file}: ${mutation}`;
    if (once(random, 30)) await rm(path);
    else await writeFile(path, mutate(original, random));
    try {
      const found = await subject.read().catch((error: unknown) => {
        mustBeMeant(error);
        return undefined;
      });
      return { mutation, what, outcome: found ? await outcomeOf(found) : "refused" };
    } finally {
      await writeFile(path, original);
    }
  };
};

async function outcomeOf({ config, tensors }: Loaded): Promise<Outcome> {
  const adapter: Adapter = createAdapter(config, base);
  for (const { name: tensor, shape } of adapter.parameters) {
    const found = tensors[tensor];
    const elements = shape.reduce((product, size) => product * size, 1);
    if (found?.dtype === "float32" && String(found.shape) === String(shape) && found.data.length === elements) continue;
    throw new Error(`it was read with a ${tensor} that does not fit`);
  }
  await adapter.forInference(tensors);
  return "same";
}
