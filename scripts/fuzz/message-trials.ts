/**
 * @file Trials of messages, against a runtime of their own, over its socket. Whatever is sent is refused or answered; the
 * process and the thread of its model stay the same, go on answering others, and do not grow.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type RandomStream, randomStream } from "../../src/random.ts";
import { encode } from "../../src/rpc/codec.ts";
import type { ClientMessage, ServerMessage } from "../../src/rpc/protocol.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import type { RuntimeStatus } from "../../src/runtime/server.ts";
import { once, pick } from "./choice.ts";
import type { Outcome, Trials } from "./kinds.ts";
import { placesIn, type SampleOf, sampleMessages, strangers, withAt } from "./message-samples.ts";
import { byteMutators } from "./mutate-bytes.ts";
import { RawClient } from "./raw-client.ts";

/**
 * Bytes by which the runtime may grow, over all trials: some of their messages are sound, and the adapters that they make
 * stay, with a graph for each configuration that is trained.
 */
const MEMORY_LIMIT = 2 ** 30;
/** Milliseconds for an answer to others. */
const SOON = 8000;
/** Trials after which another client goes on. */
const CLIENT_TRIALS = 100;
/** What writes where it is told is not given garbled paths. */
const WRITERS = /^save/;
const RAW = /^(Type|Range|Reference|Syntax|System|Internal)?Error$/;

interface Sent {
  readonly mutation: string;
  readonly frames: readonly Uint8Array[];
  /** Under which an answer is due. */
  readonly id?: number;
}

export const messageTrials: Trials = async (folder, seed) => {
  const scratch = join(folder, "scratch", "saved");
  mkdirSync(scratch, { recursive: true });
  for (const [variable, name] of [
    ["GLMLAB_DATA", "data"],
    ["GLMLAB_CACHE", "cache"],
    ["GLMLAB_RUNTIME_DIR", "run"],
  ] as const) {
    process.env[variable] = join(folder, name);
  }
  const engine = await connectRuntime();
  let model: SampleOf | undefined;
  const load = { name: "tiny", device: "cpu", precision: "exact", quantize: "none" } as const;
  for await (const event of engine.stream("load", load)) {
    if (event.type !== "ready") continue;
    const config = { method: "lora", r: 1, alpha: 2, dropout: 0, targets: ["query_key_value"] } as const;
    const params = { model: event.model.key, adapter: { owner: "fuzz", name: "sample" }, config, seed: 1 };
    const [tensor] = (await engine.call("createAdapter", { ...params, existing: "replace" })).parameters;
    if (tensor) model = { model: event.model.key, folder: event.model.folder, scratch, tensor };
  }
  if (!model) throw new Error("tiny was not loaded");
  const of = model;
  const { address } = runtimeFolder();
  const before = (await engine.status()) as RuntimeStatus;
  let client: RawClient | undefined;
  let sent = 0;
  let largest = 0;

  const othersGoOn = async (): Promise<void> => {
    const late = AbortSignal.timeout(SOON);
    const now = (await engine.status(late)) as RuntimeStatus;
    if (now.pid !== before.pid) throw new Error("the runtime is another");
    if (now.models.length !== 1) throw new Error("the runtime has lost its model");
    largest = Math.max(largest, now.memoryBytes - before.memoryBytes);
    if (largest > MEMORY_LIMIT) throw new Error(`the runtime has grown by ${largest} bytes`);
    await engine.call("adapters", { model: of.model, owner: "nobody" }, { signal: late });
  };

  const trial = async (number: number) => {
    const random = randomStream(seed, "messages", number);
    const id = 10 * number + 1;
    const { mutation, frames, id: due } = mutated(of, id, random);
    if (!client || ++sent % CLIENT_TRIALS === 0) {
      client?.close();
      client = new RawClient(address);
      if (!once(random, 20)) await client.greet();
    }
    await client.sendFrames(frames);
    await client.send({ type: "status", id: id + 1 });
    const heard = await client.answer(id + 1, SOON);
    const answer = heard.type !== "refused" && due !== undefined ? await answerOf(client, due) : heard;
    const outcome = outcomeOf(answer, due);
    if (heard.type === "refused" || answer?.type === "refused") {
      client.close();
      client = undefined;
    }
    await othersGoOn();
    return { mutation, what: `${mutation} of message ${number}`, outcome };
  };
  const end = async (): Promise<void> => {
    client?.close();
    await engine.close();
    await stopRuntime(runtimeFolder());
  };
  return Object.assign(trial, { end });
};

