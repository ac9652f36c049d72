/** @file Every family's definition against the published code: hidden states, logits, loss and all gradients. */
import { describe, expect, it } from "vitest";
import type { BaseModel } from "../../src/adapters/adapter.ts";
import { full } from "../../src/adapters/base-parameters.ts";
import { compileForCpu, cpu } from "../../src/backend/cpu.ts";
import { Graph } from "../../src/graph/value.ts";
import { architectureOf, modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { maskedAttention } from "../../src/models/attention.ts";
import { floatWeights } from "../../src/models/context.ts";
import { maskInput, modelInputs } from "../../src/models/inputs.ts";
import { type FloatTensor, sizeOf } from "../../src/tensor.ts";
import { batchTensors } from "../../src/train/batch.ts";
import { gradientName, trainingGraph } from "../../src/train/graph.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { deviation, floats, oracleConfig, oracleFolder, oracleJson, oracleTensors, rowsOf } from "../oracle.ts";

/** transformers' layout holds GLM-4's weights under other names, so GLM-4's numbers hold for it. */
const cases: readonly { readonly folder: string; readonly expected: string }[] = [
  ...["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b"].map((folder) => ({ folder, expected: folder })),
  { folder: "glm-4-9b-hf", expected: "glm-4-9b" },
];

describe.each(cases)("$folder", ({ folder, expected }) => {
  const config = oracleConfig(folder);
  const setUp = async () => {
    const checkpoint = await openCheckpoint(oracleFolder(folder));
    const weights = floatWeights((graph, name) => {
      const { dtype, shape, file, offset, bytes } = checkpoint.tensors.get(name)!;
      return graph.weight(name, dtype, shape, { file, offset, bytes });
    });
    const base: BaseModel = {
      parameters: parametersOf(config),
      modules: modulesOf(config),
      config,
      read: async (name) => (await checkpoint.read(name)) as FloatTensor,
    };
    const forward = await oracleTensors(expected, "forward");
    const batch = {
      inputIds: rowsOf(forward.input_ids!),
      labels: rowsOf(forward.labels!),
    };
    return { weights, base, forward, batch: batchTensors(batch, config) };
  };

  it("computes the hidden states and logits of the published code", async () => {
    const { weights, forward, batch } = await setUp();
    const graph = new Graph({ fusedMatMul: true });
    const { select: _, ...inputs } = modelInputs(graph, config);
    const attend = maskedAttention(config, maskInput(graph));
    const { logits, hidden } = architectureOf(config).forward(weights(graph), config, inputs, attend);
    graph.output(logits, "logits");
    for (const [i, value] of hidden.entries()) graph.output(value, `hidden.${i}`);
    const program = await compileForCpu(graph);
    const { targets: __, weights: ___, ...feeds } = batch.tensors;
    const results = await program.run(feeds);
    expect(Object.keys(results)).toHaveLength(config.layers + 2);
    for (const name of Object.keys(results)) {
      // The reference's last hidden state is that after the final norm, but for ChatGLM2 and ChatGLM3.
      if (!/^chatglm[23]/.test(expected) && name === `hidden.${config.layers}`) continue;
      expect(deviation(floats(results[name]), floats(forward[name])), name).toBeLessThan(1e-4);
    }
    await program.dispose();
  });

  it("computes the loss and the gradient of every parameter", async () => {
    const { weights, base, batch } = await setUp();
    const adapter = full({ method: "full" }, base);
    const { graph } = trainingGraph(config, adapter, weights, cpu.can);
    const program = await compileForCpu(graph);
    const results = await program.run({
      ...batch.tensors,
      ...(await adapter.initialize(0)),
    });
    const { forward } = oracleJson(expected, "expected.json") as { forward: { loss: number } };
    expect(floats(results.loss)[0]).toBeCloseTo(forward.loss, 4);
    const gradients = adapter.parameters.map(({ name }) => ({ name, value: floats(results[gradientName(name)]) }));
    const reference = await oracleTensors(expected, "gradients-full");
    if (folder === expected) {
      expect(gradients.map(({ name }) => name).sort()).toEqual(Object.keys(reference).sort());
      for (const { name, value } of gradients) {
        expect(deviation(value, floats(reference[name])), name).toBeLessThan(1e-4);
      }
    } else {
      const renamed = gradients.map(({ name, value }) => ({ name: publishedName(name), value }));
      for (const [name, { shape, data }] of Object.entries(reference)) {
        const parts = renamed.filter((gradient) => gradient.name === name).map(({ value }) => Array.from(value));
        expect(parts.flat(), name).toHaveLength(sizeOf(shape));
        expect(deviation(parts.flat(), data as Float32Array), name).toBeLessThan(1e-4);
      }
    }
    await program.dispose();
  });
});

/** The published tensor of which one in transformers' layout is all, or a part: queries, keys and values in this order. */
function publishedName(name: string): string {
  return name
    .replace("model.embed_tokens", "transformer.embedding.word_embeddings")
    .replace("lm_head", "transformer.output_layer")
    .replace("model.norm", "transformer.encoder.final_layernorm")
    .replace("model.layers", "transformer.encoder.layers")
    .replace(/self_attn\.[qkv]_proj/, "self_attention.query_key_value")
    .replace("self_attn.o_proj", "self_attention.dense")
    .replace("gate_up_proj", "dense_h_to_4h")
    .replace("down_proj", "dense_4h_to_h");
}
