/** @file What happens between a client and a served engine when readers pause, leave, are dropped, or sides differ. */
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { GREEDY } from "../../src/generate/sampler.ts";
import { RemoteEngine } from "../../src/rpc/client.ts";
import { PROTOCOL, type ServerMessage } from "../../src/rpc/protocol.ts";
import { serveEngine } from "../../src/rpc/serve.ts";
import { version } from "../../src/version.ts";
import { MemoryEngine } from "../engine/memory-engine.ts";
import { connectThrough, ports } from "../engine/ports.ts";

const sampling = {
  maxNewTokens: 1000,
  ...GREEDY,
  stop: [],
};
const fitting = {
  epochs: 1000,
  lr: 0.01,
  batchSize: 1,
  accumulate: 1,
  clip: 0,
  weightDecay: 0,
  scheduler: "constant",
  warmup: 0,
  patience: 0,
  rehearse: [],
  rehearsePerBatch: 0,
  maxLength: 8,
  seed: 0,
  stop: [],
} as const;
const model = "memory-exact";
const generation = { model, rows: [{ ids: [5], adapter: null }], options: sampling };
const training = {
  model,
  adapter: { owner: "o", name: "a" },
  rows: [{ prompt: "a", response: "b" }],
  validation: [],
  options: fitting,
};

async function loaded(pace = 1): Promise<{ memory: MemoryEngine; remote: RemoteEngine }> {
  const memory = new MemoryEngine(new Map(), pace);
  const remote = await connectThrough(memory);
  for await (const _ of remote.stream("load", { name: "memory", device: "cpu", precision: "exact", quantize: "none" }));
  await remote.call("createAdapter", { model, adapter: training.adapter, config: { method: "full" }, seed: 0 });
  return { memory, remote };
}

describe("a stream's reader", () => {
  it("pauses a training by not reading on, and a generation within its window", async () => {
    const { memory, remote } = await loaded(0);
    const fit = remote.stream("fit", training);
    for (let i = 0; i < 2; i++) await fit.next();
    await sleep(50);
    expect(memory.done.steps).toBe(1);
    const tokens = remote.stream("generate", generation);
    await tokens.next();
    await sleep(200);
    expect(memory.done.tokens).toBeGreaterThan(10);
    expect(memory.done.tokens).toBeLessThanOrEqual(66);
    let rest = 1;
    for await (const event of tokens) rest += event.type === "token" ? 1 : 0;
    expect(rest).toBe(1000);
  });

  it("stops the work within one token or step by leaving, by its signal, and by being dropped", async () => {
    const { memory, remote } = await loaded(2);
    const still = async (what: "tokens" | "steps"): Promise<void> => {
      const now = memory.done[what];
      await sleep(40);
      expect(memory.done[what] - now).toBeLessThanOrEqual(1);
    };
    for await (const _ of remote.stream("generate", generation)) break;
    await still("tokens");
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    const read = async (): Promise<void> => {
      for await (const _ of remote.stream("fit", training, { signal: abort.signal }));
    };
    await expect(read()).rejects.toMatchObject({ name: "AbortError" });
    await still("steps");
  });

  it("stops the work of a generator that nobody holds any more", async () => {
    setFlagsFromString("--expose_gc");
    const collect = runInNewContext("gc") as () => void;
    const { memory, remote } = await loaded(2);
    const cancelled = vi.spyOn(MemoryEngine.prototype, "stream");
    const forget = async (): Promise<void> => void (await remote.stream("generate", generation).next());
    await forget();
    const signal = cancelled.mock.calls.at(-1)?.[2]?.signal;
    await vi.waitFor(
      () => {
        collect();
        expect(signal?.aborted).toBe(true);
      },
      { timeout: 5000, interval: 20 },
    );
    cancelled.mockRestore();
    expect(memory.done.tokens).toBeLessThan(1000);
  });
});

describe("a client that leaves", () => {
  it("has its work stopped and its gradients released", async () => {
    const { memory, remote } = await loaded(2);
    const batch = { inputIds: [[5, 6]], labels: [[5, 6]] };
    await remote.call("gradients", { model, adapter: training.adapter, batch, seed: 0 });
    expect(memory.gradients.size).toBe(1);
    const tokens = remote.stream("generate", generation);
    await tokens.next();
    const pending = (async () => {
      for await (const _ of tokens);
    })();
    const closed = expect(pending).rejects.toMatchObject({ code: "runtime-lost" });
    await remote.close();
    await closed;
    await vi.waitFor(() => expect(memory.gradients.size).toBe(0));
    const now = memory.done.tokens;
    await sleep(40);
    expect(memory.done.tokens - now).toBeLessThanOrEqual(1);
    await expect(remote.call("models", {})).rejects.toMatchObject({ code: "runtime-lost" });
  });
});

describe("a server", () => {
  it("refuses a client of another version, and the client says what to do", async () => {
    for (const other of [
      { protocol: PROTOCOL + 1, version },
      { protocol: PROTOCOL, version: "99.0.0" },
    ]) {
      const { client, server } = ports();
      const answers: ServerMessage[] = [];
      serveEngine(server, new MemoryEngine());
      client.open({ message: (message) => answers.push(message), closed: () => undefined });
      client.send({ type: "hello", pid: 1, ...other });
      await vi.waitFor(() => expect(answers).toHaveLength(1));
      expect(answers[0]).toMatchObject({ type: "refused", error: { code: "runtime-unreachable" } });
      expect(JSON.stringify(answers[0])).toMatch(/glmlab runtime stop/);
    }
    const { client, server } = ports();
    server.open({
      message: () => {
        server.send({ type: "refused", error: { name: "GlmError", code: "runtime-unreachable", message: "stop it" } });
        server.close();
      },
      closed: () => undefined,
    });
    await expect(RemoteEngine.connect(client, "lost")).rejects.toMatchObject({
      code: "runtime-unreachable",
      message: "stop it",
    });
  });

  it("that goes without a word fails what waits, with the remedy", async () => {
    const { client, server } = ports();
    serveEngine(server, new MemoryEngine(new Map(), 1000));
    const remote = await RemoteEngine.connect(client, "it is gone: ask again");
    const waiting = remote
      .stream("load", { name: "memory", device: "cpu", precision: "exact", quantize: "none" })
      .next();
    server.close();
    await expect(waiting).rejects.toMatchObject({
      name: "GlmError",
      code: "runtime-lost",
      message: "it is gone: ask again",
    });
    expect(remote.lost).toBe(true);
  });

  it("fails with an error whose stack leads to the question", async () => {
    const { remote } = await loaded();
    const askHere = async (): Promise<unknown> => await remote.call("adapters", { model: "none", owner: "o" });
    const readHere = async (): Promise<void> => {
      for await (const _ of remote.stream("generate", { ...generation, model: "none" }));
    };
    for (const [name, ask] of Object.entries({ askHere, readHere })) {
      const error = await ask().catch((reason: unknown) => reason);
      expect((error as Error).stack).toContain(name);
    }
  });

  it("hands over errors that are no GlmError with name, message and the stack of where they happened", async () => {
    const { remote } = await loaded();
    const odd = remote.call("saveAdapter", { model, adapter: training.adapter, folder: "/dev/null/x" });
    const error = await odd.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(/ENOTDIR|EEXIST/);
    const unsendable = remote.call("gradients", {
      model,
      adapter: training.adapter,
      batch: new Map() as never,
      seed: 0,
    });
    await expect(unsendable).rejects.toThrow(/plain data/);
    expect(await remote.call("models", {})).toHaveLength(1);
  });
});
