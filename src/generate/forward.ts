/** @file The forward graphs: ids in, logits and keys and values out. Each serves every adapter. */
import { withSlots } from "../adapters/slots.ts";
import { Graph, type Value } from "../graph/value.ts";
import { architectureOf, modulesOf } from "../models/architectures.ts";
import { type AttentionKind, beginningAttention, cacheAttention } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type BindWeights, overridden } from "../models/context.ts";
import { maskInput, modelInputs } from "../models/inputs.ts";

/** How the tokens of a run meet: with a cache that is extended in place, or among themselves, as the start of one. */
export type Attending = "cache" | "beginning";

/**
 * Inputs: those of `modelInputs` (`select` has the same number for each row, row by row); base parameters of the names
 * in `fed`; the adapters' slots; with a cache: last int32 [batch], total int32 [], past.i.key / past.i.value; else mask.
 * Outputs: logits [chosen, vocabulary]; present.i.key / present.i.value.
 */
export function forwardGraph(
  config: ChatGLMConfig,
  weights: BindWeights,
  attending: Attending,
  fed: readonly string[],
): Graph {
  const graph = new Graph({ fusedMatMul: true });
  const { forward, parameters } = architectureOf(config);
  const inputs = modelInputs(graph, config);
  const attend = attentions[attending](graph, config);
  const shapes = new Map(parameters(config).map(({ name, shape }) => [name, shape]));
  const values = fed.map((name): [string, Value] => [name, graph.input(name, "float32", shapes.get(name) ?? [])]);
  const context = withSlots(overridden(weights(graph), new Map(values)), modulesOf(config));
  graph.output(forward(context, config, inputs, attend).logits, "logits");
  return graph;
}

const attentions: Readonly<Record<Attending, (graph: Graph, config: ChatGLMConfig) => AttentionKind>> = {
  cache: (graph, config) =>
    cacheAttention(config, graph.input("last", "int32", ["batch"]), graph.input("total", "int32", [])),
  beginning: (graph, config) => beginningAttention(config, maskInput(graph, config)),
};
