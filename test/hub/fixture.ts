/** @file What tests of downloads share: a hub with a model of random bytes, an empty cache, and a hurried client. */
import { createCipheriv } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { type FetchOptions, fetchModel } from "../../src/hub/fetch.ts";
import type { HubName } from "../../src/hub/names.ts";
import { defaultPolicy } from "../../src/hub/retry.ts";
import { hubSettings } from "../../src/hub/settings.ts";
import { type Repo, TestHub } from "./server.ts";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const ID = "someone/some-model.v2";

/** Tries follow each other at once; a connection is given up after half a second of silence. */
export const hurried = { ...defaultPolicy, pauseMs: 5, longestPauseMs: 20, silenceMs: 500 };

/** Bytes that look random and are the same every time. */
export function bytes(length: number, seed = 0): Buffer {
  const key = Buffer.alloc(16, seed);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const index = (names: readonly string[]): Buffer =>
  Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(names.map((name, at) => [`tensor.${at}`, name])) }));

/** A model as they are published: both forms of the weights, code, and other things that nobody needs here. */
export const published: Repo = {
  commit: COMMIT,
  files: {
    "config.json": Buffer.from('{"model_type": "chatglm"}'),
    "generation_config.json": Buffer.from("{}"),
    "tokenizer.model": bytes(30_000, 1),
    "tokenizer_config.json": Buffer.from('{"a": 1}'),
    "model.safetensors.index.json": index(shards),
    [shards[0]]: bytes(300_000, 2),
    [shards[1]]: bytes(200_001, 3),
    "pytorch_model.bin.index.json": index(["pytorch_model-00001-of-00001.bin"]),
    "pytorch_model-00001-of-00001.bin": bytes(50_000, 4),
    "modeling_chatglm.py": Buffer.from("import os"),
    "model.onnx": bytes(20_000, 5),
    "README.md": Buffer.from("# A model"),
    "onnx/config.json": Buffer.from("{}"),
  },
};

/** What is needed of it. */
export const needed: readonly string[] = [
  ...["config.json", "generation_config.json", ...shards, "model.safetensors.index.json"],
  ...["tokenizer.model", "tokenizer_config.json"],
];

export interface Bench {
  readonly hub: TestHub;
  readonly home: string;
  /** Variables that lead to this hub and this home. */
  readonly env: Readonly<Record<string, string>>;
  fetch(
    id?: string,
    options?: Partial<FetchOptions> & { readonly env?: object; readonly from?: HubName },
  ): Promise<string>;
}

/** A hub and a home for each test of a file. */
export function useBench(): () => Bench {
  let bench: Bench;
  beforeEach(async () => {
    const hub = await TestHub.start();
    hub.repos.set(ID, published);
    const home = mkdtempSync(join(tmpdir(), "glm-hub-"));
    const env = {
      ...{ HF_ENDPOINT: hub.endpoint, HF_HOME: join(home, "hf") },
      ...{ MODELSCOPE_ENDPOINT: hub.endpoint, MODELSCOPE_CACHE: join(home, "ms") },
    };
    bench = {
      ...{ hub, home, env },
      fetch: (id = ID, { env: more, from = "huggingface", ...options } = {}) =>
        fetchModel(id, { settings: hubSettings(from, { ...env, ...more }), policy: hurried, ...options }),
    };
  });
  afterEach(async () => {
    await bench.hub.close();
    rmSync(bench.home, { recursive: true, force: true });
  });
  return () => bench;
}
