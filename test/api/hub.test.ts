/** @file `load` with a model's id: fetched from a hub on this machine, it answers; in this process and in a runtime. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type LoadOptions, load, withAmbient } from "../../src/index.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { packageFolder } from "../../src/version.ts";
import { ownHome } from "../home.ts";
import { TestHub } from "../hub/server.ts";
import { oracleFolder } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const ID = "someone/small";
const WEIGHTS = "model.safetensors";
const short = { greedy: true, maxNewTokens: 6 } as const;
const here = { runtime: "none" } as const;

const home = ownHome();
let hub: TestHub;
let expected: string;

beforeAll(async () => {
  hub = await TestHub.start();
  const folder = await writeSmallModel(join(home, "model"));
  const files = filesOf(folder);
  for (const id of [ID, "someone/other"]) hub.repos.set(id, { commit: COMMIT, revisions: ["v1"], files });
  const glm = await load(folder, here);
  expected = await glm.ask("a", short);
  await glm.dispose();
}, LONG);
afterAll(() => hub.close());
beforeEach(() => {
  // An empty cache each time.
  const cache = mkdtempSync(join(home, "hub-"));
  vi.stubEnv("HF_HUB_OFFLINE", "0");
  vi.stubEnv("HF_HUB_CACHE", join(cache, "hf"));
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
  vi.stubEnv("MODELSCOPE_CACHE", join(cache, "ms"));
  vi.stubEnv("MODELSCOPE_ENDPOINT", hub.endpoint);
  hub.forget();
});

function filesOf(folder: string): Record<string, Buffer> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

async function answer(name: string, options: LoadOptions = here): Promise<string> {
  const glm = await load(name, options);
  try {
    return await glm.ask("a", short);
  } finally {
    await glm.dispose();
  }
}

describe("an id", { timeout: LONG }, () => {
  it("is fetched, with its progress in bytes, and answers as its files do; offline, too", async () => {
    const told: (string | undefined)[] = [];
    const glm = await load(ID, { ...here, onProgress: ({ stage, unit }) => told.push(`${stage} ${unit}`) });
    expect(glm.info).toMatchObject({ name: ID, family: "chatglm2-6b" });
    expect(glm.info.folder).toContain(COMMIT);
    expect(await glm.ask("a", short)).toBe(expected);
    await glm.dispose();
    expect(told).toContain("downloading bytes");
    hub.forget();
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await answer(ID)).toBe(expected);
    expect(hub.seen).toEqual([]);
    await expect(load("someone/other", here)).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringContaining("offline mode is on"),
    });
  });

  it("can be ModelScope's, and of a revision", async () => {
    expect(await answer(ID, { ...here, hub: "modelscope" })).toBe(expected);
    expect(readdirSync(join(process.env.MODELSCOPE_CACHE ?? "", "models"))).toEqual(["someone--small"]);
    expect(await answer(ID, { ...here, revision: "v1" })).toBe(expected);
    await expect(load(ID, { ...here, revision: "v2" })).rejects.toThrow('no version "v2"');
  });

  it("can have PyTorch's files only", async () => {
    const folder = join(home, "torch");
    cpSync(oracleFolder("chatglm2-6b-fp16-bin"), folder, { recursive: true });
    cpSync(join(packageFolder, "models", "tiny", "tokenizer.model"), join(folder, "tokenizer.model"));
    hub.repos.set("someone/torch", { commit: COMMIT, files: filesOf(folder) });
    const [local, fetched] = [await load(folder, here), await load("someone/torch", here)];
    const ids = [3, 1, 4, 1, 5];
    expect(Array.from((await fetched.logits(ids)).data)).toEqual(Array.from((await local.logits(ids)).data));
    expect(hub.fetched.filter((name) => name.startsWith("pytorch_model-"))).toHaveLength(2);
    await local.dispose();
    await fetched.dispose();
  });

  it("of a folder with a model means the folder, unless a hub is named", async () => {
    const cwd = process.cwd();
    await writeSmallModel(join(home, "cwd", "someone", "small"), 1);
    mkdirSync(join(home, "cwd", "someone", "other"));
    process.chdir(join(home, "cwd"));
    try {
      const glm = await load(ID, here);
      expect(glm.info.folder).toMatch(/cwd.someone.small$/);
      await glm.dispose();
      expect(hub.seen).toEqual([]);
      await expect(load(ID, { ...here, revision: "v1" })).rejects.toThrow(/which has one version.*--hub huggingface/);
      expect(await answer(ID, { ...here, hub: "huggingface" })).toBe(expected);
      // A folder of that name without a model is in nobody's way.
      expect(await answer("someone/other")).toBe(expected);
    } finally {
      process.chdir(cwd);
    }
  });

  it("that is none is refused without asking a hub", async () => {
    const refusal = async (name: string, options: object = {}): Promise<string> =>
      load(name, { ...here, ...options }).then(
        () => "",
        (error: Error) => error.message,
      );
    expect(await refusal("./someone/small")).toMatch(/there is no folder .*someone.small. Check the path/);
    expect(await refusal("./someone/small", { hub: "huggingface" })).toMatch(/expected a model's id there/);
    expect(await refusal("tiny", { revision: "v1" })).toMatch(/which has one version. Leave it out/);
    expect(await refusal(ID, { hub: "modelscop" })).toContain("Did you mean modelscope?");
    expect(await refusal(ID, { revision: "../../x" })).toContain("expected a branch, tag or commit");
    expect(hub.seen).toEqual([]);
  });
});

describe("a runtime", { timeout: LONG }, () => {
  const open = (notebook: string, options: LoadOptions = {}): ReturnType<typeof load> =>
    withAmbient({ notebook }, () => load(ID, options));

  it("fetches for all who ask, as they reach the hub, and finds the model again when it was lost", async () => {
    // The runtime's own environment leads nowhere: it was started by somebody who knew no better.
    const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: process.env.HF_HUB_CACHE ?? "" };
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:9");
    vi.stubEnv("HF_HUB_CACHE", join(home, "nowhere"));
    const tiny = await withAmbient({ notebook: "first.ipynb" }, () => load("tiny"));
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    hub.faults.push({ path: WEIGHTS, slow: 5 });
    const [first, second] = await Promise.all([open("first.ipynb"), open("second.ipynb")]);
    expect(second.info.key).toBe(first.info.key);
    expect([...hub.fetched].sort()).toEqual(["config.json", WEIGHTS, "tokenizer.model", "tokenizer_config.json"]);
    expect(await first.ask("a", short)).toBe(expected);

    const status = await runtimeStatus();
    expect(status?.models).toHaveLength(2);
    process.kill(status?.pid ?? 0, "SIGKILL");
    await vi.waitFor(async () => expect(await runtimeStatus()).toBeUndefined(), { timeout: 30_000, interval: 50 });
    hub.forget();
    const again = second.ask("a", short).catch(() => second.ask("a", short));
    expect(await again).toBe(expected);
    expect(hub.seen).toEqual([]);
    for (const glm of [tiny, first, second]) await glm.dispose();
  });

  it("stops fetching when nobody waits for it any more, and goes on at once when somebody does", async () => {
    hub.faults.push({ path: WEIGHTS, slow: 20 });
    const stop = new AbortController();
    const loading = open("first.ipynb", {
      signal: stop.signal,
      onProgress: ({ stage, done }) => {
        if (stage === "downloading" && done > 60_000) stop.abort(new Error("enough"));
      },
    });
    const interrupted = performance.now();
    await expect(loading).rejects.toThrow("enough");
    expect(performance.now() - interrupted).toBeLessThan(10_000);
    const start = performance.now();
    const glm = await open("first.ipynb");
    expect(performance.now() - start).toBeLessThan(5000);
    expect(hub.fetched.filter((name) => name.startsWith(WEIGHTS))).toEqual([
      WEIGHTS,
      expect.stringMatching(/ from [1-9]/),
    ]);
    expect(await glm.ask("a", short)).toBe(expected);
    expect(statSync(join(glm.info.folder, WEIGHTS)).size).toBe(hub.repos.get(ID)?.files[WEIGHTS]?.length);
    await glm.dispose();
  });
});
