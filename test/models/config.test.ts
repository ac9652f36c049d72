/** @file What config.json says of a model: which family it is, what it needs, and what is refused by name. */
import { describe, expect, test } from "vitest";
import { type Family, readConfig } from "../../src/models/config.ts";
import { publishedGlm as glm } from "../published-config.ts";

const first = {
  model_type: "chatglm",
  num_layers: 28,
  hidden_size: 4096,
  inner_hidden_size: 16384,
  num_attention_heads: 32,
  vocab_size: 130528,
  position_encoding_2d: true,
};
const transformers = {
  model_type: "glm",
  num_hidden_layers: 40,
  hidden_size: 4096,
  intermediate_size: 13696,
  num_attention_heads: 32,
  num_key_value_heads: 2,
  head_dim: 128,
  vocab_size: 151552,
  attention_bias: true,
  rope_theta: 5e6,
};
const read = (json: Record<string, unknown>, roles = false) => readConfig(json, "m/config.json", { roles });

describe("the family", () => {
  test.each([
    [glm, false, "chatglm2-6b"],
    [glm, true, "chatglm3-6b"],
    [{ ...glm, _name_or_path: "THUDM/chatglm3-6b" }, false, "chatglm3-6b"],
    [{ ...glm, _name_or_path: "THUDM/chatglm2-6b" }, false, "chatglm2-6b"],
    [{ ...glm, _name_or_path: "THUDM/chatglm2-6b" }, true, "chatglm3-6b"],
    [{ ...glm, _name_or_path: "/AI/ChatGLM3-main/models/chatglm2-6b" }, false, "chatglm2-6b"],
    [{ ...glm, _name_or_path: "D:\\chatglm2\\ChatGLM3-6B\\" }, false, "chatglm3-6b"],
    [{ ...glm, glmlab_family: "chatglm3-6b", _name_or_path: "THUDM/chatglm2-6b" }, false, "chatglm3-6b"],
    [{ ...glm, eos_token_id: [2, 64795, 64797] }, false, "chatglm3-6b"],
    [{ ...glm, eos_token_id: 151336 }, false, "glm-4-9b"],
    [{ ...glm, padded_vocab_size: 151552 }, false, "glm-4-9b"],
    [{ ...glm, _name_or_path: "/root/out" }, true, "chatglm3-6b"],
    [{ ...glm, eos_token_id: [151329, 151336, 151338] }, false, "glm-4-9b"],
    [first, false, "chatglm-6b"],
    [transformers, false, "glm-4-9b"],
  ])("of %o with role tokens: %s is %s", (json, roles, family) => {
    expect(read(json, roles).family).toBe(family);
  });

  test.each([
    [{ model_type: "glm4" }, /GLM-4-0414/],
    [{ ...glm, vision_config: {} }, /images/],
    [{ ...first, eva_config: {}, image_length: 32 }, /VisualGLM-6B.*images/],
    [{ ...transformers, vision_config: {} }, /GLM-Edge-V/],
    [
      { ...transformers, vocab_size: 59264, partial_rotary_factor: 1, attention_bias: false },
      /GLM-Edge,[\s\S]*attention_bias/,
    ],
    [
      { ...first, quantization_embeddings: true, quantization_bit: 4 },
      /chatglm-6b-int4-qe[\s\S]*quantization_embeddings: .*true/,
    ],
    [{ ...glm, rope_ratio: 50, _name_or_path: "THUDM/chatglm2-6b-32k" }, /chatglm2-6b-32k[\s\S]*rope_ratio.* got 50/],
    [{ model_type: "glm", num_layers: 48, hidden_size: 4096, vocab_size: 50304 }, /GLM of 2021/],
    [{ model_type: "glm4_moe" }, /GLM-4.5.*mixture of experts/],
    [{ ...glm, rmsnorm: false }, /rmsnorm: only true is supported, got false/],
    [{ ...glm, interleaved_qkv: true }, /interleaved_qkv/],
    [{ ...glm, quantization_config: { quant_method: "gptq" } }, /quantization_config: it is not known here/],
    [{ ...glm, sliding_window: 4096 }, /sliding_window: it is not known here.*4096/],
    [{ ...transformers, rope_scaling: { type: "yarn" } }, /rope_scaling/],
    [{ ...transformers, rope_parameters: { rope_theta: 1e4, factor: 4 } }, /rope_parameters.factor/],
    [{ model_type: "llama" }, /"llama"/],
    [{}, /no model_type/],
  ])("of %o is refused by name", (json, said) => {
    expect(() => read(json)).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringMatching(said) }),
    );
  });
});

test("what says nothing about the computation is ignored, and what is off", () => {
  const harmless = {
    _name_or_path: "/root/out",
    architectures: ["ChatGLMForConditionalGeneration"],
    auto_map: { AutoModel: "modeling_chatglm.ChatGLMModel" },
    torch_dtype: "float16",
    transformers_version: "4.44.0",
    use_cache: true,
    bias_dropout_fusion: true,
    attention_softmax_in_fp32: true,
    hidden_dropout: 0.1,
    classifier_dropout: null,
    num_hidden_layers: 28,
    pad_token_id: 0,
    eos_token_id: 2,
    temperature: 0.8,
    pre_seq_len: 128,
    prefix_projection: true,
    unsloth_version: "2024.8",
    sliding_window: null,
    quantization_config: {},
  };
  expect(read({ ...glm, ...harmless })).toEqual(read(glm));
});

describe("a family that the user says", () => {
  test("decides among those that share an architecture", () => {
    for (const family of ["chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const) {
      expect(readConfig({ ...glm, _name_or_path: "chatglm2-6b" }, "m", { roles: true, family }).family).toBe(family);
    }
  });

  test("is refused where the architecture is another's", () => {
    const said = (json: Record<string, unknown>, family: Family) => () => readConfig(json, "m", { family });
    for (const refused of [said(first, "chatglm3-6b"), said(transformers, "chatglm3-6b"), said(glm, "chatglm-6b")]) {
      expect(refused).toThrow(
        expect.objectContaining({ code: "option-invalid", message: expect.stringMatching(/family: /) }),
      );
    }
  });
});

describe("positions", () => {
  test("theta grows with rope_ratio, but not for ChatGLM2, which scales positions instead", () => {
    expect(read({ ...glm, rope_ratio: 50 }, true).ropeBase).toBe(500_000);
    expect(() => read({ ...glm, rope_ratio: 50 })).toThrow(/rope_ratio: only 1 is supported for chatglm2-6b, got 50/);
    expect(read({ ...transformers, rope_theta: undefined, rope_parameters: { rope_theta: 1e4 } }).ropeBase).toBe(1e4);
  });

  test("ChatGLM-6B's first release did not name its tokens", () => {
    expect(read(first).prefixIds).toEqual({ sop: 130004, gmask: 130001, mask: 130000 });
    expect(read({ ...first, vocab_size: 150528 }).prefixIds).toEqual({ sop: 150004, gmask: 150001, mask: 150000 });
  });
});

test("every fault is named at once", () => {
  const faults = { num_layers: 0, kv_channels: 6, quantization_bit: 3, rmsnorm: false };
  expect(() => read({ ...glm, ...faults })).toThrow(
    expect.objectContaining({
      code: "model-invalid",
      message: expect.stringMatching(/rmsnorm[\s\S]*quantization_bit[\s\S]*num_layers[\s\S]*multiple of 4, got 6/),
    }),
  );
});
