/** @file Models from the Hugging Face hub: what is fetched, where it goes, and what happens when things go wrong. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Client } from "../../src/hub/client.ts";
import { fetchConfig } from "../../src/hub/fetch.ts";
import { hubSettings } from "../../src/hub/settings.ts";
import { type Bench, bytes, COMMIT, hurried, ID, needed, published, useBench } from "./fixture.ts";
import { gitHash, sha256 } from "./server.ts";

const bench = useBench();
const FIRST = "model-00001-of-00002.safetensors";
const BIN = "pytorch_model-00001-of-00001.bin";

const root = ({ home }: Bench): string => join(home, "hf", "hub", "models--someone--some-model.v2");
const partialOf = (b: Bench, name: string): string =>
  join(root(b), "blobs", `${sha256(published.files[name] as Buffer)}.glmlab.incomplete`);

/** Every file of a folder is what the hub has. */
function expectWhole(folder: string, names: readonly string[] = needed): void {
  expect(readdirSync(folder).sort()).toEqual([...names].sort());
  for (const name of names)
    expect(readFileSync(join(folder, name)).equals(published.files[name] as Buffer), name).toBe(true);
}

describe("a model that is not there", () => {
  it("is downloaded into Python's cache: what is needed, once, in one form", async () => {
    const b = bench();
    const folder = await b.fetch();
    expect(folder).toBe(join(root(b), "snapshots", COMMIT));
    expectWhole(folder);
    expect([...b.hub.fetched].sort()).toEqual([...needed].sort());
    expect(readFileSync(join(root(b), "refs", "main"), "utf8")).toBe(COMMIT);
    const large = published.files[FIRST] as Buffer;
    expect(readlinkSync(join(folder, FIRST))).toBe(join("..", "..", "blobs", sha256(large)));
    const small = published.files["config.json"] as Buffer;
    expect(readlinkSync(join(folder, "config.json"))).toBe(join("..", "..", "blobs", gitHash(small)));
    expect(readdirSync(join(root(b), "blobs")).filter((name) => name.includes("incomplete"))).toEqual([]);
  });

  it("is asked for its configuration alone: that is fetched once, and the rest when it is wanted", async () => {
    const b = bench();
    const settings = hubSettings("huggingface", b.env);
    const folder = await fetchConfig(ID, { settings, policy: hurried });
    expectWhole(folder, ["config.json"]);
    expect(await fetchConfig(ID, { settings: { ...settings, offline: true } })).toBe(folder);
    const wrong = fetchConfig("someone/else", { settings, policy: hurried });
    await expect(wrong).rejects.toMatchObject({ code: "model-not-found" });
    await expect(b.fetch(ID, { settings: { ...settings, offline: true } })).rejects.toThrow("its weights are missing");
    expect(b.hub.fetched).toEqual(["config.json"]);
    expect(await b.fetch()).toBe(folder);
    expectWhole(folder);
  });

  it("tells how far it is, over all files", async () => {
    const told: [string, number, number][] = [];
    await bench().fetch(ID, { onProgress: (...progress) => told.push(progress) });
    const downloading = told.filter(([stage]) => stage === "downloading");
    expect(downloading.length).toBeGreaterThan(1);
    const weights = 300_000 + 200_001;
    expect(told.at(-1)).toEqual(["checking the download", weights, weights]);
    for (const [, done, total] of told) expect(done).toBeLessThanOrEqual(total);
  });

  it("comes as .bin files when there are no others", async () => {
    const b = bench();
    const files = Object.fromEntries(Object.entries(published.files).filter(([name]) => !name.includes("safetensors")));
    b.hub.repos.set("someone/old", { commit: COMMIT, files });
    const folder = await b.fetch("someone/old");
    const names = needed.filter((name) => !name.includes("safetensors"));
    expectWhole(folder, [...names, BIN, "pytorch_model.bin.index.json"]);
  });

  it("can be of another revision: a tag, a branch with a slash, a commit", async () => {
    const b = bench();
    b.hub.repos.set(ID, { ...published, revisions: ["v1.0", "refs/pr/1"] });
    for (const revision of ["v1.0", "refs/pr/1", COMMIT]) expectWhole(await b.fetch(ID, { revision }));
    expect(readFileSync(join(root(b), "refs", "refs", "pr", "1"), "utf8")).toBe(COMMIT);
    expect(readdirSync(join(root(b), "refs")).sort()).toEqual(["refs", "v1.0"]);
    expect(b.hub.fetched).toHaveLength(needed.length);
    await expect(b.fetch(ID, { revision: "v2.0" })).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringMatching(/no version "v2.0".*leave --revision out/),
    });
  });

  it("is found under its new name when it was renamed, and kept under the one asked for", async () => {
    const b = bench();
    b.hub.renamed.set("old-owner/some-model", ID);
    const folder = await b.fetch("old-owner/some-model");
    expect(folder).toContain("models--old-owner--some-model");
    expectWhole(folder);
  });

  it("comes from a mirror that lists names only, checksums and all", async () => {
    const b = bench();
    b.hub.plainListing = true;
    b.hub.faults.push({ path: FIRST, corrupt: true });
    expectWhole(await b.fetch());
    expect(b.hub.fetched.filter((name) => name === FIRST)).toHaveLength(2);
    expect(readlinkSync(join(root(b), "snapshots", COMMIT, FIRST))).toContain(sha256(published.files[FIRST] as Buffer));
  });

  it("that has no weights for us, or is none, is refused with what it has", async () => {
    const b = bench();
    b.hub.repos.set("someone/gguf", {
      commit: COMMIT,
      files: { "config.json": Buffer.from("{}"), "model-q4.gguf": bytes(10) },
    });
    b.hub.repos.set("someone/data", { commit: COMMIT, files: { "train.csv": bytes(10) } });
    const { "model-00002-of-00002.safetensors": _, ...rest } = published.files;
    b.hub.repos.set("someone/half", { commit: COMMIT, files: rest });
    await expect(b.fetch("someone/gguf")).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/expected weights as safetensors.*model-q4.gguf.*GGUF/),
    });
    const { "tokenizer.model": __, ...mute } = published.files;
    b.hub.repos.set("someone/mute", { commit: COMMIT, files: mute });
    await expect(b.fetch("someone/mute")).rejects.toThrow(
      /expected a tokenizer \(tokenizer.model or .*got config.json/,
    );
    expect(b.hub.fetched).toEqual([]);
    await expect(b.fetch("someone/data")).rejects.toThrow(/expected a config.json, got train.csv/);
    await expect(b.fetch("someone/half")).rejects.toThrow(
      /model-00002-of-00002.safetensors, which model.safetensors.index.json names/,
    );
  });

  it("for which there can be no folder is refused, and not waited for", async ({ skip }) => {
    skip(!existsSync("/proc/self"), "needs a place that takes no folders");
    const refused = bench().fetch(ID, { env: { HF_HOME: "/proc/none" } });
    await expect(refused).rejects.toMatchObject({ name: "GlmError", code: "disk", message: /\/proc\/none/ });
  });

  it("whose index leads out of its folder is refused", async () => {
    const b = bench();
    const evil = Buffer.from(JSON.stringify({ weight_map: { a: "../../../../evil.safetensors" } }));
    b.hub.repos.set(ID, { ...published, files: { ...published.files, "model.safetensors.index.json": evil } });
    await expect(b.fetch()).rejects.toMatchObject({ code: "model-invalid" });
  });
});

