/** @file Names of targets that others use, in ChatGLM's own layout and in transformers'. */
import { describe, expect, it } from "vitest";
import { targetNames } from "../../src/adapters/target-names.ts";
import { modulesOf } from "../../src/models/architectures.ts";
import { oracleConfig } from "../oracle.ts";

const published = modulesOf(oracleConfig("chatglm2-6b"));
const transformers = modulesOf(oracleConfig("glm-4-9b-hf"));
const understood = "Targets by their names in this model: ";
const whole = " query_key_value is one module for query, key and value.";

describe("targets in ChatGLM's layout", () => {
  it.each([
    ["query,value", "query_key_value", `${understood}query → query_key_value; value → query_key_value.${whole}`],
    ["q_proj,v_proj", "query_key_value", `${understood}q_proj → query_key_value; v_proj → query_key_value.${whole}`],
    [
      "query,key,value,dense",
      "query_key_value,dense",
      `${understood}query → query_key_value; key → query_key_value; value → query_key_value.${whole}`,
    ],
    [
      "query_key_value,o_proj,down_proj",
      "query_key_value,dense,dense_4h_to_h",
      `${understood}o_proj → dense; down_proj → dense_4h_to_h.`,
    ],
    [
      "gate_proj,up_proj",
      "dense_h_to_4h",
      `${understood}gate_proj → dense_h_to_4h; up_proj → dense_h_to_4h. dense_h_to_4h is one module for gate and up.`,
    ],
    ["query_key_value,dense", "query_key_value,dense", undefined],
    ["encoder.layers.0.self_attention.dense", "encoder.layers.0.self_attention.dense", undefined],
    ["nothing,constructor", "nothing,constructor", undefined],
  ])("%s are %s", (targets, names, note) => {
    expect(targetNames(targets.split(","), published)).toEqual({
      names: names.split(","),
      ...(note === undefined ? {} : { note }),
    });
  });
});

describe("targets in transformers' layout", () => {
  it.each([
    ["query,value", "q_proj,v_proj", `${understood}query → q_proj; value → v_proj.`],
    ["q_proj,v_proj", "q_proj,v_proj", undefined],
    ["query_key_value,dense", "q_proj,k_proj,v_proj,o_proj", undefined],
    ["up_proj", "gate_up_proj", `${understood}up_proj → gate_up_proj. gate_up_proj is one module for gate and up.`],
  ])("%s are %s", (targets, names, note) => {
    expect(targetNames(targets.split(","), transformers)).toEqual({
      names: names.split(","),
      ...(note === undefined ? {} : { note }),
    });
  });
});
