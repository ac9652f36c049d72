/** @file Training with gradient checkpointing: the numbers of training without it, and values that do not outlive their block. */
import { describe, expect, it } from "vitest";
import type { AdapterConfig, BaseModel } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { type Graph, liveNodes, type Value } from "../../src/graph/value.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { type BindWeights, floatWeights } from "../../src/models/context.ts";
import type { Wanted } from "../../src/quantization/plan.ts";
import type { FloatTensor } from "../../src/tensor.ts";
import { trainingGraph } from "../../src/train/graph.ts";
import { adamW, adamWConfig } from "../../src/train/optimizer.ts";
import { type GradientStep, trainingProgram } from "../../src/train/program.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { ownHome } from "../home.ts";
import { oracleConfig, oracleFolder, oracleTensors, rowsOf } from "../oracle.ts";
import { heldModel } from "../quantized-model.ts";

interface Model {
  readonly config: ChatGLMConfig;
  readonly base: BaseModel;
  readonly weights: BindWeights;
}

const FAMILIES = ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b", "glm-4-9b-hf"];
const STEPS = 3;
const CHECKPOINTED = { gradientCheckpointing: true };
const scratch = ownHome();

const low = { r: 3, alpha: 6, dropout: 0.3, targets: "all-linear" } as const;
const methods: Readonly<Record<string, AdapterConfig>> = {
  lora: { method: "lora", ...low },
  dora: { method: "lora", ...low, dora: true, bias: "all" },
  adaLora: {
    ...{ method: "adaLora", ...low, initR: 4, tinit: 0, tfinal: 0, deltaT: 1 },
    ...{ beta1: 0.85, beta2: 0.85, orthogonality: 0.5 },
  },
  prefix: { method: "pTuning", length: 3, projection: false, dropout: 0.3 },
  "projected prefix": { method: "pTuning", length: 3, projection: true, dropout: 0.3 },
  freeze: { method: "freeze", layers: 1 },
  embeddings: { method: "embeddings" },
  full: { method: "full" },
};

async function modelOf(family: string): Promise<Model> {
  const config = oracleConfig(family);
  const checkpoint = await openCheckpoint(oracleFolder(family));
  const base: BaseModel = {
    ...{ parameters: parametersOf(config), modules: modulesOf(config), config },
    read: async (name) => (await checkpoint.read(name)) as FloatTensor,
  };
  const weights = floatWeights((graph, name) => {
    const stored = checkpoint.tensors.get(name);
    if (!stored) throw new Error(`${family}: no weight ${name}`);
    return graph.weight(name, stored.dtype, stored.shape, stored);
  });
  return { config, base, weights };
}

async function batchOf(family: string) {
  const { input_ids, labels } = await oracleTensors(family.replace("-hf", ""), "forward");
  return { inputIds: rowsOf(input_ids!), labels: rowsOf(labels!) };
}

/** What some steps of a run give, with checkpointing or without. */
async function run(model: Model, family: string, method: AdapterConfig, gradientCheckpointing: boolean) {
  const adapter = createAdapter(method, model.base);
  const tensors = await adapter.initialize(1);
  // What starts at zero has no gradients beyond it.
  for (const { data } of Object.values(tensors)) data.set(data.map((value, i) => value + 0.05 * Math.sin(i)));
  const program = await trainingProgram(model.config, adapter, model.weights, cpu);
  const batch = await batchOf(family);
  const optimizer = adamWConfig({ lr: 0.01, clip: 1 });
  const state = adamW.init(tensors);
  const steps: GradientStep[] = [];
  for (let seed = 0; seed < STEPS; seed += 1) {
    const step = await program.gradients(batch, tensors, seed, { gradientCheckpointing });
    adamW.update(optimizer, state, tensors, step.gradients);
    steps.push(step);
  }
  await program.dispose();
  return steps;
}

