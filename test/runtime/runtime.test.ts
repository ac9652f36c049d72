/** @file The runtime as a process: shared, locked, ended when idle, missed when killed, and what its clients are told. */
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { GlmError } from "../../src/errors.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { load as loadModel } from "../../src/index.ts";
import { lockHolder, takeLock } from "../../src/lock.ts";
import { RemoteEngine } from "../../src/rpc/client.ts";
import { type ServerMessage, toWire } from "../../src/rpc/protocol.ts";
import { SocketServer } from "../../src/rpc/socket-server.ts";
import { openSocketThread } from "../../src/rpc/socket-thread.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { connectRuntime, connectTo, runtimeStatus } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { killAll, run } from "../engine/process.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

/** Machines that test many things at once are slow. */
const LONG = 120_000;
const SOON = { timeout: 30_000, interval: 50 };
const home = ownHome();
let name: string;
let runs = 0;

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
}, LONG);

/** Every test has a runtime of its own. */
beforeEach(() => {
  vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, `run${++runs}`));
  vi.stubEnv("GLMLAB_RUNTIME_IDLE", undefined);
});
afterEach(async () => {
  killAll();
  await stopRuntime(runtimeFolder());
});

async function load(engine: Engine): Promise<string> {
  for await (const event of engine.stream("load", { name, device: "cpu", precision: "exact", quantize: "none" })) {
    if (event.type === "ready") return event.model.key;
  }
  throw new Error("not loaded");
}

const sampling = {
  maxNewTokens: 100_000,
  ...GREEDY,
  stop: [],
};

