/** @file The forward graph: ids in, logits and keys and values out. One serves prompts, decoding and every adapter. */
import { withSlots } from "../adapters/slots.ts";
import { Graph, type Value } from "../graph/value.ts";
import { architectureOf, modulesOf } from "../models/architectures.ts";
import { maskedAttention } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type BindWeights, overridden } from "../models/context.ts";
import { maskInput, modelInputs } from "../models/inputs.ts";

/** The graph inputs that carry a layer's keys and values of earlier tokens, and the outputs that carry those of its own. */
export const cacheName = (layer: number, part: "keys" | "values", of: "past" | "fresh"): string =>
  `${of}.${layer}.${part}`;

/**
 * Inputs: those of `modelInputs` (`select` has the same number for each row, row by row); mask; base parameters of the
 * names in `fed`; the adapters' slots; past.i.keys and past.i.values [batch, groups, past, size]: a cache of which the
 * mask hides what is not filled.
 * Outputs: logits [chosen, vocabulary]; fresh.i.keys and fresh.i.values [batch, groups, seq, size], for the cache. Outputs
 * are copied on their way to JavaScript: a cache that came back whole would cost more than attention.
 */
export function forwardGraph(config: ChatGLMConfig, weights: BindWeights, fed: readonly string[]): Graph {
  const graph = new Graph({ fusedMatMul: true });
  const { forward, parameters } = architectureOf(config);
  const inputs = modelInputs(graph, config);
  const past = (layer: number, part: "keys" | "values"): Value =>
    graph.input(cacheName(layer, part, "past"), "float32", ["batch", config.groups, "past", config.headSize]);
  const attend = maskedAttention(config, maskInput(graph, "all"), {
    past: (layer) => ({ keys: past(layer, "keys"), values: past(layer, "values") }),
    keep(layer, { keys, values }) {
      graph.output(keys, cacheName(layer, "keys", "fresh"));
      graph.output(values, cacheName(layer, "values", "fresh"));
    },
  });
  const shapes = new Map(parameters(config).map(({ name, shape }) => [name, shape]));
  const values = fed.map((name): [string, Value] => [name, graph.input(name, "float32", shapes.get(name) ?? [])]);
  const context = withSlots(overridden(weights(graph), new Map(values)), modulesOf(config));
  graph.output(forward(context, config, inputs, attend).logits, "logits");
  return graph;
}
