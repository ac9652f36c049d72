/** @file Values that were trained elsewhere come into an adapter out of PEFT's files: all or none, and only where nothing was changed meanwhile. */
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, expect, it } from "vitest";
import type { AdapterConfig, AdapterTensors } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { tensor } from "../../src/tensor.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { loadModel } from "./oracle-suite.ts";

const home = ownHome();
const engines: LocalEngine[] = [];
let made = 0;
let small: string;
beforeAll(async () => {
  small = await writeSmallModel(join(home, "model"));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const LORA: AdapterConfig = { method: "lora", r: 2, alpha: 8, dropout: 0, targets: ["query_key_value"] };

async function open(): Promise<{ readonly engine: LocalEngine; readonly model: string }> {
  const engine = new LocalEngine(only(cpu));
  engines.push(engine);
  const { key: model } = await loadModel(engine, small);
  return { engine, model };
}

const named = (model: string, name: string) => ({ model, adapter: { owner: "test", name } });

/** Another adapter's files, all of whose values are `value`. */
async function trained(engine: LocalEngine, model: string, config: AdapterConfig, value: number): Promise<string> {
  const other = named(model, `other${made++}`);
  await engine.call("createAdapter", { ...other, config, seed: 2 });
  const tensors: AdapterTensors = {};
  for (const [name, { shape, data }] of Object.entries(await engine.call("readAdapter", other)))
    tensors[name] = tensor("float32", shape, new Float32Array(data.length).fill(value));
  await engine.call("writeAdapter", { ...other, tensors });
  const folder = join(home, other.adapter.name);
  await engine.call("saveAdapter", { ...other, folder });
  return folder;
}

const valuesOf = (tensors: AdapterTensors): readonly number[] => [
  ...new Set(Object.values(tensors).flatMap(({ data }) => [...data])),
];

it("takes them with their steps, and keeps them on the disk", async () => {
  const { engine, model } = await open();
  const target = named(model, "taken");
  await engine.call("createAdapter", { ...target, config: LORA, seed: 1 });
  const before = await engine.call("adapterInfo", target);
  const folder = await trained(engine, model, LORA, 0.5);
  const revision = before.revision as number;
  const result = await engine.call("takeAdapter", { ...target, folder, steps: 7, revision });
  expect(result?.revision).toBeGreaterThan(revision);
  expect(valuesOf(await engine.call("readAdapter", target))).toEqual([0.5]);
  expect(await engine.call("adapterInfo", target)).toMatchObject({
    steps: before.steps + 7,
    revision: result?.revision,
  });
  await engine.call("unload", { model });
  const again = await open();
  expect(valuesOf(await again.engine.call("readAdapter", target))).toEqual([0.5]);
  expect(await again.engine.call("adapterInfo", target)).toMatchObject({ steps: before.steps + 7 });
});

it("leaves values that were changed meanwhile, and says where the others lie", async () => {
  const { engine, model } = await open();
  const target = named(model, "changed");
  await engine.call("createAdapter", { ...target, config: LORA, seed: 1 });
  const { revision = -1 } = await engine.call("adapterInfo", target);
  const folder = await trained(engine, model, LORA, 0.5);
  const own = await engine.call("readAdapter", target);
  await engine.call("writeAdapter", { ...target, tensors: own });
  const taking = engine.call("takeAdapter", { ...target, folder, steps: 1, revision });
  await expect(taking).rejects.toMatchObject({ code: "adapter-changed" });
  await expect(taking).rejects.toThrow(`glm.loadAdapter("changed-trained", "${folder}")`);
  expect(await engine.call("readAdapter", target)).toEqual(own);
});

it.each<[string, AdapterConfig]>([
  ["another rank", { ...LORA, r: 3 }],
  ["other modules", { ...LORA, targets: ["dense"] }],
  ["another method", { method: "pTuning", length: 2, projection: false, dropout: 0 }],
])("refuses those of %s, and changes nothing", async (_, config) => {
  const { engine, model } = await open();
  const target = named(model, `refused${made++}`);
  await engine.call("createAdapter", { ...target, config: LORA, seed: 1 });
  const [own, { revision }] = [await engine.call("readAdapter", target), await engine.call("adapterInfo", target)];
  const folder = await trained(engine, model, config, 0.5);
  await expect(engine.call("takeAdapter", { ...target, folder, steps: 1 })).rejects.toMatchObject({
    code: "adapter-invalid",
  });
  expect(await engine.call("readAdapter", target)).toEqual(own);
  expect((await engine.call("adapterInfo", target)).revision).toBe(revision);
});

it("refuses files that are not whole, and changes nothing", async () => {
  const { engine, model } = await open();
  const target = named(model, "half");
  await engine.call("createAdapter", { ...target, config: LORA, seed: 1 });
  const own = await engine.call("readAdapter", target);
  const folder = await trained(engine, model, LORA, 0.5);
  await truncate(join(folder, "adapter_model.safetensors"), 200);
  await expect(engine.call("takeAdapter", { ...target, folder, steps: 1 })).rejects.toThrow(
    "adapter_model.safetensors",
  );
  expect(await engine.call("readAdapter", target)).toEqual(own);
});
