/**
 * @file A small engine that keeps everything in memory: a bigram model whose adapters shift its logits.
 *
 * It computes and learns for real, takes its time between tokens and steps, and notes how far its work went, so that
 * tests of what lies between an engine and its user need no weights and can see when work really stops.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { receivedRows } from "../../src/data/row-file.ts";
import { allRows } from "../../src/data/row-store.ts";
import { partsOf } from "../../src/engine/adapter-selection.ts";
import {
  type AdapterInfo,
  type AdapterRef,
  type AdapterSelection,
  type Batch,
  type CallName,
  type Calls,
  type Engine,
  type EngineOptions,
  type GenerateEvent,
  type LoadEvent,
  type LoadParams,
  type ModelInfo,
  SHARED,
  type StreamName,
  type Streams,
} from "../../src/engine/engine.ts";
import { GlmError } from "../../src/errors.ts";
import { tensor } from "../../src/tensor.ts";
import type { FitEvent } from "../../src/train/trainer.ts";

export const VOCABULARY = 16;
const EOS = 2;
const NAME = "shift.weight";
type Tensors = Calls["readAdapter"]["result"];

interface Adapter {
  readonly config: AdapterInfo["config"];
  readonly documents: Map<string, string>;
  readonly shift: Float32Array;
  steps: number;
  source?: string;
}

interface Gradients {
  readonly shift: Float32Array;
  readonly tokens: number;
}

/** What stays when an engine is gone: adapters by model, owner and name. */
export type Disk = Map<string, Adapter>;

export class MemoryEngine implements Engine {
  /** Tokens made and training steps begun so far. */
  readonly done = { tokens: 0, steps: 0, loads: 0, resumed: [] as string[] };
  /** Gradients that were computed and neither used nor released. */
  readonly gradients = new Map<number, Gradients>();
  /** Part of the key of what is loaded, as if the model's files had other content. */
  content = "";
  readonly #disk: Disk;
  readonly #pace: number;
  readonly #models = new Map<string, ModelInfo>();
  #next = 1;

  /** @param pace milliseconds between tokens, steps and loading progress */
  constructor(disk: Disk = new Map(), pace = 1) {
    this.#disk = disk;
    this.#pace = pace;
  }

