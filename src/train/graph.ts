/** @file The training graph: a batch in, the loss and every trainable tensor's gradient out. */
import type { Adapter, Dropout } from "../adapters/adapter.ts";
import type { Capabilities } from "../backend/device.ts";
import { gradients } from "../graph/gradient.ts";
import { logSumExp } from "../graph/layers.ts";
import { add, gatherElements, mul, reduceSum, sub } from "../graph/ops.ts";
import { Graph, type Shape, type Value } from "../graph/value.ts";
import { architectureOf } from "../models/architectures.ts";
import { maskedAttention } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights } from "../models/context.ts";
import { maskInput, modelInputs } from "../models/inputs.ts";
import type { Checkpointing } from "./checkpointing.ts";

/** A dropout mask that must be fed: its rows are "tokens" (of the batch) or "chosen" (those with a label). */
export interface MaskInput {
  readonly name: string;
  readonly place: string;
  readonly shape: Shape;
  readonly rate: number;
}

export interface TrainingGraph {
  readonly graph: Graph;
  readonly masks: readonly MaskInput[];
}

export const gradientName = (parameter: string): string => `gradient of ${parameter}`;

/**
 * Inputs: those of `modelInputs`; mask, added to attention scores; select int64 [chosen]
 * (the tokens that predict a label); targets int64 [chosen, 1]; weights [chosen] (how much each label counts; they sum
 * to 1 for a mean); the adapter's parameters and numbers; dropout masks. Outputs: loss [1], "gradient of NAME".
 */
export function trainingGraph(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  can: Capabilities,
  { gradientCheckpointing = false }: Checkpointing = {},
): TrainingGraph {
  const { graph, masks, loss, trained, hidden } = lossGraph(config, adapter, weights, can, true);
  const found = gradients(loss, trained, gradientCheckpointing ? hidden : []);
  trained.forEach((value, i) => {
    graph.output(found[i] as Value, gradientName(value.name));
  });
  return { graph, masks };
}

/** The same without gradients and without dropout, to measure with. */
export function evaluationGraph(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  can: Capabilities,
): Graph {
  return lossGraph(config, adapter, weights, can, false).graph;
}

function lossGraph(
  config: ChatGLMConfig,
  adapter: Adapter,
  weights: BindWeights,
  can: Capabilities,
  training: boolean,
) {
  const graph = new Graph({ ...can.graph, fusedNorm: false, manyRows: true });
  const inputs = modelInputs(graph, config);
  const mask = maskInput(graph, adapter.prefixLength ? "all" : "seq");
  const targets = graph.input("targets", "int64", ["chosen", 1]);
  const shares = graph.input("weights", "float32", ["chosen", 1]);
  const trained = adapter.parameters.map(({ name, shape }) => graph.input(name, "float32", shape));
  const masks: MaskInput[] = [];
  const dropout: Dropout = (x, place, rate) => {
    if (rate === 0 || !training) return x;
    const input = { name: `dropout of ${place}`, place, shape: x.shape, rate };
    masks.push(input);
    return mul(x, graph.input(input.name, "float32", x.shape));
  };
  const fed = Object.entries(adapter.numbers ?? {}).map(([name, { shape }]) => ({ name, shape }));
  const numbers = [...fed, ...(adapter.measured?.shapes ?? [])].map(({ name, shape }) =>
    graph.input(name, "float32", shape),
  );
  const byName = new Map([...trained, ...numbers].map((value) => [value.name, value]));
  const { context, prefix, penalty } = adapter.applyToTraining(weights(graph), byName, dropout);
  const attention = maskedAttention(config, mask, prefix && { past: prefix });
  const { logits, hidden } = architectureOf(config).forward(context, config, inputs, attention);
  const mean = reduceSum(mul(crossEntropy(logits, targets), shares), [0, 1], false);
  const loss = penalty && training ? add(mean, penalty) : mean;
  graph.output(loss, "loss");
  return { graph, masks, loss, trained, hidden };
}

/** -log softmax(logits)[target] for each row: [rows, 1]. */
const crossEntropy = (logits: Value, targets: Value): Value => sub(logSumExp(logits), gatherElements(logits, targets));
