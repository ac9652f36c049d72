/** @file The ChatGLM2/3 definition against the published code: hidden states, logits, loss and all gradients. */
import { describe, expect, it } from "vitest";
import type { BaseModel } from "../../src/adapters/adapter.ts";
import { full } from "../../src/adapters/full.ts";
import { compileForCpu } from "../../src/engine/ort.ts";
import { Graph } from "../../src/graph/value.ts";
import { maskedAttention } from "../../src/models/attention.ts";
import { type Bind, baseContext } from "../../src/models/context.ts";
import { glm, glmModules, glmParameters } from "../../src/models/glm.ts";
import type { FloatTensor } from "../../src/tensor.ts";
import { batchTensors } from "../../src/train/batch.ts";
import { gradientName, trainingGraph } from "../../src/train/graph.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { deviation, floats, oracleConfig, oracleFolder, oracleJson, oracleTensors, rowsOf } from "../oracle.ts";

describe.each(["chatglm2-6b", "chatglm3-6b"])("%s", (family) => {
  const config = oracleConfig(family);
  const setUp = async () => {
    const checkpoint = await openCheckpoint(oracleFolder(family));
    const bind: Bind = (graph, name) => {
      const { dtype, shape, file, offset, bytes } = checkpoint.tensors.get(name)!;
      return graph.weight(name, dtype, shape, { file, offset, bytes });
    };
    const base: BaseModel = {
      parameters: glmParameters(config),
      modules: glmModules(config),
      read: async (name) => (await checkpoint.read(name)) as FloatTensor,
    };
    const forward = await oracleTensors(family, "forward");
    const batch = {
      inputIds: rowsOf(forward.input_ids!),
      labels: rowsOf(forward.labels!),
    };
    return { bind, base, forward, batch: batchTensors(batch, config) };
  };

  it("computes the hidden states and logits of the published code", async () => {
    const { bind, forward, batch } = await setUp();
    const graph = new Graph({ fusedMatMul: true });
    const input = (name: string) => {
      const { dtype, shape } = batch.tensors[name]!;
      return graph.input(name, dtype, name === "ids" || name === "positions" ? ["batch", "seq"] : shape);
    };
    const inputs = {
      ids: input("ids"),
      positions: input("positions"),
      cos: input("cos"),
      sin: input("sin"),
    };
    const context = baseContext(graph, (name) => bind(graph, name));
    const { logits, hidden } = glm(context, config, inputs, maskedAttention(config, input("mask")));
    graph.output(logits, "logits");
    for (const [i, value] of hidden.entries()) graph.output(value, `hidden.${i}`);
    const program = await compileForCpu(graph);
    const { select: _, targets: __, weights: ___, ...feeds } = batch.tensors;
    const results = await program.run(feeds);
    for (const name of Object.keys(results)) {
      expect(deviation(floats(results[name]), floats(forward[name])), name).toBeLessThan(1e-4);
    }
    await program.dispose();
  });

  it("computes the loss and the gradient of every parameter", async () => {
    const { bind, base, batch } = await setUp();
    const adapter = full({ method: "full" }, base);
    const { graph } = trainingGraph(config, adapter, bind);
    const program = await compileForCpu(graph);
    const results = await program.run({
      ...batch.tensors,
      ...(await adapter.initialize(0)),
    });
    const expected = oracleJson(family, "expected.json") as {
      forward: { loss: number };
    };
    expect(floats(results.loss)[0]).toBeCloseTo(expected.forward.loss, 4);
    const reference = await oracleTensors(family, "gradients-full");
    for (const { name } of adapter.parameters) {
      expect(deviation(floats(results[gradientName(name)]), floats(reference[name])), name).toBeLessThan(1e-4);
    }
    await program.dispose();
  });
});