describe("a model that is there", () => {
  it("is not fetched again, and a changed file of a new version is", async () => {
    const b = bench();
    await b.fetch();
    b.hub.forget();
    await b.fetch();
    expect(b.hub.seen.map(({ url }) => url)).toEqual([`/api/models/${ID}/revision/main?blobs=true`]);
    const commit = "f".repeat(40);
    const config = Buffer.from('{"model_type": "chatglm", "new": true}');
    b.hub.repos.set(ID, { commit, files: { ...published.files, "config.json": config } });
    const folder = await b.fetch();
    expect(folder).toBe(join(root(b), "snapshots", commit));
    expect(readFileSync(join(folder, "config.json")).equals(config)).toBe(true);
    expect(b.hub.fetched).toEqual(["config.json"]);
    expect(readFileSync(join(root(b), "refs", "main"), "utf8")).toBe(commit);
    // The old version is still whole.
    expectWhole(join(root(b), "snapshots", COMMIT));
  });

  it("is used without any request offline, by commit, and when the hub does not answer", async () => {
    const b = bench();
    const folder = await b.fetch();
    b.hub.forget();
    expect(await b.fetch(ID, { env: { HF_HUB_OFFLINE: "1" } })).toBe(folder);
    expect(await b.fetch(ID, { env: { TRANSFORMERS_OFFLINE: "true" } })).toBe(folder);
    expect(await b.fetch(ID, { revision: COMMIT })).toBe(folder);
    expect(b.hub.seen).toEqual([]);
    await b.hub.close();
    expect(await b.fetch()).toBe(folder);
    await expect(b.fetch("someone/other")).rejects.toMatchObject({
      code: "hub-unreachable",
      message: expect.stringMatching(/ECONNREFUSED.*HF_ENDPOINT.*give its folder/),
    });
  });

  it("in part is not taken for a model offline, and is completed online", async () => {
    const b = bench();
    const offline = { env: { HF_HUB_OFFLINE: "1" } };
    await expect(b.fetch(ID, offline)).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringContaining("nothing of it is there"),
    });
    const folder = await b.fetch();
    // The link stays and its blob is gone, as when a cache was cleaned by hand.
    rmSync(join(folder, readlinkSync(join(folder, FIRST))));
    await expect(b.fetch(ID, offline)).rejects.toThrow(`${FIRST} is missing`);
    b.hub.forget();
    expectWhole(await b.fetch());
    expect(b.hub.fetched).toEqual([FIRST]);
  });

  it("without a tokenizer is not taken for a model offline, and is completed online", async () => {
    const b = bench();
    const folder = await b.fetch();
    rmSync(join(folder, "tokenizer.model"));
    await expect(b.fetch(ID, { env: { HF_HUB_OFFLINE: "1" } })).rejects.toThrow("its tokenizer is missing");
    expectWhole(await b.fetch(ID, { revision: COMMIT }));
  });

  it("as .bin files is used as it is, when nothing of the other form is there", async () => {
    const b = bench();
    // As Python leaves it after loading with use_safetensors=False.
    const place = (name: string): void => {
      const content = published.files[name] as Buffer;
      const hash = content.length > 10_000 ? sha256(content) : gitHash(content);
      mkdirSync(join(root(b), "snapshots", COMMIT), { recursive: true });
      mkdirSync(join(root(b), "blobs"), { recursive: true });
      writeFileSync(join(root(b), "blobs", hash), content);
      symlinkSync(join("..", "..", "blobs", hash), join(root(b), "snapshots", COMMIT, name));
    };
    for (const name of ["config.json", BIN, "pytorch_model.bin.index.json"]) place(name);
    const folder = await b.fetch();
    expect([...b.hub.fetched].sort()).toEqual(["generation_config.json", "tokenizer.model", "tokenizer_config.json"]);
    expect(readdirSync(folder).some((name) => name.includes("safetensors"))).toBe(false);
  });

  it("serves from a cache that cannot be written to", async () => {
    const b = bench();
    const folder = await b.fetch();
    rmSync(join(root(b), "refs"), { recursive: true });
    // Nothing can be written there, whoever tries (permissions would not stop root).
    writeFileSync(join(root(b), "refs"), "");
    expect(await b.fetch()).toBe(folder);
  });
});