describe("a runtime", { timeout: LONG }, () => {
  it("is started once by clients that come at the same time, and holds their model once", async () => {
    const clients = [1, 2, 3].map(() => run("client", [name, "wait"]));
    const ready = await Promise.all(clients.map((client) => client.next()));
    expect(new Set(ready.map(({ runtime }) => runtime)).size).toBe(1);
    expect(new Set(ready.map((one) => one.ready)).size).toBe(1);
    const status = await runtimeStatus();
    expect(status).toMatchObject({ pid: ready[0]?.runtime, clients: 3 });
    expect(status?.models).toHaveLength(1);
    expect(statSync(runtimeFolder().path).mode & 0o777).toBe(0o700);
    for (const { child } of clients) child.stdin?.end("go on\n");
    for (const { ended } of clients) expect(await ended).toEqual({ status: 0, errors: "" });
  });

  it("is left in order, and soon, by a client that ends without saying goodbye", async () => {
    const client = run("client", [name, "exit"]);
    await client.next();
    const { closedAfter } = await client.next();
    expect(closedAfter).toBeLessThan(900); // a second is how long the end of a process waits for its link
    expect(await client.ended).toEqual({ status: 0, errors: "" });
    await vi.waitFor(async () => expect((await runtimeStatus())?.clients).toBe(0), SOON);
  });

  it("stops the work of a client that was killed", async () => {
    const client = run("client", [name, "train"]);
    const { ready: model } = await client.next();
    let { type, step } = await client.next();
    while (type !== "step" || Number(step) < 5) ({ type, step } = await client.next());
    expect((await runtimeStatus())?.models[0]?.requests).toBe(1);
    client.child.kill("SIGKILL");
    await vi.waitFor(async () => {
      const status = await runtimeStatus();
      expect(status?.clients).toBe(0);
      expect(status?.models[0]?.requests).toBe(0);
    }, SOON);
    const engine = await connectRuntime();
    const params = { model: String(model), adapter: { owner: "client", name: "trained" } };
    const { steps } = await engine.call("adapterInfo", params);
    expect(steps).toBeGreaterThanOrEqual(5);
    await sleep(100);
    expect((await engine.call("adapterInfo", params)).steps).toBe(steps);
    await engine.close();
  });

  it("answers while a model computes", async () => {
    const engine = await connectRuntime();
    const model = await load(engine);
    const rows = Array.from({ length: 16 }, () => ({ ids: [5], adapter: null }));
    let ended = 0;
    const reading = (async () => {
      for await (const event of engine.stream("generate", { model, rows, options: sampling }))
        ended += event.type === "end" ? 1 : 0;
    })();
    await vi.waitFor(async () => expect((await runtimeStatus())?.models[0]?.requests).toBe(1), SOON);
    expect(ended).toBe(0);
    await reading;
    expect(ended).toBe(16);
    await engine.close();
  });

  it("that is killed fails what waits for it; the next question starts another, which finds model and adapters", async () => {
    const engine = new ReconnectingEngine(() => connectRuntime());
    const model = await load(engine);
    const adapter = { owner: "o", name: "kept" };
    const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] } as const;
    await engine.call("createAdapter", { model, adapter, config, seed: 1 });
    const before = await runtimeStatus();
    const tokens = engine.stream("generate", { model, rows: [{ ids: [5], adapter }], options: sampling });
    await tokens.next();
    process.kill(before?.pid ?? 0, "SIGKILL");
    const read = async (): Promise<void> => {
      for await (const _ of tokens);
    };
    await expect(read()).rejects.toMatchObject({ name: "GlmError", code: "runtime-lost", message: /on disk/ });
    const found = await engine.call("adapters", { model, owner: "o" });
    expect(found.map((info) => info.name)).toContain("kept");
    const after = await runtimeStatus();
    expect(after?.pid).not.toBe(before?.pid);
    // Lost while nobody asked, it is replaced unseen.
    process.kill(after?.pid ?? 0, "SIGKILL");
    await sleep(300);
    expect(await engine.call("models", {})).toEqual([]);
    expect(await engine.call("adapters", { model, owner: "o" })).toHaveLength(found.length);
    await engine.close();
  });

  it("ends itself some time after its last client, and not before", async () => {
    vi.stubEnv("GLMLAB_RUNTIME_IDLE", "1");
    const engine = await connectRuntime();
    await sleep(1500);
    expect(lockHolder(runtimeFolder().path)).toBeDefined();
    await engine.close();
    await vi.waitFor(() => expect(lockHolder(runtimeFolder().path)).toBeUndefined(), SOON);
    expect(() => statSync(runtimeFolder().socket)).toThrow(/ENOENT/);
  });

  it("that does not come up is reported with the end of its log", async () => {
    vi.stubEnv("GLMLAB_RUNTIME_IDLE", "soon");
    const failed = connectRuntime();
    await expect(failed).rejects.toMatchObject({ name: "GlmError", code: "runtime-unreachable" });
    await expect(failed).rejects.toThrow(/GLMLAB_RUNTIME_IDLE: expected a number of seconds/);
    await expect(failed).rejects.toThrow(/runtime: "none"/);
  });

  it("that holds the lock and does not answer is named", async () => {
    expect(takeLock(runtimeFolder().path)).toBeUndefined();
    const failed = connectRuntime({ patience: 800 });
    await expect(failed).rejects.toThrow(new RegExp(`process ${process.pid} holds its lock.*glmlab runtime stop`));
    // This very process must not be stopped after the test.
    vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "elsewhere"));
  });

  it("of another version is not used, and its client says what to do", async () => {
    const folder = runtimeFolder();
    expect(takeLock(folder.path)).toBeUndefined();
    const why = new GlmError("runtime-unreachable", "version 99 runs; run `glmlab runtime stop`");
    const server = await SocketServer.bind(folder.address, (client) =>
      client.open({
        message: () => {
          client.send({ type: "refused", error: toWire(why) } satisfies ServerMessage);
          client.close();
        },
        closed: () => undefined,
      }),
    );
    await expect(connectRuntime()).rejects.toMatchObject({ code: "runtime-unreachable", message: why.message });
    await expect(connectTo(folder.address)).rejects.toMatchObject({
      code: "runtime-unreachable",
      message: why.message,
    });
    await server.close();
    vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "elsewhere"));
  });

  it("is waited for no longer than the cell that asked", async () => {
    expect(takeLock(runtimeFolder().path)).toBeUndefined();
    const reason = new Error("interrupted");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 100);
    await expect(connectRuntime({ signal: abort.signal })).rejects.toBe(reason);
    vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "elsewhere"));
  });

  it("is waited for no longer than the engine that asks is open", async () => {
    const engine = new ReconnectingEngine((signal) => connectTo(`ipc://${join(home, "nobody.sock")}`, { signal }));
    const asked = engine.call("models", {});
    const refused = expect(asked).rejects.toMatchObject({ code: "runtime-lost", message: /was closed/ });
    await sleep(100);
    const before = performance.now();
    await engine.close();
    await refused;
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it("that is stopped has ended when that returns; who asks next has another at once", async () => {
    const engine = new ReconnectingEngine(() => connectRuntime());
    const pids = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await load(engine);
      const stopped = await stopRuntime();
      pids.add(stopped?.pid ?? 0);
      expect(lockHolder(runtimeFolder().path)).toBeUndefined();
      expect(() => statSync(runtimeFolder().socket)).toThrow(/ENOENT/);
    }
    await load(engine);
    expect(pids.size).toBe(4);
    await engine.close();
  });

  it("that is about to end is waited for, and followed by another, by who loads from it or comes to it", async () => {
    for (const delay of [0, 5, 20]) {
      const engine = new ReconnectingEngine(() => connectRuntime());
      await load(engine);
      const before = (await runtimeStatus())?.pid ?? 0;
      process.kill(before, "SIGTERM");
      await sleep(delay);
      const [, newcomer] = await Promise.all([load(engine), connectRuntime()]);
      expect((await runtimeStatus())?.pid).not.toBe(before);
      await newcomer.close();
      await engine.close();
    }
  });

  it("that is stopped is waited for no longer than the cell that asked", async () => {
    const engine = await connectRuntime();
    const { pid = 0 } = (await runtimeStatus()) ?? {};
    process.kill(pid, "SIGSTOP");
    const reason = new Error("interrupted");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 100);
    await expect(stopRuntime(runtimeFolder(), abort.signal)).rejects.toBe(reason);
    process.kill(pid, "SIGCONT");
    await engine.close();
  });

  it("that is killed leaves its clients' other connections working", async () => {
    const client = run("left", [home, "10"]);
    for (let round = 0; round < 10; round++) expect(await client.next()).toEqual({ round });
    expect(await client.ended).toEqual({ status: 0, errors: "" });
  });

  it("tells in its log the end of a model's thread that nobody wanted from an ordinary one", async () => {
    const engine = await connectRuntime();
    const model = await load(engine);
    await engine.call("unload", { model });
    const log = (): string => readFileSync(runtimeFolder().log, "utf8");
    await vi.waitFor(() => expect(log()).toMatch(/\] worker ended$/m), SOON);
    expect(log()).not.toContain("unexpectedly");
    await engine.close();
  });

  it("survives, with its client, that the client's thread is terminated in the midst of an answer", async () => {
    const client = run("interrupted", [name]);
    for (let round = 0; round < 3; round++) {
      expect(await client.next()).toHaveProperty("busy");
      expect(await client.next()).toEqual({ models: 1 });
    }
    expect(await client.ended).toEqual({ status: 0, errors: "" });
  });
});