async function mustBeTheSame(model: Model, family: string, method: AdapterConfig): Promise<void> {
  const kept = await run(model, family, method, false);
  const again = await run(model, family, method, true);
  expect(again.map(({ loss }) => loss)).toEqual(kept.map(({ loss }) => loss));
  expect(new Set(kept.map(({ loss }) => loss)).size).toBe(STEPS);
  for (const [step, { gradients }] of kept.entries()) {
    expect(Object.keys(gradients).length).toBeGreaterThan(0);
    for (const [name, { data }] of Object.entries(gradients)) {
      expect(again[step]?.gradients[name]?.data, name).toEqual(data);
    }
  }
}

describe.each(FAMILIES)("%s", (family) => {
  it.each(Object.keys(methods))("%s: the same losses and gradients, bit for bit", async (name) => {
    await mustBeTheSame(await modelOf(family), family, methods[name] as AdapterConfig);
  });
});

describe.each(["chatglm-6b", "glm-4-9b-hf"])("%s in fewer bits", (family) => {
  it.each([
    { quantize: "int8", precision: "exact" },
    { quantize: "int4", precision: "exact" },
    { quantize: "int4", precision: "fast" },
  ] satisfies Wanted[])("$quantize, $precision: the same losses and gradients, bit for bit", async (wanted) => {
    const config = oracleConfig(family);
    const { base, weights } = await heldModel(oracleFolder(family), config, wanted, scratch);
    const model = { config, base, weights };
    await mustBeTheSame(model, family, methods.lora as AdapterConfig);
    await mustBeTheSame(model, family, methods.dora as AdapterConfig);
  });
});

describe.each(["chatglm-6b", "chatglm2-6b"])("the graph of %s", (family) => {
  const graphOf = async (method: AdapterConfig, options = CHECKPOINTED): Promise<[Graph, Model]> => {
    const model = await modelOf(family);
    return [
      trainingGraph(model.config, createAdapter(method, model.base), model.weights, cpu.can, options).graph,
      model,
    ];
  };

  /** Values of every token that are made before the loss, and read after it. */
  const keptOf = (graph: Graph): Value[] => {
    const nodes = liveNodes(graph);
    const loss = graph.outputs.find(({ name }) => name === "loss")?.value;
    const end = nodes.findIndex(({ outputs }) => outputs.some((output) => output === loss)) + 1;
    const made = new Set(nodes.slice(0, end).flatMap(({ outputs }) => outputs));
    const read = new Set(nodes.slice(end).flatMap(({ inputs }) => inputs));
    return [...made].filter((value) => read.has(value) && value.shape.some((dim) => dim === "tokens" || dim === "seq"));
  };

  it("keeps of each layer its input alone", async () => {
    const [graph, { config }] = await graphOf(methods.lora as AdapterConfig);
    expect(keptOf(graph).map(({ shape }) => shape)).toEqual(
      Array.from({ length: config.layers }, () => ["tokens", config.hidden]),
    );
    const [without] = await graphOf(methods.lora as AdapterConfig, { gradientCheckpointing: false });
    expect(keptOf(without).length).toBeGreaterThan(8 * config.layers);
  });

  it.each(["lora", "full"])("goes through one layer after the other: %s", async (name) => {
    const [graph, { config }] = await graphOf(methods[name] as AdapterConfig);
    const gradientsOf = (layer: number): Value[] =>
      graph.outputs.flatMap((output) =>
        output.name.startsWith("gradient of ") && output.name.includes(`layers.${layer}.`) ? [output.value] : [],
      );
    for (let layer = 0; layer + 1 < config.layers; layer += 1) {
      const above = gradientsOf(layer + 1);
      expect(above.length).toBeGreaterThan(4);
      for (const value of gradientsOf(layer)) {
        const needed = ancestors(value);
        expect(above.filter((one) => !needed.has(one))).toEqual([]);
      }
    }
  });
});

/** All values that one is made of. */
function ancestors(of: Value): Set<Value> {
  const found = new Set<Value>();
  const open = [of];
  for (let value = open.pop(); value; value = open.pop()) {
    if (found.has(value)) continue;
    found.add(value);
    for (const input of value.node?.inputs ?? []) if (input) open.push(input);
  }
  return found;
}
