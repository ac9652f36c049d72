/** @file Several adapters on one model: their sum equals that of their merges, on the reference's models. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterConfig } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { AdapterRef, AdapterSelection, WeightedAdapter } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { ownHome } from "../home.ts";
import { copyOracleModel, deviation, oracleFolder, oracleTensors, rowsOf } from "../oracle.ts";
import { loadModel } from "./oracle-suite.ts";

const scratch = ownHome();
const ref = (name: string): AdapterRef => ({ owner: "test", name });

describe.each(["chatglm-6b", "chatglm2-6b"])("%s", (family) => {
  const engine = new LocalEngine(only(cpu));
  let model: string;
  let inputIds: number[][];
  let labels: number[][];

  /** Adapters with weights: sum(["a", 1], ["b", 0.5]). */
  const sum = (...parts: readonly (readonly [name: string, weight: number])[]): AdapterSelection =>
    parts.map(([name, weight]) => ({ adapter: ref(name), weight }));
  const logits = async (adapter: AdapterSelection, of = model): Promise<Float32Array> =>
    (await engine.call("logits", { model: of, inputIds, adapter })).data;
  const make = (name: string, config: AdapterConfig) =>
    engine.call("createAdapter", { model, adapter: ref(name), config, seed: 1 });
  const step = async (name: string, lr = 0.05): Promise<void> => {
    const target = { model, adapter: ref(name) };
    const { handle } = await engine.call("gradients", { ...target, batch: { inputIds, labels }, seed: 0 });
    await engine.call("optimizerStep", { ...target, optimizer: "o", config: adamWConfig({ lr }), handles: [handle] });
  };

  beforeAll(async () => {
    model = (await loadModel(engine, copyOracleModel(family, join(scratch, family)))).key;
    const forward = await oracleTensors(family, "forward");
    [inputIds, labels] = [rowsOf(forward.input_ids!), rowsOf(forward.labels!)];
    for (const name of ["lora-qkv", "lora-all", "adalora"]) {
      await engine.call("loadAdapter", { model, adapter: ref(name), folder: oracleFolder(family, name) });
      await step(name);
    }
    await make("biased", { method: "lora", r: 3, alpha: 5, dropout: 0, targets: ["dense"], bias: "all" });
    await make("frozen", { method: "freeze", layers: 1 });
    await make("table", { method: "embeddings" });
    await make("norms", { method: "full", match: ["norm"] });
    const whole = { method: "lora", r: 2, alpha: 4, dropout: 0, dora: true } as const;
    await make("dora", { ...whole, targets: ["query_key_value", "dense"] });
    await make("dora-too", { ...whole, targets: ["query_key_value"] });
    for (const name of ["biased", "frozen", "table", "norms", "dora", "dora-too"]) await step(name);
    await make("short", { method: "pTuning", length: 3, projection: false, dropout: 0 });
    await make("long", { method: "pTuning", length: 5, projection: true, dropout: 0 });
  });
  afterAll(() => engine.close());

  it.each([
    [
      [
        ["lora-qkv", 1],
        ["lora-all", 1],
      ],
    ],
    [
      [
        ["lora-qkv", 1],
        ["adalora", -0.5],
        ["lora-all", 0.25],
      ],
    ],
    [[["lora-all", 2]]],
    [
      [
        ["biased", 0.5],
        ["frozen", 1],
        ["lora-qkv", 1],
      ],
    ],
    [
      [
        ["frozen", 0.5],
        ["norms", -1],
        ["table", 0.75],
        ["adalora", 1],
      ],
    ],
    [
      [
        ["frozen", 1],
        ["lora-all", 0],
      ],
    ],
    [[["dora", 0.5]]],
    [
      [
        ["dora", 0.5],
        ["dora-too", 2],
        ["lora-all", 1],
        ["norms", 1],
      ],
    ],
  ] as (readonly (readonly [string, number])[])[][])("%j: stacked equals all merged", async (parts) => {
    const stacked = await logits(sum(...parts));
    expect(deviation(stacked, await logits(null))).toBeGreaterThan(1e-3);
    const folder = join(scratch, `${family}-${parts.join("-")}`);
    await engine.call("saveModel", { model, adapter: sum(...parts), folder, maxShardBytes: 1e9 });
    const merged = (await loadModel(engine, folder)).key;
    expect(deviation(await logits(null, merged), stacked)).toBeLessThan(1e-4);
    await engine.call("unload", { model: merged });
  });

  it("ends an answer whose logits are no numbers, and says whose they are", async () => {
    for (const greedy of [true, false]) {
      const answers = async (adapter: AdapterSelection): Promise<string[]> => {
        const options = { ...GREEDY, greedy, maxNewTokens: 2, stop: [] };
        const types: string[] = [];
        for await (const { type } of engine.stream("generate", {
          model,
          rows: [{ ids: inputIds[0]!, adapter }],
          options,
        }))
          types.push(type);
        return types;
      };
      expect(await answers(sum(["lora-qkv", 1], ["lora-all", 1]))).toContain("token");
      await expect(answers(sum(["lora-qkv", 1e30], ["lora-all", -1e30]))).rejects.toMatchObject({
        code: "adapter-invalid",
        message: expect.stringMatching(
          /^adapter 1e\+30\*lora-qkv \+ -1e\+30\*lora-all: expected finite logits.* is \d\.\d+e\+\d\d, at /,
        ),
      });
    }
  });

  it("is exactly the one where the others have no weight, and the base where none has any", async () => {
    const one = await logits(ref("lora-qkv"));
    expect(await logits(sum(["lora-qkv", 1], ["frozen", 0], ["short", 0]))).toEqual(one);
    expect(await logits(sum(["lora-qkv", 1]))).toEqual(one);
    expect(await logits(sum(["lora-qkv", 2], ["lora-qkv", -1]))).toEqual(one);
    expect(await logits(sum(["lora-qkv", 0], ["frozen", 0]))).toEqual(await logits(null));
    expect(await logits(sum(["lora-qkv", 1], ["lora-qkv", -1]))).toEqual(await logits(null));
  });

  it("takes prefixes whole, one after the other, in any order, and beside what changes weights", async () => {
    const both = await logits(sum(["short", 1], ["long", 1]));
    for (const alone of ["short", "long"]) expect(deviation(both, await logits(ref(alone)))).toBeGreaterThan(1e-3);
    expect(deviation(await logits(sum(["long", 1], ["short", 1])), both)).toBeLessThan(1e-4);
    const mixed = await logits(sum(["short", 1], ["lora-qkv", 1], ["frozen", 1]));
    expect(deviation(mixed, await logits(sum(["lora-qkv", 1], ["frozen", 1])))).toBeGreaterThan(1e-3);
    await expect(logits(sum(["short", 0.5], ["lora-qkv", 1]))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/^short: expected weight 1, got 0.5\. .*Write short without a weight/),
    });
  });

  it("is the same where one of them is merged", async () => {
    const selection = sum(["lora-qkv", 1], ["dora", 1]);
    const before = await logits(selection);
    await engine.call("mergeAdapter", { model, adapter: ref("lora-qkv") });
    expect(await logits(selection)).toEqual(before);
    await engine.call("unmergeAdapter", { model, adapter: ref("lora-qkv") });
  });

  it("refuses what a gain would multiply wrongly, and a LoRA of what has gains", async () => {
    await expect(logits(sum(["dora", 1], ["frozen", 1]))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/^dora and frozen cannot answer together: .*DoRA.*which frozen replaces/),
    });
    const parts = sum(["dora", 1], ["lora-qkv", 1]) as WeightedAdapter[];
    await expect(engine.call("combineAdapters", { model, adapter: ref("both"), parts })).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/cannot become one adapter: dora changes the lengths of weights/),
    });
  });

  it("follows its parts: another step, other values, or another adapter of the name", async () => {
    await make("moving", { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] });
    const ask = () => logits(sum(["moving", 0.5], ["lora-all", 1]));
    const seen = [await ask()];
    await step("moving");
    seen.push(await ask());
    await step("moving");
    seen.push(await ask());
    expect(await ask()).toEqual(seen[2]);
    expect(seen[1]).not.toEqual(seen[0]);
    expect(seen[2]).not.toEqual(seen[1]);
    await make("moving", { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] });
    expect(await ask()).toEqual(seen[0]);
  });

  it("answers in one batch as alone", async () => {
    const rows: AdapterSelection[] = [
      null,
      ref("lora-qkv"),
      sum(["lora-qkv", 1], ["lora-all", -1]),
      sum(["short", 1], ["lora-qkv", 1]),
      sum(["short", 1], ["long", 1]),
      sum(["frozen", 1], ["adalora", 0.5]),
      sum(["frozen", 0.5], ["adalora", 0.5]),
    ];
    const ask = async (adapters: readonly AdapterSelection[]): Promise<number[][]> => {
      const answers: number[][] = adapters.map(() => []);
      const asked = adapters.map((adapter) => ({ ids: inputIds[0]!, adapter }));
      const options = { ...GREEDY, maxNewTokens: 10, stop: [] };
      for await (const event of engine.stream("generate", { model, rows: asked, options })) {
        if (event.type === "token") answers[event.row]?.push(event.token);
      }
      return answers;
    };
    const together = await ask(rows);
    for (const [i, row] of rows.entries()) expect((await ask([row]))[0]).toEqual(together[i]);
  });

  const combine = (name: string, ...parts: readonly (readonly [string, number])[]) =>
    engine.call("combineAdapters", {
      ...{ model, adapter: ref(name), existing: "replace" as const },
      parts: parts.map(([part, weight]) => ({ adapter: ref(part), weight })),
    });

  it.each([
    [
      [
        ["lora-qkv", 1],
        ["lora-all", 0.5],
      ],
      "lora",
    ],
    [
      [
        ["adalora", -0.5],
        ["lora-qkv", 1],
      ],
      "lora",
    ],
    [[["adalora", 0.25]], "lora"],
    [
      [
        ["biased", 0.5],
        ["lora-qkv", 1],
      ],
      "lora",
    ],
    [
      [
        ["frozen", 0.5],
        ["again", 0.75],
      ],
      "freeze",
    ],
    [
      [
        ["short", 1],
        ["long", 1],
      ],
      "pTuning",
    ],
  ] as [readonly (readonly [string, number])[], string][])("%j: one adapter does the same", async (parts, method) => {
    if (parts.some(([name]) => name === "again")) {
      await make("again", { method: "freeze", layers: 1 });
      await step("again", 0.02);
    }
    const stacked = await logits(sum(...parts));
    const info = await combine("one", ...parts);
    expect(info).toMatchObject({ config: { method }, steps: 0, merged: false });
    expect(deviation(await logits(ref("one")), stacked)).toBeLessThan(1e-4);
    // It is an adapter as any other: its files, and steps.
    const folder = join(scratch, `${family}-one-${parts.join("-")}`);
    await engine.call("saveAdapter", { model, adapter: ref("one"), folder });
    await engine.call("loadAdapter", { model, adapter: ref("read"), folder, existing: "replace" });
    expect(deviation(await logits(ref("read")), stacked)).toBeLessThan(1e-4);
    await step("one");
    expect(deviation(await logits(ref("one")), stacked)).toBeGreaterThan(1e-4);
  });

  it("has the sum of the ranks of each module, and alpha with it", async () => {
    const { config } = await combine("ranks", ["lora-qkv", 1], ["lora-all", 0.5]);
    const [qkv, all] = await Promise.all(
      ["lora-qkv", "lora-all"].map(
        async (name) => (await engine.call("adapterInfo", { model, adapter: ref(name) })).config,
      ),
    );
    if (config.method !== "lora" || qkv?.method !== "lora" || all?.method !== "lora") throw new Error("no LoRA");
    expect(config).toMatchObject({ r: all.r, alpha: all.r, rankPattern: { query_key_value: qkv.r + all.r } });
    expect(config.alphaPattern).toEqual(config.rankPattern);
    expect([...config.targets].sort()).toEqual([...all.targets].sort());
  });

  it("refuses what cannot be one adapter, by name, and says what to do", async () => {
    const refused = {
      code: "unsupported",
      message: expect.stringMatching(/Answer with them together as they are: --adapter /),
    };
    await expect(combine("no", ["short", 1], ["lora-qkv", 1])).rejects.toMatchObject(refused);
    await expect(combine("no", ["short", 1], ["lora-qkv", 1])).rejects.toThrow(
      /short adds keys and values to attention, lora-qkv changes/,
    );
    await expect(combine("no", ["lora-qkv", 1], ["frozen", 2])).rejects.toThrow(
      /^lora-qkv\+2\*frozen cannot .*frozen changes whole/,
    );
    await expect(combine("no", ["table", 1], ["frozen", 1])).rejects.toMatchObject(refused);
    await expect(combine("no", ["short", 0.5])).rejects.toThrow("short: expected weight 1, got 0.5");
    await expect(combine("no", ["short", 0])).rejects.toMatchObject({ code: "option-invalid" });
    await expect(combine("no", ["lora-qkv", 1], ["lora-x", 1])).rejects.toMatchObject({ code: "adapter-not-found" });
    await expect(engine.call("adapterInfo", { model, adapter: ref("no") })).rejects.toMatchObject({
      code: "adapter-not-found",
    });
  });

  it("may take the name of one of its parts, which is kept", async () => {
    await make("self", { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] });
    await step("self");
    const expected = await logits(sum(["self", 0.5], ["lora-qkv", 1]));
    const parts = [
      { adapter: ref("self"), weight: 0.5 },
      { adapter: ref("lora-qkv"), weight: 1 },
    ];
    const { setAside } = await engine.call("combineAdapters", { model, adapter: ref("self"), parts });
    expect(setAside).toBe("self.1");
    expect(deviation(await logits(ref("self")), expected)).toBeLessThan(1e-4);
  });

  it("takes a merge back: the base to the last bit, and the adapter trains again", async () => {
    const adapter = ref("returning");
    await make("returning", { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] });
    await step("returning");
    const [base, adapted] = [await logits(null), await logits(adapter)];
    const notMerged = { code: "adapter-invalid", message: expect.stringContaining("not merged") };
    await expect(engine.call("unmergeAdapter", { model, adapter })).rejects.toMatchObject(notMerged);
    for (let time = 0; time < 2; time += 1) {
      expect((await engine.call("mergeAdapter", { model, adapter })).merged).toBe(true);
      expect(deviation(await logits(adapter), adapted)).toBeLessThan(1e-4);
      expect(await logits(null)).toEqual(base);
      await expect(step("returning")).rejects.toThrow("%adapter unmerge returning");
      expect((await engine.call("unmergeAdapter", { model, adapter })).merged).toBe(false);
      expect(await logits(adapter)).toEqual(adapted);
      expect(await logits(null)).toEqual(base);
    }
    await expect(engine.call("unmergeAdapter", { model, adapter })).rejects.toMatchObject(notMerged);
    await step("returning");
    expect(await logits(adapter)).not.toEqual(adapted);
  });

  it("adds merged adapters up, also with others", async () => {
    const expected = await logits(sum(["lora-qkv", 1], ["lora-all", 1], ["biased", 0.5]));
    for (const name of ["lora-qkv", "lora-all"]) await engine.call("mergeAdapter", { model, adapter: ref(name) });
    expect(deviation(await logits(sum(["lora-qkv", 1], ["lora-all", 1], ["biased", 0.5])), expected)).toBeLessThan(
      1e-4,
    );
    for (const name of ["lora-qkv", "lora-all"]) await engine.call("unmergeAdapter", { model, adapter: ref(name) });
    expect(await logits(sum(["lora-qkv", 1], ["lora-all", 1], ["biased", 0.5]))).toEqual(expected);
  });

  it("refuses weights that make numbers too large, in answers, in one adapter and in a checkpoint", async () => {
    const huge = sum(["lora-qkv", 1e300]) as WeightedAdapter[];
    const refusal = {
      code: "option-invalid",
      message: expect.stringMatching(/1e\+300\*.*expected finite numbers.*smaller weights/),
    };
    await expect(logits(huge)).rejects.toMatchObject(refusal);
    const parts = huge;
    await expect(engine.call("combineAdapters", { model, adapter: ref("huge"), parts })).rejects.toMatchObject(refusal);
    const folder = join(scratch, `${family}-huge`);
    await expect(engine.call("saveModel", { model, adapter: huge, folder, maxShardBytes: 1e9 })).rejects.toMatchObject(
      refusal,
    );
    expect(existsSync(join(folder, "config.json"))).toBe(false);
  });

  it("names the part that is not there, and the nearest", async () => {
    await expect(logits(sum(["lora-qkv", 1], ["lora-al", 1]))).rejects.toMatchObject({
      code: "adapter-not-found",
      message: expect.stringMatching(/no adapter lora-al\. Did you mean lora-all\?/),
    });
    await expect(logits(ref("table-short"))).rejects.toThrow(
      'table without short is written with spaces, "table - short", or table-1*short.',
    );
  });
});
