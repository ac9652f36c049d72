/** @file What a step is said to take beside what its graph must hold at once, with gradient checkpointing and without. */
import { describe, expect, it } from "vitest";
import { configOf, type ModelShape } from "../../bench/models/random-model.ts";
import type { AdapterConfig, BaseModel, LoraConfig } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { type Graph, liveNodes, type Value } from "../../src/graph/value.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { floatWeights } from "../../src/models/context.ts";
import { elementSize } from "../../src/tensor.ts";
import type { TokenBatch } from "../../src/train/batch.ts";
import { trainingGraph } from "../../src/train/graph.ts";
import { trainingBytes } from "../../src/train/step-memory.ts";

interface Size extends ModelShape {
  readonly rows: number;
  readonly seq: number;
  readonly labelled: number;
}

const sizes: Readonly<Record<string, Size>> = {
  "6 x 256, 16 x 128 tokens": {
    ...{ layers: 6, hidden: 256, ffn: 688, heads: 8, groups: 2, vocabulary: 4160 },
    ...{ rows: 16, seq: 128, labelled: 32 },
  },
  "12 x 512, 8 x 256 tokens": {
    ...{ layers: 12, hidden: 512, ffn: 1376, heads: 8, groups: 2, vocabulary: 4160 },
    ...{ rows: 8, seq: 256, labelled: 64 },
  },
};

const LORA: LoraConfig = { method: "lora", r: 8, alpha: 32, dropout: 0, targets: ["query_key_value"] };
const methods: Readonly<Record<string, AdapterConfig>> = {
  "LoRA on query_key_value": LORA,
  "LoRA on all linear modules": { ...LORA, targets: "all-linear" },
  "the same, dropout 0.1": { ...LORA, targets: "all-linear", dropout: 0.1 },
  full: { method: "full" },
};

/** onnxruntime runs what it can run early, and keeps blocks for later: it holds up to twice what must be held. */
const LARGEST_RATIO = 2.1;

describe.each(Object.keys(sizes))("a step of a random model, %s", (name) => {
  const { rows, seq, labelled, ...shape } = sizes[name] as Size;
  const config = configOf(shape);
  const base: BaseModel = {
    ...{ parameters: parametersOf(config), modules: modulesOf(config), config },
    read: async (tensor) => {
      throw new Error(`${tensor} was asked for`);
    },
  };
  const shapes = new Map(base.parameters.map((one) => [one.name, one.shape]));
  const weights = floatWeights((graph, weight) =>
    graph.input(weight, "float32", shapes.get(weight) as readonly number[]),
  );
  const ids = Array.from({ length: rows }, () => Array.from({ length: seq }, () => 5));
  const batch: TokenBatch = {
    inputIds: ids,
    labels: ids.map((row) => row.map((id, i) => (i < seq - labelled ? -100 : id))),
  };
  const lengths: Readonly<Record<string, number>> = {
    ...{ batch: rows, seq, position: seq, tokens: rows * seq, chosen: rows * labelled },
    "queries of a group": (shape.heads / shape.groups) * seq,
  };

  it.each(Object.keys(methods))(
    "is said to take no less than it must, and not much more than twice as much: %s",
    (method) => {
      const adapter = createAdapter(methods[method] as AdapterConfig, base);
      const [kept, again] = [false, true].map((gradientCheckpointing) => {
        const { graph } = trainingGraph(config, adapter, weights, cpu.can, { gradientCheckpointing });
        const held = heldBytes(graph, lengths);
        const said = trainingBytes(config, batch, { gradientCheckpointing, masked: adapter.masked });
        expect(said / held).toBeGreaterThan(1);
        expect(said / held).toBeLessThan(LARGEST_RATIO);
        return { held, said };
      }) as [Step, Step];
      // What checkpointing saves is said as it is.
      const [saved, saidSaved] = [again.held / kept.held, again.said / kept.said];
      expect(saved).toBeLessThan(0.6);
      expect(saidSaved / saved).toBeGreaterThan(0.7);
      expect(saidSaved / saved).toBeLessThan(1.3);
    },
  );
});

interface Step {
  readonly held: number;
  readonly said: number;
}

/** Nodes whose result is their operand, seen in another shape. */
const SAME: ReadonlySet<string> = new Set(["Reshape", "Identity", "Squeeze", "Unsqueeze"]);

/**
 * The most bytes that are needed at once when nodes run in their order and a value is given up after the last that reads it:
 * dropout's masks and what nodes make, but for the gradients that come out, which are counted elsewhere.
 */
function heldBytes(graph: Graph, lengths: Readonly<Record<string, number>>): number {
  const nodes = liveNodes(graph);
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owners.get(value) ?? value;
  const lastRead = new Map<Value, number>();
  for (const [i, { op, inputs, outputs }] of nodes.entries()) {
    if (SAME.has(op)) owners.set(outputs[0] as Value, ownerOf(inputs[0] as Value));
    for (const value of [...inputs, ...outputs]) if (value) lastRead.set(ownerOf(value), i);
  }
  const outputs = new Set(graph.outputs.map(({ value }) => ownerOf(value)));
  const isHeld = (value: Value): boolean => value.node !== undefined && !outputs.has(value);
  const masks = graph.inputs.filter(({ name }) => name.startsWith("dropout of "));
  const bytesOf = ({ shape, dtype }: Value): number =>
    shape.reduce<number>((size, dim) => size * (typeof dim === "number" ? dim : (lengths[dim] ?? Number.NaN)), 1) *
    elementSize[dtype];
  let held = masks.reduce((sum, mask) => sum + bytesOf(mask), 0);
  let most = 0;
  for (const [i, node] of nodes.entries()) {
    for (const made of node.outputs) if (ownerOf(made) === made && isHeld(made)) held += bytesOf(made);
    most = Math.max(most, held);
    const read = new Set([...node.inputs, ...node.outputs].flatMap((value) => (value ? [ownerOf(value)] : [])));
    for (const value of read) if (isHeld(value) && lastRead.get(value) === i) held -= bytesOf(value);
  }
  return most;
}
