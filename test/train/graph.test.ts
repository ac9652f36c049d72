/** @file Training graphs: what they compute for an adapter, and what they leave alone. */
import { describe, expect, it } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { type Graph, liveNodes } from "../../src/graph/value.ts";
import { evaluationGraph, trainingGraph } from "../../src/train/graph.ts";
import { type GradientStep, trainingProgram } from "../../src/train/program.ts";
import { deviation } from "../oracle.ts";
import { oracleModel } from "./trainee.ts";

const model = await oracleModel();
const layer = (index: number): string => `transformer.encoder.layers.${index}`;
const lora = (...targets: string[]): AdapterConfig => ({ method: "lora", r: 4, alpha: 8, dropout: 0, targets });
const onLayer = (index: number): AdapterConfig => lora(`${layer(index)}.self_attention.query_key_value`);

const graphOf = (config: AdapterConfig): Graph =>
  trainingGraph(model.config, createAdapter(config, model.base), model.weights, cpu.can).graph;

/** The base parameters that nodes after the loss read: those that gradients go through. */
function readGoingBack(graph: Graph): string[] {
  const nodes = liveNodes(graph);
  const loss = graph.outputs.find(({ name }) => name === "loss")?.value;
  const back = nodes.slice(nodes.findIndex(({ outputs }) => outputs.some((output) => output === loss)) + 1);
  const read = new Set(back.flatMap(({ inputs }) => inputs));
  return [...graph.weights.keys()].filter((weight) => read.has(weight)).map(({ name }) => name);
}

describe("gradients", () => {
  const attention = `${layer(1)}.self_attention`;
  const above = [
    `${attention}.dense.weight`,
    `${layer(1)}.post_attention_layernorm.weight`,
    `${layer(1)}.mlp.dense_h_to_4h.weight`,
    `${layer(1)}.mlp.dense_4h_to_h.weight`,
    "transformer.encoder.final_layernorm.weight",
    "transformer.output_layer.weight",
  ];

  it("go no lower than the lowest adapter", () => {
    expect(readGoingBack(graphOf(onLayer(1))).sort()).toEqual([...above].sort());
    const lower = readGoingBack(graphOf(onLayer(0)));
    expect(lower).toContain(`${attention}.query_key_value.weight`);
    expect(lower).toContain(`${layer(1)}.input_layernorm.weight`);
    expect(lower).not.toContain(`${layer(0)}.self_attention.query_key_value.weight`);
    expect(lower).not.toContain(`${layer(0)}.input_layernorm.weight`);
    expect(lower).not.toContain("transformer.embedding.word_embeddings.weight");
  });

  it("take fewer nodes the higher the adapter is", () => {
    const count = (config: AdapterConfig): number => liveNodes(graphOf(config)).length;
    const alone = liveNodes(
      evaluationGraph(model.config, createAdapter(onLayer(1), model.base), model.weights, cpu.can),
    ).length;
    const [top, bottom, both] = [count(onLayer(1)), count(onLayer(0)), count(lora("query_key_value"))];
    expect(top).toBeLessThan(2 * alone);
    expect(bottom).toBeGreaterThan(top + 30);
    expect(both - bottom).toBeLessThan(15);
  });

  it("of parameters that are chosen by name are those of training all", async () => {
    const rows = { inputIds: [[5, 6, 7, 8, 9]], labels: [[-100, -100, 7, 8, 9]] };
    const gradientsOf = async (config: AdapterConfig) => {
      const adapter = createAdapter(config, model.base);
      const program = await trainingProgram(model.config, adapter, model.weights, cpu);
      const { gradients } = await program.gradients(rows, await adapter.initialize(0), 0);
      await program.dispose();
      return gradients;
    };
    const all = await gradientsOf({ method: "full" });
    const some = await gradientsOf({ method: "full", match: ["layers.1.mlp", "word_embeddings"] });
    expect(Object.keys(some)).toHaveLength(3);
    for (const [name, { data }] of Object.entries(some)) {
      expect(deviation(data, all[name]?.data ?? []), name).toBeLessThan(1e-6);
    }
  });
});

describe("a batch", () => {
  const rows = {
    inputIds: [
      [11, 12, 13, 14, 15, 16, 17],
      [21, 22, 23],
      [31, 32, 33, 34],
    ],
    labels: [
      [-100, -100, -100, 14, -100, 16, 17],
      [-100, 22, 23],
      [-100, -100, -100, 34],
    ],
  };
  const adapter = createAdapter(lora("query_key_value", "dense_4h_to_h"), model.base);

  /** B starts at zero; an update that does something tests more. */
  async function values() {
    const tensors = await adapter.initialize(0);
    for (const { data } of Object.values(tensors)) data.set(data.map((_, i) => 0.1 * Math.sin(i)));
    return tensors;
  }

  it("has the token-weighted mean loss and gradients of its rows: padding changes nothing", async () => {
    const tensors = await values();
    const program = await trainingProgram(model.config, adapter, model.weights, cpu);
    const whole = await program.gradients(rows, tensors, 0);
    const parts: GradientStep[] = [];
    for (const [i, ids] of rows.inputIds.entries()) {
      const labels = rows.labels[i] as number[];
      parts.push(await program.gradients({ inputIds: [ids], labels: [labels] }, tensors, 0));
    }
    await program.dispose();
    expect(parts.map(({ tokens }) => tokens)).toEqual([3, 2, 1]);
    expect(whole.tokens).toBe(6);
    const mean = (of: (part: GradientStep) => number) =>
      parts.reduce((sum, part) => sum + (of(part) * part.tokens) / whole.tokens, 0);
    expect(whole.loss).toBeCloseTo(
      mean(({ loss }) => loss),
      5,
    );
    for (const [name, { data }] of Object.entries(whole.gradients)) {
      const expected = Array.from(data, (_, i) => mean(({ gradients }) => gradients[name]?.data[i] as number));
      const largest = Math.max(...expected.map(Math.abs));
      expect(Math.max(...expected.map((e, i) => Math.abs(e - (data[i] as number)))) / largest, name).toBeLessThan(1e-4);
    }
  });

  it("has the same loss when it is only evaluated, where dropout is off", async () => {
    const tensors = await values();
    const dropping = createAdapter({ ...adapter.config, dropout: 0.5 } as AdapterConfig, model.base);
    const program = await trainingProgram(model.config, dropping, model.weights, cpu);
    const plain = await trainingProgram(model.config, adapter, model.weights, cpu);
    const evaluated = await program.loss(rows, tensors);
    expect(evaluated.tokens).toBe(6);
    expect(evaluated.loss).toBeCloseTo((await plain.gradients(rows, tensors, 0)).loss, 5);
    const dropped = await program.gradients(rows, tensors, 1);
    expect(Math.abs(dropped.loss - evaluated.loss)).toBeGreaterThan(1e-4);
    expect((await program.gradients(rows, tensors, 1)).loss).toBe(dropped.loss);
    expect((await program.gradients(rows, tensors, 2)).loss).not.toBe(dropped.loss);
    await program.dispose();
    await plain.dispose();
  });
});

it("the head is computed only where there are labels", () => {
  const graph = graphOf(lora("query_key_value"));
  const head = [...graph.weights.keys()].find(({ name }) => name === "transformer.output_layer.weight");
  const logits = graph.nodes.find(({ inputs }) => head !== undefined && inputs.includes(head));
  expect(logits?.outputs[0]?.shape).toEqual(["chosen", model.config.vocabulary]);
});
