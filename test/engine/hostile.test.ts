/** @file One client that sends what it should not: it is told so, and the runtime and all others go on. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  placesIn,
  type SampleOf,
  sampleMessages,
  sampleParams,
  strangers,
  withAt,
} from "../../scripts/fuzz/message-samples.ts";
import { RawClient } from "../../scripts/fuzz/raw-client.ts";
import { describe as describeValue } from "../../src/describe.ts";
import type { RemoteEngine } from "../../src/rpc/client.ts";
import { encode } from "../../src/rpc/codec.ts";
import { Router } from "../../src/rpc/sockets.ts";
import { connectRuntime, connectTo } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import type { RuntimeStatus } from "../../src/runtime/server.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 300_000;
const home = ownHome();
let engine: RemoteEngine;
let sample: SampleOf;
let pid: number;

beforeAll(async () => {
  const folder = await writeSmallModel(join(home, "model"));
  engine = await connectRuntime();
  let model = "";
  for await (const event of engine.stream("load", {
    name: folder,
    device: "cpu",
    precision: "exact",
    quantize: "none",
  }))
    if (event.type === "ready") model = event.model.key;
  const adapter = { owner: "fuzz", name: "sample" };
  const config = { method: "lora", r: 1, alpha: 2, dropout: 0, targets: ["query_key_value"] } as const;
  const made = await engine.call("createAdapter", { model, adapter, config, seed: 1 });
  const [first] = made.parameters;
  sample = { model, folder, scratch: join(home, "scratch"), tensor: first as NonNullable<typeof first> };
  ({ pid } = await status());
}, LONG);

afterAll(() => engine?.close());

const status = async (): Promise<RuntimeStatus> => (await engine.status()) as RuntimeStatus;

/** The same process, with the same worker, answers another client at once. */
async function othersGoOn(): Promise<void> {
  const started = performance.now();
  const found = await status();
  expect(found.pid).toBe(pid);
  expect(found.models).toHaveLength(1);
  expect(performance.now() - started).toBeLessThan(5000);
}

function client(): RawClient {
  return new RawClient(runtimeFolder().address);
}

/** Headers of lists of `count` items, within each other. */
const nested = (levels: number, header: readonly number[]): Uint8Array =>
  Uint8Array.from(Array.from({ length: levels }, () => header).flat());

const noMessages: Readonly<Record<string, Uint8Array>> = {
  nil: Uint8Array.of(0xc0),
  true: Uint8Array.of(0xc3),
  number: Uint8Array.of(7),
  "text of a type": Uint8Array.of(0xa3, 0x62, 0x79, 0x65),
  list: Uint8Array.of(0x91, 0xc0),
  "empty object": Uint8Array.of(0x80),
  "never used": Uint8Array.of(0xc1),
  "nested lists of 33 million": nested(400, [0xdd, 1, 0xff, 0xff, 0xff]),
  "nested lists of what 2 kB can hold": nested(500, [0xdc, 0x01, 0xf0]),
  "nested objects of 33 million": nested(400, [0xdf, 1, 0xff, 0xff, 0xff]),
  "100,000 lists within each other": nested(100_000, [0x91]),
  "text of 4 GB": Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff),
  "an extension of 4 GB": Uint8Array.of(0xc9, 0xff, 0xff, 0xff, 0xff, 1),
  "an array in a frame that is not there": Uint8Array.of(0xd6, 2, 0, 0, 0, 0),
};

