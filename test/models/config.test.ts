/** @file What config.json says of a model: which family it is, what it needs, and what is refused by name. */
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/models/config.ts";
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
    [{ ...glm, _name_or_path: "THUDM/chatglm2-6b" }, true, "chatglm2-6b"],
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
    [{ model_type: "llama" }, /"llama"/],
    [{}, /no model_type/],
  ])("of %o is refused by name", (json, said) => {
    expect(() => read(json)).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringMatching(said) }),
    );
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
