/** @file The table of all parameters: what is alike stands together, and the sizes are those of the shapes. */
import { expect, test } from "vitest";
import { parameterTable } from "../../magics/render/parameter-table.ts";
import { renderTable } from "../../magics/render/table.ts";
import { parameterGroups, totalMemory } from "../../src/api/parameter-groups.ts";
import { type AdapterConfig, adaLora, countParameters, freeze, full, lora, pTuning } from "../../src/index.ts";
import { publishedChatglm6b, publishedGlm } from "../published-config.ts";

async function table(model: Readonly<Record<string, unknown>>, method: AdapterConfig) {
  const { summary, base, adapter } = await countParameters(model, method);
  const groups = parameterGroups(base, adapter);
  return {
    rendered: renderTable(parameterTable({ base, adapter, all: summary.all, caption: String(summary) })),
    groups,
    summary,
  };
}
const half = { ...publishedGlm, torch_dtype: "float16" };

test("28 layers with LoRA", async () => {
  const { rendered, groups, summary } = await table(half, lora());
  expect(rendered["text/plain"]).toMatchInlineSnapshot(`
    "trainable params: 1,949,696 || all params: 6,245,533,696 || trainable%: 0.031217444255383614
    Values are counted in the types of the files; held exactly, floats take 4 bytes each.
    parameter        shape               dtype    trains          count   values  gradients    AdamW
    ───────────────  ──────────────────  ───────  ──────  ─────────────  ───────  ─────────  ───────
    transformer.embedding.word_embeddings
      weight         [65024, 4096]       float16            266,338,304   533 MB
    transformer.encoder.layers.0–27.input_layernorm
      weight         28 × [4096]         float16                114,688   229 kB
    transformer.encoder.layers.0–27.self_attention.query_key_value
      weight         28 × [4608, 4096]   float16            528,482,304  1.06 GB
      bias           28 × [4608]         float16                129,024   258 kB
      lora_A.weight  28 × [8, 4096]      float32  yes           917,504  3.67 MB    3.67 MB  7.34 MB
      lora_B.weight  28 × [4608, 8]      float32  yes         1,032,192  4.13 MB    4.13 MB  8.26 MB
    transformer.encoder.layers.0–27.self_attention.dense
      weight         28 × [4096, 4096]   float16            469,762,048   940 MB
    transformer.encoder.layers.0–27.post_attention_layernorm
      weight         28 × [4096]         float16                114,688   229 kB
    transformer.encoder.layers.0–27.mlp.dense_h_to_4h
      weight         28 × [27392, 4096]  float16          3,141,533,696  6.28 GB
    transformer.encoder.layers.0–27.mlp.dense_4h_to_h
      weight         28 × [4096, 13696]  float16          1,570,766,848  3.14 GB
    transformer.encoder.final_layernorm
      weight         [4096]              float16                  4,096  8.19 kB
    transformer.output_layer
      weight         [65024, 4096]       float16            266,338,304   533 MB
    in all
      trained                                                 1,949,696  7.80 MB    7.80 MB  15.6 MB
      frozen                                              6,243,584,000  12.5 GB
      together                                            6,245,533,696  12.5 GB    7.80 MB  15.6 MB"
  `);
  const all = groups.reduce((sum, { count }) => sum + count, 0);
  expect(all).toBe(summary.all);
  const { trainable } = summary;
  expect(totalMemory(groups)).toEqual({
    values: 2 * (all - trainable) + 4 * trainable,
    gradients: 4 * trainable,
    optimizer: 8 * trainable,
  });
  expect(rendered["text/html"]).toContain(
    '<th colspan="8" style="text-align:left;vertical-align:top;white-space:pre-wrap">transformer.encoder.layers.0–27.mlp.dense_h_to_4h</th>',
  );
});