  async call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    options: EngineOptions = {},
  ): Promise<Calls[M]["result"]> {
    options.signal?.throwIfAborted();
    if ("model" in params && !this.#models.has(params.model)) {
      throw new GlmError("model-not-loaded", `No model of key ${params.model} is loaded here. Load it again.`);
    }
    return this.#calls[method](params as never) as Calls[M]["result"];
  }

  stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    options: EngineOptions = {},
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    return this.#streams[method](params as never, options.signal) as AsyncGenerator<Streams[M]["event"], void, void>;
  }

  async close(): Promise<void> {
    this.#models.clear();
  }

  readonly #calls: { [M in CallName]: (params: Calls[M]["params"]) => unknown } = {
    models: () =>
      [...this.#models.values()].map((model) => ({ model, adapters: [], mappedBytes: 4 * VOCABULARY ** 2 })),
    unload: ({ model }) => void this.#models.delete(model),
    logits: ({ model, inputIds, adapter, positions }) => {
      const shift = this.#shift(model, adapter);
      const length = Math.max(...inputIds.map((row) => row.length));
      const chosen = positions ?? Array.from({ length }, (_, i) => i);
      const rows = inputIds.flatMap((row) => chosen.flatMap((at) => logits(row[at] ?? 0, shift)));
      return tensor("float32", [inputIds.length, chosen.length, VOCABULARY], Float32Array.from(rows));
    },
    adapters: ({ model, owner }) =>
      [...this.#disk.keys()]
        .map((key) => JSON.parse(key) as [string, string, string])
        .filter(([of, by]) => of === model && (by === owner || by === SHARED))
        .map(([, by, name]) => this.#info(model, { owner: by, name })),
    createAdapter: ({ model, adapter, config, existing }) => {
      const before = this.#disk.get(address(model, adapter));
      const aside = { ...adapter, name: `${adapter.name}.1` };
      if (before && existing === undefined) this.#disk.set(address(model, aside), before);
      if (before && existing === "refuse") {
        throw new GlmError(
          "adapter-exists",
          `An adapter ${adapter.name} exists already. Choose another name, or dispose it.`,
        );
      }
      this.#disk.set(address(model, adapter), {
        config,
        documents: new Map(),
        shift: new Float32Array(VOCABULARY),
        steps: 0,
      });
      return { ...this.#info(model, adapter), ...(before && existing === undefined ? { setAside: aside.name } : {}) };
    },
    loadAdapter: async ({ model, adapter, folder }) => {
      const shift = Float32Array.from(JSON.parse(await readFile(join(folder, "shift.json"), "utf8")) as number[]);
      this.#disk.set(address(model, adapter), {
        config: { method: "full" },
        documents: new Map(),
        shift,
        steps: 0,
        source: folder,
      });
      return this.#info(model, adapter);
    },
    saveAdapter: async ({ model, adapter, folder }) => {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "shift.json"), JSON.stringify([...this.#adapter(model, adapter).shift]));
    },
    adapterInfo: ({ model, adapter }) => this.#info(model, adapter),
    disposeAdapter: ({ model, adapter }) => {
      this.#adapter(model, adapter);
      this.#disk.delete(address(model, adapter));
    },
    readAdapter: ({ model, adapter }) => asTensors(this.#adapter(model, adapter).shift),
    writeAdapter: ({ model, adapter, tensors }) => {
      const given = tensors[NAME]?.data;
      if (given?.length !== VOCABULARY) {
        throw new GlmError(
          "adapter-invalid",
          `${NAME}: expected ${VOCABULARY} numbers, got ${given?.length ?? "none"}.`,
        );
      }
      this.#adapter(model, adapter).shift.set(given);
    },
    takeAdapter: async ({ model, adapter, folder }) => {
      const kept = JSON.parse(await readFile(join(folder, "shift.json"), "utf8")) as number[];
      this.#adapter(model, adapter).shift.set(kept);
      return undefined;
    },
    readDocument: ({ model, adapter, document }) => this.#adapter(model, adapter).documents.get(document) ?? null,
    writeDocument: ({ model, adapter, document, text, replaces }) => {
      const { documents } = this.#adapter(model, adapter);
      if (replaces !== undefined && replaces !== (documents.get(document) ?? null)) {
        throw new GlmError("adapter-changed", `${document} was changed meanwhile. Read it again.`);
      }
      documents.set(document, text);
    },
    mergeAdapter: ({ model, adapter }) => this.#info(model, adapter),
    unmergeAdapter: ({ model, adapter }) => this.#info(model, adapter),
    combineAdapters: ({ model, adapter, parts }) => {
      const shift = this.#shift(model, parts) as Float32Array;
      this.#disk.set(address(model, adapter), { config: { method: "full" }, documents: new Map(), shift, steps: 0 });
      return this.#info(model, adapter);
    },
    saveModel: () => {
      throw new GlmError("unsupported", "The memory engine has no checkpoint to save. Use a real one.");
    },
    gradients: ({ model, adapter, batch }) => {
      const { loss, tokens, shift } = gradientsOf(batch, this.#adapter(model, adapter).shift);
      const handle = this.#next++;
      this.gradients.set(handle, { shift, tokens });
      return { loss, tokens, handle };
    },
    readGradients: ({ handle }) => asTensors(this.#gradientsOf(handle).shift),
    startRun: noRuns,
    stopRun: noRuns,
    noteJob: noRuns,
    run: () => null,
    resumeRuns: ({ model }) => {
      this.done.resumed.push(model);
      return undefined;
    },
    releaseGradients: ({ handle }) => void this.gradients.delete(handle),
    optimizerStep: ({ model, adapter, config, handles }) => {
      const held = handles.map((handle) => this.#gradientsOf(handle));
      const target = this.#adapter(model, adapter);
      const tokens = held.reduce((sum, one) => sum + one.tokens, 0);
      const mean = target.shift.map((_, i) =>
        held.reduce((sum, one) => sum + ((one.shift[i] ?? 0) * one.tokens) / tokens, 0),
      );
      mean.forEach((value, i) => {
        target.shift[i] = (target.shift[i] ?? 0) - config.lr * value;
      });
      for (const handle of handles) this.gradients.delete(handle);
      return { gradientNorm: Math.hypot(...mean), step: ++target.steps };
    },
  };

  readonly #streams: {
    [M in StreamName]: (
      params: Streams[M]["params"],
      signal?: AbortSignal,
    ) => AsyncGenerator<Streams[M]["event"], void, void>;
  } = {
    load: (params, signal) => this.#load(params, signal),
    generate: (params, signal) => this.#generate(params, signal),
    losses: (params, signal) => this.#losses(params, signal),
    fit: (params, signal) => this.#fit(params, signal),
    watchRun: noRuns,
    teach: () => {
      throw new GlmError("unsupported", "The memory engine learns too little to be taught. Use a real one.");
    },
  };

  async *#load(params: LoadParams, signal?: AbortSignal): AsyncGenerator<LoadEvent, void, void> {
    if (params.name !== "memory") throw new GlmError("model-not-found", `No model ${params.name}. Known: memory.`);
    const form = params.quantize === "none" ? "" : `-${params.quantize}`;
    const key = `memory-${params.precision}${form}${this.content}`;
    const known = this.#models.get(key);
    if (known) return yield { type: "ready", model: { ...known, resident: true } };
    this.done.loads++;
    for (let done = 1; done <= 3; done++) {
      await sleep(this.#pace);
      signal?.throwIfAborted();
      yield { type: "progress", stage: "weights", done, total: 3 };
    }
    const model = modelInfo(key, params);
    this.#models.set(key, model);
    yield { type: "ready", model };
  }

  async *#generate(
    { model, rows, options }: Streams["generate"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<GenerateEvent, void, void> {
    this.#require(model);
    const last = rows.map(({ ids }) => ids.at(-1) ?? 0);
    const running = new Set(rows.keys());
    for (let made = 0; running.size > 0; made++) {
      await sleep(this.#pace);
      signal?.throwIfAborted();
      for (const row of [...running]) {
        const scores = logits(last[row] ?? 0, this.#shift(model, rows[row]?.adapter ?? null));
        const token = scores.indexOf(Math.max(...scores));
        const reason = made === options.maxNewTokens ? "length" : options.stop.includes(token) ? "stop" : undefined;
        if (reason) {
          running.delete(row);
          yield { type: "end", row, reason };
          continue;
        }
        last[row] = token;
        this.done.tokens++;
        yield { type: "token", row, token };
      }
    }
  }

  async *#losses(
    { model, rows }: Streams["losses"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<Streams["losses"]["event"], void, void> {
    this.#require(model);
    for (const [row, { ids, labels, adapter }] of rows.entries()) {
      await sleep(this.#pace);
      signal?.throwIfAborted();
      const shift = this.#shift(model, adapter) ?? new Float32Array(VOCABULARY);
      const { loss, tokens } = gradientsOf({ inputIds: [ids], labels: [labels] }, shift);
      yield { row, loss: loss * tokens, tokens };
    }
  }

  async *#fit(
    { model, adapter, rows: sent, options }: Streams["fit"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<FitEvent, void, void> {
    this.#require(model);
    const target = this.#adapter(model, adapter);
    const rows = allRows(await receivedRows(sent));
    if (rows.length === 0) throw new GlmError("data-invalid", "No rows to train on. Give at least one.");
    yield { type: "start", steps: options.epochs, epochs: options.epochs, rows: rows.length };
    let loss = 0;
    for (let step = 1; step <= options.epochs; step++) {
      await sleep(this.#pace);
      signal?.throwIfAborted();
      this.done.steps++;
      const inputIds = rows.map(({ prompt, response }) =>
        [...`${prompt}${response}`].map((c) => (c.codePointAt(0) ?? 0) % VOCABULARY),
      );
      const gradient = gradientsOf({ inputIds, labels: inputIds }, target.shift);
      gradient.shift.forEach((value, i) => {
        target.shift[i] = (target.shift[i] ?? 0) - options.lr * value;
      });
      target.steps++;
      loss = gradient.loss;
      const gradientNorm = Math.hypot(...gradient.shift);
      yield {
        type: "step",
        step,
        steps: options.epochs,
        epoch: step,
        loss,
        lr: options.lr,
        gradientNorm,
        tokens: gradient.tokens,
        seconds: 0,
      };
      yield { type: "epoch", epoch: step, loss, best: true };
    }
    yield {
      type: "done",
      steps: options.epochs,
      bestEpoch: options.epochs,
      bestStep: options.epochs,
      loss,
      seconds: 0,
      reason: "epochs",
    };
  }

  #require(model: string): void {
    if (!this.#models.has(model))
      throw new GlmError("model-not-loaded", `No model of key ${model} is loaded here. Load it again.`);
  }

  #adapter(model: string, ref: AdapterRef): Adapter {
    const found = this.#disk.get(address(model, ref)) ?? this.#disk.get(address(model, { ...ref, owner: SHARED }));
    if (!found) throw new GlmError("adapter-not-found", `No adapter ${ref.name}. Create it first.`);
    return found;
  }

  #shift(model: string, selection: AdapterSelection): Float32Array | null {
    const parts = partsOf(selection).map(({ adapter, weight }) => ({ of: this.#adapter(model, adapter), weight }));
    if (parts.length === 0) return null;
    return Float32Array.from({ length: VOCABULARY }, (_, i) =>
      parts.reduce((sum, { of, weight }) => sum + weight * (of.shift[i] ?? 0), 0),
    );
  }

  #gradientsOf(handle: number): Gradients {
    const found = this.gradients.get(handle);
    if (!found)
      throw new GlmError("option-invalid", `No gradients ${handle}: they were used or released. Compute them again.`);
    return found;
  }

  #info(model: string, ref: AdapterRef): AdapterInfo {
    const { config, steps, source, documents } = this.#adapter(model, ref);
    const parameters = [
      { name: NAME, shape: [VOCABULARY], dtype: "float32", trainable: true, count: VOCABULARY },
    ] as const;
    const counts = { allCount: VOCABULARY ** 2 + VOCABULARY, trainableCount: VOCABULARY };
    const state = {
      steps,
      documents: [...documents.keys()],
      merged: false,
      ...(source === undefined ? {} : { source }),
    };
    return { ...ref, config, parameters, ...counts, ...state };
  }
}

function modelInfo(key: string, { name, precision, quantize }: LoadParams): ModelInfo {
  const sizes = { layers: 0, hidden: 4, ffn: 4, heads: 1, groups: 1, headSize: 4, vocabulary: VOCABULARY };
  const config = {
    family: "chatglm2-6b",
    ...sizes,
    epsilon: 1e-5,
    layout: "glm",
    ropeBase: 10000,
    contextLength: 64,
  } as const;
  const table = {
    name: "table",
    shape: [VOCABULARY, VOCABULARY],
    dtype: "float32",
    trainable: false,
    count: VOCABULARY ** 2,
  } as const;
  return {
    key,
    weightsKey: key,
    name,
    folder: "/",
    family: "chatglm2-6b",
    config,
    device: "cpu",
    precision: precision === "auto" ? "exact" : precision,
    quantize,
    parameters: [table],
    resident: false,
  };
}

/** The next token is the previous one plus one, never EOS on its own. */
function logits(previous: number, shift: Float32Array | null): number[] {
  return Array.from({ length: VOCABULARY }, (_, id) => {
    const base = id === EOS ? -5 : id === (previous + 1) % VOCABULARY ? 4 : Math.sin(previous * 7 + id);
    return base + (shift?.[id] ?? 0);
  });
}

function gradientsOf({ inputIds, labels }: Batch, shift: Float32Array): Gradients & { readonly loss: number } {
  const gradient = new Float32Array(VOCABULARY);
  let [loss, tokens] = [0, 0];
  inputIds.forEach((row, r) => {
    for (let at = 0; at + 1 < row.length; at++) {
      const label = labels[r]?.[at + 1] ?? -100;
      if (label === -100) continue;
      const scores = logits(row[at] ?? 0, shift).map(Math.exp);
      const sum = scores.reduce((a, b) => a + b, 0);
      loss -= Math.log((scores[label] ?? 0) / sum);
      scores.forEach((score, id) => {
        gradient[id] = (gradient[id] ?? 0) + score / sum - (id === label ? 1 : 0);
      });
      tokens++;
    }
  });
  return { loss: loss / tokens, tokens, shift: gradient.map((value) => value / tokens) };
}

function asTensors(shift: Float32Array): Tensors {
  return { [NAME]: tensor("float32", [VOCABULARY], shift) };
}

function address(model: string, { owner, name }: AdapterRef): string {
  return JSON.stringify([model, owner, name]);
}

function noRuns(): never {
  throw new GlmError("unsupported", "The memory engine keeps no runs. Use a real one.");
}