describe("a connection", () => {
  it("that breaks is taken up where it broke, however often", async () => {
    const b = bench();
    for (let cut = 0; cut < 8; cut++) b.hub.faults.push({ path: FIRST, cutAfter: 20_000 });
    expectWhole(await b.fetch());
    const tries = b.hub.fetched.filter((name) => name.startsWith(FIRST));
    expect(tries).toHaveLength(9);
    expect(tries.slice(1).every((name) => /from [1-9]/.test(name))).toBe(true);
  });

  it("that breaks without getting anywhere is given up in the end, and what has come is kept", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, cutAfter: 100_000 });
    for (let cut = 0; cut < 20; cut++) b.hub.faults.push({ path: FIRST, status: 503 });
    await expect(b.fetch()).rejects.toMatchObject({
      code: "hub-unreachable",
      message: expect.stringMatching(/503.*Ask again to go on where it stopped/),
    });
    expect(statSync(partialOf(b, FIRST)).size).toBeGreaterThan(0);
    b.hub.faults.length = 0;
    b.hub.forget();
    expectWhole(await b.fetch());
    expect(b.hub.fetched.find((name) => name.startsWith(FIRST))).toMatch(/from [1-9]/);
  });

  it("to a server that knows no ranges starts over, and the file is right", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, cutAfter: 100_000 }, { path: FIRST, ignoreRange: true });
    const told: number[] = [];
    expectWhole(await b.fetch(ID, { onProgress: (_, done) => told.push(done) }));
    expect(told.at(-1)).toBe(500_001);
    expect(b.hub.fetched.filter((name) => name.startsWith(FIRST))).toHaveLength(2);
  });

  it("that says nothing is given up and made again", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, slow: 3000 });
    const start = performance.now();
    expectWhole(await b.fetch(ID, { policy: { ...hurried, silenceMs: 300 } }));
    expect(performance.now() - start).toBeLessThan(2500);
  });

  it("waits as long as a busy hub asks for", async () => {
    const b = bench();
    b.hub.faults.push({ path: "config.json", status: 429, headers: { "retry-after": "1" } });
    const start = performance.now();
    expectWhole(await b.fetch());
    expect(performance.now() - start).toBeGreaterThan(950);
    b.hub.repos.set("a/b", published);
    b.hub.faults.push({ path: "tokenizer_config.json", status: 429, headers: { "retry-after": "86400" } });
    rmSync(join(b.home, "hf"), { recursive: true });
    await expect(b.fetch("a/b")).rejects.toMatchObject({
      code: "hub-unreachable",
      message: expect.stringContaining("429"),
    });
  });

  it("stops at once when it is told to, and the next one goes on", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, slow: 10 });
    const stop = new AbortController();
    const reason = new Error("enough");
    const fetching = b.fetch(ID, {
      signal: stop.signal,
      onProgress: (_, done) => {
        if (done > 200_001 + 50_000) stop.abort(reason);
      },
    });
    await expect(fetching).rejects.toBe(reason);
    const { size } = statSync(partialOf(b, FIRST));
    expect(size).toBeGreaterThan(40_000);
    expect(size).toBeLessThan(300_000);
    b.hub.forget();
    const start = performance.now();
    expectWhole(await b.fetch());
    expect(performance.now() - start).toBeLessThan(2000);
    expect(b.hub.fetched).toEqual([`${FIRST} from ${size}`]);
  });
});