/** What a question ends with. One that goes on, as training may, is given up. */
async function answerOf(client: RawClient, id: number): Promise<ServerMessage> {
  return client.answer(id, 1000).catch(async () => {
    await client.send({ type: "cancel", id });
    return client.answer(id, SOON);
  });
}

function outcomeOf(answer: ServerMessage, due: number | undefined): Outcome {
  if (answer.type === "refused" || answer.type === "error") {
    const { name, message } = answer.error;
    const isMeant = answer.error.code !== undefined || name === "AbortError";
    if (!isMeant || RAW.test(name)) throw new Error(`it was answered with ${name}: ${message.slice(0, 500)}`);
    return "refused";
  }
  return due === undefined ? "other" : "same";
}

function mutated(of: SampleOf, id: number, random: RandomStream): Sent {
  const samples = sampleMessages(of, id).map((message) => ("id" in message ? { ...message, id } : message));
  const sample = pick(random, samples) as ClientMessage;
  const writes = "method" in sample && WRITERS.test(sample.method);
  if (!writes && once(random, 3)) {
    const name = pick(random, Object.keys(byteMutators));
    const [head, ...rest] = encode(sample) as [Uint8Array, ...Uint8Array[]];
    const bytes = (byteMutators[name] as (typeof byteMutators)[string])(Buffer.from(head), random);
    return { mutation: `bytes: ${name}`, frames: [bytes, ...rest] };
  }
  if (once(random, 20)) {
    const [head, ...rest] = encode(sample) as [Uint8Array, ...Uint8Array[]];
    const others = pick(random, [[], [...rest, Buffer.alloc(random.integer(9000))], [Buffer.alloc(5), ...rest]]);
    return { mutation: "frames", frames: [head, ...others] };
  }
  let message: unknown = sample;
  for (let times = random.integer(3); times >= 0; times -= 1) message = changed(message, samples, random);
  const asks = sample.type === "call" || sample.type === "stream" || sample.type === "status";
  return {
    mutation: `fields of ${"method" in sample ? sample.method : sample.type}`,
    frames: encode(message),
    ...(asks ? { id } : {}),
  };
}

/** One place that holds something else, nothing, or a part of another message. */
function changed(message: unknown, samples: readonly unknown[], random: RandomStream): unknown {
  const places = placesIn(message);
  if (places.length === 0)
    return { ...(message as object), [pick(random, ["x", "params", "credit"])]: pick(random, strangers) };
  const place = pick(random, places);
  const other = pick(random, samples);
  const from = pick(random, [[], ...placesIn(other)]);
  switch (random.integer(5)) {
    case 0:
      return withAt(message, place, undefined);
    case 1:
      return withAt(message, place, isSpared(message, place) ? 1 : from.reduce(partOf, other));
    case 2:
      return withAt(message, [...place.slice(0, -1), "unknown"], 1);
    case 3: {
      const value = place.reduce(partOf, message);
      const delta = pick(random, [1, -1, 0.5, 1000, -1000, 2 ** 31, 2 ** 53]);
      return withAt(message, place, typeof value === "number" ? value + delta : [value]);
    }
    default:
      return withAt(message, place, pick(random, strangers));
  }
}

/** A text from elsewhere could be a path to write to, or the model that all trials are about, to be unloaded. */
const isSpared = (message: unknown, place: readonly (string | number)[]): boolean =>
  place.at(-1) === "folder" || partOf(message, "method") === "unload";

const partOf = (whole: unknown, key: string | number): unknown =>
  typeof whole === "object" && whole !== null ? (whole as Record<string | number, unknown>)[key] : undefined;