test("layers that train are others than those that do not", async () => {
  const { rendered } = await table({ ...publishedChatglm6b, quantization_bit: 4 }, freeze({ layers: 5 }));
  expect(rendered["text/plain"]).toMatchInlineSnapshot(`
    "trainable params: 81,920 || all params: 3,355,746,304 || trainable%: 0.0024411857327341037
    Values are counted in the types of the files; held exactly, floats take 4 bytes each.
    Of the model's own parameters that train, there are two sets of values: the base's stay.
    parameter       shape               dtype    trains          count   values  gradients   AdamW
    ──────────────  ──────────────────  ───────  ──────  ─────────────  ───────  ─────────  ──────
    transformer.word_embeddings
      weight        [130528, 4096]      float16            534,642,688  1.07 GB
    transformer.layers.0–22.input_layernorm
      weight        23 × [4096]         float16                 94,208   188 kB
      bias          23 × [4096]         float16                 94,208   188 kB
    transformer.layers.0–27.attention.query_key_value
      weight        28 × [12288, 2048]  int8               704,643,072   705 MB
      weight_scale  28 × [12288]        float16                344,064   688 kB
      bias          28 × [12288]        float16                344,064   688 kB
    transformer.layers.0–27.attention.dense
      weight        28 × [4096, 2048]   int8               234,881,024   235 MB
      weight_scale  28 × [4096]         float16                114,688   229 kB
      bias          28 × [4096]         float16                114,688   229 kB
    transformer.layers.0–22.post_attention_layernorm
      weight        23 × [4096]         float16                 94,208   188 kB
      bias          23 × [4096]         float16                 94,208   188 kB
    transformer.layers.0–27.mlp.dense_h_to_4h
      weight        28 × [16384, 2048]  int8               939,524,096   940 MB
      weight_scale  28 × [16384]        float16                458,752   918 kB
      bias          28 × [16384]        float16                458,752   918 kB
    transformer.layers.0–27.mlp.dense_4h_to_h
      weight        28 × [4096, 8192]   int8               939,524,096   940 MB
      weight_scale  28 × [4096]         float16                114,688   229 kB
      bias          28 × [4096]         float16                114,688   229 kB
    transformer.layers.23–27.input_layernorm
      weight        5 × [4096]          float32  yes            20,480   123 kB    81.9 kB  164 kB
      bias          5 × [4096]          float32  yes            20,480   123 kB    81.9 kB  164 kB
    transformer.layers.23–27.post_attention_layernorm
      weight        5 × [4096]          float32  yes            20,480   123 kB    81.9 kB  164 kB
      bias          5 × [4096]          float32  yes            20,480   123 kB    81.9 kB  164 kB
    transformer.final_layernorm
      weight        [4096]              float16                  4,096  8.19 kB
      bias          [4096]              float16                  4,096  8.19 kB
    in all
      trained                                                   81,920   492 kB     328 kB  655 kB
      frozen                                             3,355,664,384  3.89 GB
      together                                           3,355,746,304  3.89 GB     328 kB  655 kB"
  `);
});

test("parameters that train are there beside the base's", async () => {
  const { groups } = await table(half, full());
  expect(new Set(groups.map(({ trains }) => trains))).toEqual(new Set([true]));
  const all = 6_243_584_000;
  expect(totalMemory(groups)).toEqual({ values: (2 + 4) * all, gradients: 4 * all, optimizer: 8 * all });
});

test("a prefix has modules of its own", async () => {
  const { groups } = await table(half, pTuning({ length: 16, projection: true }));
  const own = groups.filter(({ trains }) => trains);
  expect(own.map(({ module, tensor, times, shape }) => [module, tensor, times, ...shape])).toEqual([
    ["transformer.prefix_encoder.embedding", "weight", 1, 16, 14336],
    ["transformer.prefix_encoder.trans.0", "weight", 1, 4096, 14336],
    ["transformer.prefix_encoder.trans.0", "bias", 1, 4096],
    ["transformer.prefix_encoder.trans.2", "weight", 1, 14336, 4096],
    ["transformer.prefix_encoder.trans.2", "bias", 1, 14336],
  ]);
});

test("what PEFT counts besides has a line, and the sums are those of the summary", async () => {
  const { rendered } = await table(half, adaLora());
  expect(rendered["text/plain"]).toMatch(/\n {2}counters of ranks +28\n/);
  expect(rendered["text/plain"]).toMatch(/\n {2}trained +2,924,880 +11\.7 MB +11\.7 MB +23\.4 MB\n/);
  expect(rendered["text/plain"]).toMatch(/\n {2}together +6,246,508,908 /);
});

test("layers with other ranks are other groups", async () => {
  const { groups } = await table(
    half,
    lora({ rankPattern: { "layers\\.(3|7|8|9)\\.self_attention\\.query_key_value": 4 } }),
  );
  const low = groups.filter(({ tensor }) => tensor === "lora_A.weight");
  expect(low.map(({ module, times, shape }) => [module, times, shape[0]])).toEqual([
    ["transformer.encoder.layers.0–2,4–6,10–27.self_attention.query_key_value", 24, 8],
    ["transformer.encoder.layers.3,7–9.self_attention.query_key_value", 4, 4],
  ]);
});