/** Node's own fetch forgot some of these reads: what had been taken from it hung for good. */
describe("content that is read when its request is over", () => {
  it.each([0, 5, 50])("ends, %d ms after the stop", async (ms) => {
    const b = bench();
    const client = new Client(hubSettings("huggingface", b.env), hurried);
    for (const path of ["tokenizer.model", FIRST]) {
      for (const slow of [0, 5]) {
        b.hub.faults.push({ path, slow });
        const stop = new AbortController();
        const reply = await client.ask(`${b.hub.endpoint}/${ID}/resolve/main/${path}`, { signal: stop.signal });
        const read = async (): Promise<void> => {
          for await (const part of reply.body()) {
            expect(part.length).toBeGreaterThan(0);
            stop.abort(new Error("enough"));
            await sleep(ms);
          }
        };
        await expect(read()).rejects.toThrow("enough");
      }
    }
  });
});

describe("wrong content", () => {
  it("is fetched once more", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, corrupt: true }, { path: "config.json", corrupt: true });
    expectWhole(await b.fetch());
    expect(b.hub.fetched.filter((name) => name === FIRST || name === "config.json")).toHaveLength(4);
  });

  it("that stays wrong is refused, and nothing of it is kept", async () => {
    const b = bench();
    b.hub.faults.push({ path: FIRST, corrupt: true }, { path: FIRST, corrupt: true });
    await expect(b.fetch()).rejects.toMatchObject({
      code: "download-corrupt",
      message: expect.stringMatching(
        new RegExp(`${FIRST}.*expected the checksum ${sha256(published.files[FIRST] as Buffer)}, got`),
      ),
    });
    expect(existsSync(partialOf(b, FIRST))).toBe(false);
    expect(existsSync(join(root(b), "snapshots", COMMIT, FIRST))).toBe(false);
    await expect(b.fetch(ID, { env: { HF_HUB_OFFLINE: "1" } })).rejects.toMatchObject({ code: "model-not-found" });
    expectWhole(await b.fetch());
  });

  it("in what an earlier download left is noticed", async () => {
    const b = bench();
    mkdirSync(join(root(b), "blobs"), { recursive: true });
    writeFileSync(partialOf(b, FIRST), bytes(100_000, 9));
    const second = "model-00002-of-00002.safetensors";
    writeFileSync(partialOf(b, second), bytes(400_000, 9));
    expectWhole(await b.fetch());
    expect(b.hub.fetched.filter((name) => name.startsWith(FIRST))).toEqual([`${FIRST} from 100000`, FIRST]);
    expect(b.hub.fetched.filter((name) => name.startsWith(second))).toEqual([second]);
  });
});

