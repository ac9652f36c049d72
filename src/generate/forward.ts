/** @file Forward graphs: ids in, logits and keys and values out. One serves prompts, decoding and every adapter. */
import { type Slot, withSlots } from "../adapters/slots.ts";
import type { Capabilities } from "../backend/device.ts";
import { concat } from "../graph/ops.ts";
import { Graph, type Shape, type Value } from "../graph/value.ts";
import { architectureOf } from "../models/architectures.ts";
import { type Attention, attentionInPlace, type KeysValues, maskedAttention } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type BindWeights, overridden } from "../models/context.ts";
import { maskInput, modelInputs } from "../models/inputs.ts";
import { outputLeaders } from "./likeliest.ts";

/**
 * How a graph meets keys and values:
 * - `appending`: it reads a cache under a mask, which hides what is not filled, and returns those of its own tokens. A cache
 *   that came back whole would cost more than attention, where outputs are copied on their way to JavaScript.
 * - `beginning`: under a mask, and without any past; it returns a cache that begins with its own tokens.
 * - `beginning after a prefix`: the same, where rows have keys and values before their tokens, with which the cache begins.
 * - `in place`: it reads a cache that says how much of it is filled, and writes those of its own tokens into it. Causal.
 * - `in place after a prefix`: the same, where a token's position is not its place in the cache.
 */
export type CacheUse = "appending" | "beginning" | "beginning after a prefix" | "in place" | "in place after a prefix";

/** The graph inputs that carry a layer's keys and values of earlier tokens, and the outputs that carry those of its own. */
export const cacheName = (layer: number, part: "keys" | "values", of: "past" | "fresh"): string =>
  `${of}.${layer}.${part}`;

/** What follows a row's own tokens in the cache that `beginning` returns. */
export const ROOM = "room";

/** What comes out of a graph: scores of all tokens, or what the likeliest one is found by. */
export type Wanted = "logits" | "likeliest";

export interface ForwardOptions {
  readonly wanted: Wanted;
  readonly cache: CacheUse;
  /** Base parameters that are fed, by name. */
  readonly fed: readonly string[];
  /** Where adapters sit. */
  readonly slots: readonly Slot[];
  readonly can: Capabilities;
}

/**
 * Inputs: those of `modelInputs` (`select` has the same number for each row, row by row); base parameters of the names in
 * `fed`; the adapters' slots; and by how the cache is used:
 * - `appending`: mask; past.i.keys and past.i.values [batch, groups, past, size]
 * - `beginning`: mask; room [batch, groups, room, size]
 * - `beginning after a prefix`: these, and past.i.keys and past.i.values, which the mask covers
 * - `in place`: last int32 [batch], total int32 [] (see `CachedAttention`); past.i.keys and past.i.values
 *
 * Outputs: logits [chosen, vocabulary], or of these the leaders (likeliest.ts); fresh.i.keys and fresh.i.values: of the run's tokens [batch, groups, seq, size], or
 * the whole cache.
 */
export function forwardGraph(config: ChatGLMConfig, weights: BindWeights, options: ForwardOptions): Graph {
  const { fed, slots, can } = options;
  const graph = new Graph(can.graph);
  const { forward, parameters } = architectureOf(config);
  const inputs = modelInputs(graph, config);
  const attention = attentionTo(graph, config, options.cache);
  const shapes = new Map(parameters(config).map(({ name, shape }) => [name, shape]));
  const values = fed.map((name): [string, Value] => [name, graph.input(name, "float32", shapes.get(name) ?? [])]);
  const context = withSlots(overridden(weights(graph), new Map(values)), slots);
  const { logits } = forward(context, config, inputs, attention);
  if (options.wanted === "logits") graph.output(logits, "logits");
  else outputLeaders(logits, config.vocabulary);
  return graph;
}

function attentionTo(graph: Graph, config: ChatGLMConfig, use: CacheUse): Attention {
  const block = (name: string, length: string): Value => {
    const shape: Shape = ["batch", config.groups, length, config.headSize];
    return graph.input(name, "float32", shape);
  };
  const past = (layer: number) => ({
    keys: block(cacheName(layer, "keys", "past"), "past"),
    values: block(cacheName(layer, "values", "past"), "past"),
  });
  const keep = (layer: number, { keys, values }: { readonly keys: Value; readonly values: Value }): void => {
    graph.output(keys, cacheName(layer, "keys", "fresh"));
    graph.output(values, cacheName(layer, "values", "fresh"));
  };
  switch (use) {
    case "appending":
      return maskedAttention(config, maskInput(graph, "all"), { past, keep });
    case "beginning": {
      const room = block(ROOM, "room");
      return maskedAttention(config, maskInput(graph), {
        keep: (layer, { keys, values }) =>
          keep(layer, { keys: concat([keys, room], 2), values: concat([values, room], 2) }),
      });
    }
    case "beginning after a prefix": {
      const [room, mask] = [block(ROOM, "room"), maskInput(graph, "all")];
      const pasts = new Map<number, KeysValues>();
      const pastOf = (layer: number): KeysValues => {
        const known = pasts.get(layer) ?? past(layer);
        pasts.set(layer, known);
        return known;
      };
      return maskedAttention(config, mask, {
        past: pastOf,
        keep: (layer, fresh) => {
          const before = pastOf(layer);
          keep(layer, {
            keys: concat([before.keys, fresh.keys, room], 2),
            values: concat([before.values, fresh.values, room], 2),
          });
        },
      });
    }
    case "in place":
    case "in place after a prefix": {
      const [last, total] = [graph.input("last", "int32", ["batch"]), graph.input("total", "int32", [])];
      return attentionInPlace(config, { past, keep, last, total }, use === "in place");
    }
  }
}