describe("an address", () => {
  it("that is none, or where nobody listens, is refused with what was expected", async () => {
    await expect(connectTo("somewhere")).rejects.toMatchObject({ code: "option-invalid", message: /ipc:\/\// });
    const silent = connectTo(`ipc://${join(home, "nobody.sock")}`, { patience: 300 });
    await expect(silent).rejects.toMatchObject({ code: "runtime-unreachable", message: /nobody\.sock/ });
  });

  it.each([
    ...[
      "tcp://nothing",
      "tcp://nothing:0",
      "tcp://nothing:65536",
      "tcp://a b:5",
      "tcp://:5",
      "tcp://*:5",
      "tcp://a:5/b",
    ],
    ...["ipc://", `ipc:///${"long/".repeat(25)}`, "http://localhost:5"],
  ])("that ZeroMQ could not use is refused before: %s", async (address) => {
    const refused = {
      code: "option-invalid",
      message: expect.stringMatching(/expected .*ipc:.*tcp:\/\/host:port, got/),
    };
    await expect(connectTo(address)).rejects.toMatchObject(refused);
    await expect(loadModel("tiny", { runtime: address })).rejects.toMatchObject(refused);
  });

  it("that ZeroMQ refuses ends the connection, and no process", async () => {
    const refused = RemoteEngine.connect(openSocketThread("tcp://nothing"), "lost");
    const error = await refused.catch((one: unknown) => one);
    // A thread that dies of it would be the cause, and takes the process along.
    expect(error).toMatchObject({ code: "runtime-lost" });
    expect(error).not.toHaveProperty("cause");
  });
});

describe("the folder", () => {
  it("with too long a path for a socket is refused, with the remedy", () => {
    const folder = (): unknown => runtimeFolder({ GLMLAB_RUNTIME_DIR: `/tmp/${"long/".repeat(25)}` });
    expect(folder).toThrow(/bytes and this system allows \d+.*GLMLAB_RUNTIME_DIR/);
    expect(folder).toThrow(GlmError);
  });

  it("is made private, or refused when it is no folder or somebody else's", () => {
    const path = join(home, "open");
    mkdirSync(path);
    chmodSync(path, 0o777);
    expect(runtimeFolder({ GLMLAB_RUNTIME_DIR: path }).path).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(() => runtimeFolder({ GLMLAB_RUNTIME_DIR: "/proc/none/below" })).toThrow(/cannot be made/);
    expect(() => runtimeFolder({ GLMLAB_RUNTIME_DIR: "/dev/null" })).toThrow(/cannot be (made|used)/);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, 12_345, 12_345);
    expect(() => runtimeFolder({ GLMLAB_RUNTIME_DIR: isRoot ? path : "/" })).toThrow(
      /belongs to user (12345|0), expected you/,
    );
  });

  it("is the session's when there is one, else one of this user among the temporary files", () => {
    expect(runtimeFolder({ XDG_RUNTIME_DIR: home }).path).toBe(join(home, "glmlab"));
    const gone = runtimeFolder({ XDG_RUNTIME_DIR: join(home, "gone") }).path;
    expect(gone).toBe(join(tmpdir(), `glmlab-${process.getuid?.()}`));
  });
});