describe("the token", () => {
  it("is sent to the hub and to nobody it leads to", async () => {
    const b = bench();
    // One of their own: what was given up of a refused download may still be on its way when it has failed.
    b.hub.repos.set("someone/refusing", { ...published, gated: true });
    b.hub.repos.set(ID, { ...published, gated: true });
    await expect(b.fetch("someone/refusing")).rejects.toMatchObject({
      code: "hub-denied",
      message: expect.stringMatching(/Accept its conditions.*set HF_TOKEN/),
    });
    await expect(b.fetch("someone/refusing", { env: { HF_TOKEN: "wrong" } })).rejects.toMatchObject({
      code: "hub-denied",
      message: expect.stringContaining("Your HF_TOKEN is not accepted"),
    });
    b.hub.forget();
    mkdirSync(join(b.home, "hf"), { recursive: true });
    writeFileSync(join(b.home, "hf", "token"), "secret\n");
    expectWhole(await b.fetch());
    const [own, others] = ["hub", "files"].map((host) =>
      b.hub.seen.filter((seen) => seen.host === host && !seen.url.includes("refusing")),
    );
    expect(others?.length).toBeGreaterThan(0);
    for (const { headers } of own ?? []) expect(headers.authorization).toBe("Bearer secret");
    for (const { headers } of others ?? []) expect(headers.authorization).toBeUndefined();
  });

  it("that is missing may be why a model is not found; a misspelt name may be, too", async () => {
    const b = bench();
    await expect(b.fetch("THUDM/chatglm3-6bb")).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringMatching(
        /no such model, or it is private: then set HF_TOKEN.*Did you mean THUDM\/chatglm3-6b\?/,
      ),
    });
    await expect(b.fetch("ZhipuAI/chatglm3-6b")).rejects.toThrow(
      "Did you mean ZhipuAI/chatglm3-6b with --hub modelscope?",
    );
  });
});

describe("the disk", () => {
  it("is looked at before a large download begins", async () => {
    const b = bench();
    b.hub.claimedSize = 2 ** 52;
    await expect(b.fetch()).rejects.toMatchObject({
      code: "disk",
      message: expect.stringMatching(/needs [\d.e+]+ TB more on the disk of .*hub, and .* are free.*HF_HUB_CACHE/),
    });
    expect(b.hub.fetched).toEqual([]);
  });
});