describe("what is no message", { timeout: LONG }, () => {
  it.each(Object.entries(noMessages))("%s ends nothing, before a greeting and after it", async (_name, bytes) => {
    const before = (await status()).memoryBytes;
    for (const greets of [false, true]) {
      const hostile = client();
      if (greets) await hostile.greet();
      await hostile.sendFrames([bytes]);
      const refused = await hostile.hears(({ type }) => type === "refused");
      expect(refused).toMatchObject({
        error: { name: "GlmError", message: expect.stringMatching(/expected|could not be read/) },
      });
      hostile.close();
      await othersGoOn();
    }
    expect((await status()).memoryBytes - before).toBeLessThan(200e6);
  });

  it("is many references to one large frame: it is read once", async () => {
    const hostile = client();
    await hostile.greet();
    const references = Array.from({ length: 1000 }, () => [0xc7, 5, 2, 7, 0, 0, 0, 0]).flat();
    await hostile.sendFrames([Uint8Array.from([0xdc, 0x03, 0xe8, ...references]), new Uint8Array(1e6)]);
    const refused = await hostile.hears(({ type }) => type === "refused");
    expect(refused).toMatchObject({ error: { message: expect.stringContaining("without its frame") } });
    hostile.close();
    await othersGoOn();
  });

  it("is a second question under an id that is in use", async () => {
    const hostile = client();
    await hostile.greet();
    const message = {
      ...sampleMessages(sample, 1).find((one) => "method" in one && one.method === "generate"),
      id: 1,
      credit: 1,
    };
    await hostile.send(message);
    await hostile.send(message);
    expect(await hostile.hears(({ type }) => type === "refused")).toMatchObject({ error: { message: /in use/ } });
    hostile.close();
    await othersGoOn();
  });
});

/** Names of errors that nobody meant. */
const RAW = /TypeError|RangeError|ReferenceError|SyntaxError|InternalError|SystemError/;

describe("fields of other types", { timeout: LONG }, () => {
  it("are refused by name, or are answered, in every field of every message", async () => {
    const hostile = client();
    await hostile.greet();
    let asked = 0;
    const answered = { refused: 0, otherwise: 0 };
    for (const [method, message] of Object.entries(sampleParams(sample))) {
      const isStream = ["load", "generate", "losses", "fit", "teach"].includes(method);
      for (const place of [[], ...placesIn(message)]) {
        for (const stranger of [undefined, ...strangers]) {
          asked += 1;
          const id = asked;
          const params = withAt(message, place, stranger);
          await hostile.send({
            type: isStream ? "stream" : "call",
            id,
            method,
            params,
            ...(isStream ? { credit: 100 } : {}),
          });
          const answer = await hostile.answer(id);
          const what = `${method} ${place.join(".")} ${describeValue(stranger)}`;
          if (answer.type !== "error") {
            expect(answer.type, what).toMatch(/result|end/);
            answered.otherwise += 1;
            continue;
          }
          answered.refused += 1;
          expect(answer.error.name, `${what}: ${answer.error.message.slice(0, 300)}`).not.toMatch(RAW);
          expect(answer.error.code, `${what}: ${answer.error.message.slice(0, 300)}`).toBeDefined();
          expect(answer.error.message.length, what).toBeLessThan(20_000);
        }
      }
    }
    hostile.close();
    await othersGoOn();
    expect(asked).toBeGreaterThan(3000);
    expect(answered.refused).toBeGreaterThan(asked * 0.8);
  });

  it("are told with the field, what was expected and what was got", async () => {
    const { model } = sample;
    const ask = (method: "generate", params: unknown) => engine.stream(method, params as never).next();
    const options = sampleParams(sample).generate.options;
    await expect(ask("generate", { model, rows: Int32Array.of(1, 2), options })).rejects.toMatchObject({
      code: "option-invalid",
      message: "generate: rows: expected a list, got Int32Array. Correct it and ask again.",
    });
    await expect(ask("generate", { model, rows: [{ ids: ["a"], adapter: null }], options })).rejects.toThrow(
      /^generate: rows\[0\]\.ids: expected a list of numbers, got a list of 1/,
    );
    const part = (weight: unknown) => ({ adapter: { owner: "a", name: "b" }, weight });
    const selections = [
      [],
      [part(Number.NaN)],
      [part("1")],
      [{ name: "b" }],
      Array.from({ length: 65 }, () => part(1)),
      5,
    ];
    for (const adapter of selections) {
      await expect(ask("generate", { model, rows: [{ ids: [1], adapter }], options })).rejects.toThrow(
        /^generate: rows\[0\]\.adapter: expected an adapter, 1 to 64 adapters with finite weights, or null, got /,
      );
    }
    await expect(ask("generate", { model, rows: [], options: { ...options, topp: 1 } })).rejects.toThrow(
      /options: there is no topp/,
    );
  });

  it("do not block others: neither long text nor thousands of unknown names", async () => {
    const { model } = sample;
    const adapter = { owner: "fuzz", name: "sample" };
    const value = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
    const many = Object.fromEntries(
      Array.from({ length: 9000 }, (_, i) => [`base_model.model.layers.${i}.lora`, value]),
    );
    for (const tensors of ["x".repeat(100_000), many, { ["x".repeat(100_000)]: value }]) {
      const started = performance.now();
      await expect(engine.call("writeAdapter", { model, adapter, tensors: tensors as never })).rejects.toMatchObject({
        name: "GlmError",
      });
      expect(performance.now() - started).toBeLessThan(3000);
    }
    await othersGoOn();
  });
});

