/** @file The forward graph: ids in, logits and a longer cache out. One graph serves prefill, decoding and every adapter. */
import { withSlots } from "../adapters/slots.ts";
import { Graph } from "../graph/value.ts";
import { cacheAttention } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type Bind, baseContext, type ModuleSpec } from "../models/context.ts";
import { glm } from "../models/glm.ts";

/**
 * Inputs: ids, positions int64 [batch, seq]; cos, sin; select int64 [chosen] (the same number for each row, row by row);
 * last int32 [batch], total int32 []; past.i.key / past.i.value; the adapters' slots. Outputs: logits
 * [chosen, vocabulary], present.i.*.
 */
export function forwardGraph(config: ChatGLMConfig, modules: readonly ModuleSpec[], bind: Bind): Graph {
  const graph = new Graph({ fusedMatMul: true });
  const ids = graph.input("ids", "int64", ["batch", "seq"]);
  const positions = graph.input("positions", "int64", ["batch", "seq"]);
  const angles = ["position", config.headSize / 4];
  const cos = graph.input("cos", "float32", angles);
  const sin = graph.input("sin", "float32", angles);
  const select = graph.input("select", "int64", ["chosen"]);
  const last = graph.input("last", "int32", ["batch"]);
  const total = graph.input("total", "int32", []);
  const context = withSlots(
    baseContext(graph, (name) => bind(graph, name)),
    modules,
  );
  const { logits } = glm(context, config, { ids, positions, cos, sin, select }, cacheAttention(config, last, total));
  graph.output(logits, "logits");
  return graph;
}
