/** @file A random model as llama.cpp's `chatglm` architecture takes it, quantised from the same weights. */
import { basename, dirname } from "node:path";
import { replaceFiles } from "../../src/files.ts";
import { sizeOf } from "../../src/tensor.ts";
import { type GgufTensor, type GgufType, type GgufValue, ggufFile } from "./gguf.ts";
import { encodeLlama } from "./llama-blocks.ts";
import { configOf, type ModelShape, randomTensors } from "./random-model.ts";
import { type RandomTensor, RandomWeights } from "./random-weights.ts";

/** What llama.cpp calls the tensors; of layers what follows "blk.N.". */
const NAMES: Readonly<Record<string, string>> = {
  "transformer.embedding.word_embeddings.weight": "token_embd.weight",
  "transformer.encoder.final_layernorm.weight": "output_norm.weight",
  "transformer.output_layer.weight": "output.weight",
  "input_layernorm.weight": "attn_norm.weight",
  "self_attention.query_key_value.weight": "attn_qkv.weight",
  "self_attention.query_key_value.bias": "attn_qkv.bias",
  "self_attention.dense.weight": "attn_output.weight",
  "post_attention_layernorm.weight": "ffn_norm.weight",
  // The gate's rows, then those it multiplies: llama.cpp splits them as the published code does.
  "mlp.dense_h_to_4h.weight": "ffn_up.weight",
  "mlp.dense_4h_to_h.weight": "ffn_down.weight",
};

/** Elements that are quantised at a time. */
const PIECE = 2 ** 20;

/** How matrices are stored: the head, and all others (the embedding is one). */
export interface LlamaTypes {
  readonly matrices: GgufType;
  readonly head: GgufType;
}

/** Writes the GGUF file. Norms and biases are float32, as llama.cpp's own converter leaves them. */
export async function writeLlamaFile(path: string, shape: ModelShape, seed: number, types: LlamaTypes): Promise<void> {
  const weights = new RandomWeights(seed);
  const tensors = randomTensors(shape).map((what) => ggufTensor(what, weights, types));
  await replaceFiles(dirname(path), [ggufFile(basename(path), metadata(shape), tensors)]);
}

function metadata(shape: ModelShape): Record<string, GgufValue> {
  const { contextLength, epsilon, headSize } = configOf(shape);
  return {
    "general.architecture": { text: "chatglm" },
    "general.name": { text: "random" },
    "chatglm.context_length": { u32: contextLength },
    "chatglm.embedding_length": { u32: shape.hidden },
    "chatglm.feed_forward_length": { u32: shape.ffn },
    "chatglm.block_count": { u32: shape.layers },
    "chatglm.attention.head_count": { u32: shape.heads },
    "chatglm.attention.head_count_kv": { u32: shape.groups },
    "chatglm.attention.layer_norm_rms_epsilon": { f32: epsilon },
    "chatglm.rope.dimension_count": { u32: headSize / 2 },
    "chatglm.rope.freq_base": { f32: 10000 },
    ...dummyVocabulary(shape.vocabulary),
  };
}

/** Pieces of no meaning but the right number: llama.cpp loads no model without, and ids are all that it is given. */
function dummyVocabulary(size: number): Record<string, GgufValue> {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const known = ["<unk>", "<s>", "</s>", ...bytes];
  const [normal, unknown, control, byte] = [1, 2, 3, 6];
  const typeOf = (id: number): number => (id === 0 ? unknown : id < 3 ? control : id < known.length ? byte : normal);
  const pieces = Array.from({ length: size }, (_, id) => known[id] ?? `piece ${id}`);
  const types = Int32Array.from(pieces, (_, id) => typeOf(id));
  return {
    "tokenizer.ggml.model": { text: "llama" },
    "tokenizer.ggml.tokens": { texts: pieces },
    "tokenizer.ggml.scores": { f32s: new Float32Array(size) },
    "tokenizer.ggml.token_type": { i32s: types },
  };
}

function ggufTensor(what: RandomTensor, weights: RandomWeights, { matrices, head }: LlamaTypes): GgufTensor {
  const layer = /^transformer\.encoder\.layers\.(\d+)\.(.*)$/.exec(what.name);
  const known = NAMES[layer?.[2] ?? what.name];
  if (known === undefined) throw new Error(`llama.cpp has no name for ${what.name}`);
  const type = known === "output.weight" ? head : what.shape.length === 2 ? matrices : "F32";
  return {
    name: layer ? `blk.${layer[1]}.${known}` : known,
    type,
    shape: what.shape,
    *content() {
      const size = sizeOf(what.shape);
      for (let from = 0; from < size; from += PIECE) {
        const values = new Float32Array(Math.min(PIECE, size - from));
        weights.floats(what, from, values);
        yield encodeLlama(type, values);
      }
    },
  };
}