describe("what is too large or strange for a connection", { timeout: LONG }, () => {
  it("is refused where it is sent, and the connection goes on", async () => {
    const inputIds = [Array.from({ length: 2 ** 23 }, () => 5)];
    await expect(engine.call("logits", { model: sample.model, inputIds, adapter: null })).rejects.toMatchObject({
      code: "data-invalid",
      message: expect.stringMatching(/^this question cannot be sent: it has more than 8388608 values/),
    });
    await othersGoOn();
  });

  it.each([
    ["nil", Uint8Array.of(0xc0)],
    ["no type", encode({})[0] as Uint8Array],
    ["an error that is none", encode({ type: "error", id: 0, error: null })[0] as Uint8Array],
    ["nested headers", nested(400, [0xdd, 1, 0xff, 0xff, 0xff])],
  ])("ends no client when a server answers so: %s", async (_name, answer) => {
    const address = `ipc://${join(home, "strange.sock")}`;
    const server = new Router({ linger: 0 });
    await server.bind(address);
    const answering = (async () => {
      for await (const [identity] of server) if (identity) await server.send([identity, answer]);
    })();
    await expect(connectTo(address, { patience: 5000 })).rejects.toMatchObject({
      name: "GlmError",
      code: "runtime-unreachable",
    });
    server.close();
    await answering;
  });
});

describe("paths", { timeout: LONG }, () => {
  it.each(["", "x", "./x", "../x", "x/y", "a\u0000b"])("that are not absolute are refused: %j", async (folder) => {
    const { model } = sample;
    const adapter = { owner: "fuzz", name: "sample" };
    const before = readdirSync("/");
    const refused = { name: "GlmError", code: "option-invalid", message: expect.stringContaining("folder: expected") };
    await expect(engine.call("saveAdapter", { model, adapter, folder })).rejects.toMatchObject(refused);
    await expect(engine.call("loadAdapter", { model, adapter, folder })).rejects.toMatchObject(refused);
    await expect(engine.call("saveModel", { model, adapter: null, folder, maxShardBytes: 1e9 })).rejects.toMatchObject(
      refused,
    );
    const load = engine.stream("load", { name: folder, device: "cpu", precision: "exact", quantize: "none" });
    await expect(load.next().then(() => load.next())).rejects.toMatchObject({ name: "GlmError" });
    expect(readdirSync("/")).toEqual(before);
  });

  it("of documents lead nowhere else", async () => {
    const { model } = sample;
    const config = { method: "lora", r: 1, alpha: 2, dropout: 0, targets: ["query_key_value"] } as const;
    const documents = { "../../evil": "x" };
    const adapter = { owner: "fuzz", name: "evil" };
    await expect(engine.call("createAdapter", { model, adapter, config, seed: 1, documents })).rejects.toMatchObject({
      code: "option-invalid",
    });
    expect(existsSync(join(home, "evil"))).toBe(false);
  });
});
