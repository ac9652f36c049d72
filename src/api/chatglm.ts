/** @file A loaded model as a notebook holds it: ask it, look into it, lay adapters over it. It keeps no conversation. */
import { resolve } from "node:path";
import type { AdapterConfig } from "../adapters/adapter.ts";
import { shownJson } from "../describe.ts";
import {
  type AdapterInfo,
  type AdapterSelection,
  type GenerateEvent,
  type ModelInfo,
  type NewAdapterInfo,
  type SaveReport,
  SHARED,
  type WeightedAdapter,
} from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { SamplingOptions } from "../generate/sampler.ts";
import type { ChatGLMConfig, Family } from "../models/config.ts";
import { complete, refuse, refuseUnknown } from "../options.ts";
import type { Evaluation } from "../scores/evaluation.ts";
import type { FloatTensor } from "../tensor.ts";
import { AnswerText } from "../text/answer.ts";
import { type Message, prompt } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { AdapterHandle } from "./adapter.ts";
import { termsOf } from "./adapter-sum.ts";
import { askRows } from "./ask-rows.ts";
import { mustHaveSoundFacts } from "./book-facts.ts";
import type {
  AdapterAnswer,
  AdapterChoice,
  AskAllOptions,
  AskEachOptions,
  ChatOptions,
  CreateAdapterOptions,
  GenerateOptions,
  KnowledgeOptions,
  LoadAdapterOptions,
  LogitsOptions,
  SaveOptions,
} from "./chatglm-options.ts";
import { faultsOf } from "./checks.ts";
import { baseOf, type HandleContext, refOf, sameAdapter } from "./context.ts";
import { type DataOptions, describeData } from "./data.ts";
import type { DataReport } from "./data-report.ts";
import * as defaults from "./defaults.ts";
import { type Chosen, type EvaluateOptions, evaluate } from "./evaluate.ts";
import { type ForgettingOptions, forgetting } from "./forgetting.ts";
import type { GenerationDefaults } from "./generation.ts";
import type { KnowledgeBook } from "./knowledge.ts";
import { adapterNamed, adaptersSeen, checkedName } from "./named-adapters.ts";
import { openBook } from "./open-book.ts";
import { OWN, OWN_CHAT, questionIds, samplingOf } from "./question.ts";
import type { Rows } from "./rows.ts";
import { type Abortable, cellSignal, onlySignal } from "./signal.ts";
import { bytesOf } from "./size.ts";

/** What an answer is made of. */
type AnswerEvent = Exclude<GenerateEvent, { type: "prompt" }>;

function positionFaults(positions: readonly number[], longest: number): string[] {
  const fits = (at: unknown): boolean => Number.isInteger(at) && Number(at) >= -longest && Number(at) < longest;
  if (Array.isArray(positions) && positions.every(fits)) return [];
  const wrong = Array.isArray(positions) ? positions.find((at) => !fits(at)) : positions;
  return [`positions: expected a list of whole numbers from ${-longest} to ${longest - 1}, got ${shownJson(wrong)}.`];
}

export class ChatGLM {
  /** What was loaded: name, folder, device, precision, parameters. */
  readonly info: ModelInfo;
  readonly config: ChatGLMConfig;
  readonly family: Family;
  /** How it answers unless a call says otherwise: by its generation_config.json, else as published. */
  readonly generation: GenerationDefaults;
  readonly #context: HandleContext;
  readonly #release: () => Promise<void>;

  /** Made by `load`. */
  constructor(context: HandleContext, release: () => Promise<void>) {
    this.info = context.info;
    this.config = context.info.config;
    this.family = context.info.family;
    this.generation = context.generation;
    this.#context = context;
    this.#release = release;
  }

  /** @throws GlmError "model-not-found" when the model's folder has none */
  get tokenizer(): Tokenizer {
    return this.#context.tokenizer;
  }

  /**
   * Token ids of a conversation in the family's chat template, ready for the answer to follow.
   * @throws GlmError "option-invalid" when the family has no form for the messages
   */
  prompt(messages: readonly Message[]): number[] {
    refuse("prompt", faultsOf({ messages }));
    return prompt(this.family, this.tokenizer, messages);
  }

  /**
   * Scores of every token of the vocabulary at every position: [batch, positions, vocabulary].
   * @param ids one row of token ids, or several of any lengths; what lies right of a row's end is undefined
   */
  async logits(
    ids: readonly number[] | readonly (readonly number[])[],
    options: LogitsOptions = {},
  ): Promise<FloatTensor> {
    const { adapter, positions, signal } = options ?? {};
    const found = faultsOf({ ids, adapter, signal });
    // Which positions there are, only sound ids say.
    const inputIds = found.length > 0 ? [] : isRow(ids) ? [ids] : ids;
    const longest = Math.max(0, ...inputIds.map(({ length }) => length));
    const wrong = positions === undefined || found.length > 0 ? [] : positionFaults(positions, longest);
    refuseUnknown("logits", options, ["adapter", "positions", "signal"], [...found, ...wrong]);
    const params = { model: this.info.key, inputIds, adapter: this.#choose(adapter) };
    return this.#context.engine.call("logits", { ...params, ...(positions ? { positions } : {}) }, cellSignal(signal));
  }

  /** Generates after a prompt of token ids; gives the new ids as they come. */
  generate(ids: readonly number[], options: GenerateOptions = {}): AsyncGenerator<number, void, void> {
    const sampling = samplingOf(this, "generate", options, [...OWN, "adapter"], { idRow: ids });
    const settings = sampling(ids.length);
    const adapter = this.#choose(options.adapter);
    const events = (): AsyncGenerator<AnswerEvent, void, void> => this.#generate([ids], [adapter], settings, options);
    return (async function* tokens() {
      for await (const event of events()) if (event.type === "token") yield event.token;
    })();
  }

  /** Asks, and gives the answer's text as it comes. Nothing is remembered: earlier rounds are the option `history`. */
  chat(question: string, options: ChatOptions = {}): AsyncGenerator<string, void, void> {
    const sampling = samplingOf(this, "chat", options, [...OWN_CHAT, "adapter"], { question });
    const ids = questionIds(this, question, options);
    const settings = sampling(ids.length);
    const adapter = this.#choose(options.adapter);
    const events = (): AsyncGenerator<AnswerEvent, void, void> => this.#generate([ids], [adapter], settings, options);
    const answer = new AnswerText(this.family, this.tokenizer);
    return (async function* pieces() {
      for await (const event of events()) {
        const piece = event.type === "token" ? answer.push(event.token) : answer.end();
        if (piece !== "") yield piece;
      }
    })();
  }

  /** Asks, and returns the whole answer. */
  async ask(question: string, options: ChatOptions = {}): Promise<string> {
    let answer = "";
    for await (const piece of this.chat(question, options)) answer += piece;
    return answer;
  }

  /** Asks several adapters the same question in one batched pass. */
  async askAll(question: string, options: AskAllOptions): Promise<readonly AdapterAnswer[]> {
    const { adapters, onAnswers, ...asked } = options ?? {};
    const sampling = samplingOf(this, "askAll", asked, OWN_CHAT, { question, adapters, onAnswers });
    const ids = questionIds(this, question, asked);
    const settings = sampling(ids.length);
    const [rows, chosen] = [adapters.map(() => ids), adapters.map((adapter) => this.#choose(adapter))];
    const texts = adapters.map(() => new AnswerText(this.family, this.tokenizer));
    const answers = adapters.map(() => "");
    const soFar = () => adapters.map((adapter, row) => ({ adapter: nameOf(adapter), answer: answers[row] ?? "" }));
    for await (const event of this.#generate(rows, chosen, settings, asked)) {
      const text = texts[event.row] as AnswerText;
      const piece = event.type === "token" ? text.push(event.token) : text.end();
      answers[event.row] += piece;
      if (piece !== "") onAnswers?.(soFar());
    }
    return soFar();
  }

  /**
   * A new adapter, without effect until it is trained. One of the same name that was trained is set aside, and
   * `setAside` of the new one says as what: a notebook can be run again, and nothing is lost.
   * @throws GlmError "adapter-invalid" when it does not fit the model, or one of its name is being trained
   */
  async createAdapter(name: string, config: AdapterConfig, options: CreateAdapterOptions = {}): Promise<AdapterHandle> {
    const { signal, share = false, replace = false } = options ?? {};
    const found = [...configFaults(config), ...faultsOf({ signal, share, replace })];
    const { seed } = complete("createAdapter", defaults.seed, options, ["signal", "share", "replace"], found);
    const adapter = { owner: share ? SHARED : this.#context.owner, name: checkedName(name) };
    const params = {
      model: this.info.key,
      adapter,
      config,
      seed,
      ...(replace ? { existing: "replace" as const } : {}),
    };
    return this.#made(await this.#context.engine.call("createAdapter", params, cellSignal(signal)));
  }

  /**
   * Loads an adapter from the files of PEFT, of published scripts, or of ours. One of the same name that was trained is set aside, as by `createAdapter`.
   * @throws GlmError "adapter-invalid" with every fault of the files, "data-invalid" for damaged facts
   */
  async loadAdapter(name: string, folder: string, options: LoadAdapterOptions = {}): Promise<AdapterHandle> {
    const { signal, replace = false } = options ?? {};
    const found = faultsOf({ folder, signal, replace });
    refuseUnknown("loadAdapter", options, ["signal", "replace"], found);
    const adapter = { owner: this.#context.owner, name: checkedName(name) };
    // Before anything is replaced: damaged facts would be noticed when the book is opened, with the name taken.
    await mustHaveSoundFacts(resolve(folder));
    const target = { model: this.info.key, adapter, folder: resolve(folder) };
    const params = { ...target, ...(replace ? { existing: "replace" as const } : {}) };
    return this.#made(await this.#context.engine.call("loadAdapter", params, cellSignal(signal)));
  }

  /**
   * A new adapter that does by itself what several do together, as they are now: LoRAs and AdaLoRAs become a LoRA whose ranks are the
   * sums of theirs, prefixes a longer one. One of the same name that was trained is set aside, as by `createAdapter`.
   * @param sum the adapters with their weights: "a + 0.5*b"
   * @throws GlmError "unsupported" when no adapter does what they do together
   */
  async combine(name: string, sum: string, options: LoadAdapterOptions = {}): Promise<AdapterHandle> {
    const { signal, replace = false } = options ?? {};
    refuseUnknown("combine", options, ["signal", "replace"], faultsOf({ sum, signal, replace }));
    const parts = this.#termsOf(sum);
    const target = { model: this.info.key, adapter: { owner: this.#context.owner, name: checkedName(name) }, parts };
    const params = { ...target, ...(replace ? { existing: "replace" as const } : {}) };
    return this.#made(await this.#context.engine.call("combineAdapters", params, cellSignal(signal)));
  }

  /** One that has taken a name: if another of that name was merged, this one is not. */
  #made(info: NewAdapterInfo): AdapterHandle {
    this.#context.merged = this.#context.merged.filter((one) => !sameAdapter(one, info));
    return new AdapterHandle(this.#context, info);
  }

  /** This notebook's adapters, then the shared ones. */
  async adapters(options: Abortable = {}): Promise<readonly AdapterInfo[]> {
    return adaptersSeen(this.#context, onlySignal("adapters", options));
  }

  /**
   * The adapter of a name: this notebook's own, else a shared one.
   * @throws GlmError "adapter-not-found" that names the nearest one
   */
  async adapter(name: string, options: Abortable = {}): Promise<AdapterHandle> {
    return adapterNamed(this.#context, name, onlySignal("adapter", options));
  }

  /**
   * Deletes an adapter by its name, also from the disk, and also one that is damaged and cannot be opened; files it was
   * saved to stay.
   * @throws GlmError "adapter-not-found" that names the nearest one, "adapter-invalid" while it is being trained
   */
  async deleteAdapter(name: string, options: Abortable = {}): Promise<void> {
    const asked = onlySignal("deleteAdapter", options);
    const handle = await this.adapter(name, options).catch((error: unknown) => {
      if (error instanceof GlmError && error.code === "adapter-invalid") return undefined;
      throw error;
    });
    if (handle) return handle.dispose(options);
    const params = { model: this.info.key, adapter: { owner: this.#context.owner, name } };
    await this.#context.engine.call("disposeAdapter", params, asked);
  }

  /**
   * A knowledge book: an adapter that keeps the facts it is taught. Opened where there is one of this name, else made.
   * @param options how it is fine-tuned, when it is made: LoRA on every linear module by default
   * @throws GlmError "adapter-invalid" when an adapter of this name is no book, or is made otherwise than the options say,
   * "adapter-not-found" when there is none and none is to be made
   */
  async knowledge(name: string, options: KnowledgeOptions = {}): Promise<KnowledgeBook> {
    return openBook(this.#context, name, options);
  }

  /** Asks one question after another of one adapter, greedily, in few batched passes. Answers come in their order. */
  async askEach(questions: readonly string[], options: AskEachOptions = {}): Promise<readonly string[]> {
    const { adapter, signal, onDone } = options ?? {};
    const found = faultsOf({ questions, adapter, signal, onDone });
    const { maxNewTokens } = complete("askEach", defaults.askEach, options, ["adapter", "signal", "onDone"], found);
    const answers = await askRows(this.#context, questions, {
      ...{ adapter: this.#choose(adapter), maxNewTokens },
      onAnswer: (_place, _answer, done) => onDone?.(done),
      ...cellSignal(signal),
    });
    return answers.map(({ text }) => text);
  }

  /**
   * What a data set holds for this model: rows, lengths in tokens, duplicates, what would be cut, and the first rows as they are learnt.
   * @param source rows, or the path of a file, a folder or a glob
   * @throws GlmError "data-invalid" with every row that cannot be used
   */
  async data(source: Rows | string, options: DataOptions = {}): Promise<DataReport> {
    return describeData(this.#context, source, options);
  }

  /**
   * Answers rows greedily, by the base and by adapters side by side in one batched pass, and scores the answers. Of conversations that are
   * read as a whole, each answer is asked for by itself, and is a row of the evaluation.
   * @param rows with the responses that are the references
   * @throws GlmError "data-invalid" with every row that cannot be used, "option-invalid" for scores that there are not,
   * "adapter-not-found", "disk" when it could not be saved, before anything is asked
   */
  async evaluate(rows: Rows, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluate(this.#context, rows, options, (adapters) => this.#chosen(adapters));
  }

  /**
   * What an adapter, or each of several, did to answers that nobody trained: translation, code, and questions of everyday knowledge. The base's own
   * answers are the references: how many are exactly the same, how alike the others are in BLEU-4, and which changed.
   * @throws GlmError as `evaluate` does
   */
  async forgetting(
    adapters: AdapterChoice | readonly AdapterChoice[],
    options: ForgettingOptions = {},
  ): Promise<Evaluation> {
    const several = Array.isArray(adapters) ? adapters : [adapters];
    return forgetting(this.#context, several, options, (choices) => this.#chosen(choices));
  }

  /**
   * Writes a checkpoint that transformers loads: the base, with merged adapters in it if there are some.
   * @returns what could not be written exactly as it was to be, and how far it is from that; undefined when all was
   */
  async save(folder: string, options: SaveOptions = {}): Promise<SaveReport | undefined> {
    const { maxShardSize = defaults.maxShardSize, adapter, quantized, signal } = options ?? {};
    const found = faultsOf({ folder, adapter, quantized, signal });
    refuseUnknown("save", options, ["maxShardSize", "adapter", "quantized", "signal"], found);
    const maxShardBytes = bytesOf("save", "maxShardSize", maxShardSize);
    const params = { model: this.info.key, adapter: this.#choose(adapter), folder: resolve(folder), maxShardBytes };
    const asked = { ...params, ...(quantized === undefined ? {} : { quantized }) };
    const report = await this.#context.engine.call("saveModel", asked, cellSignal(signal));
    return report.rewritten ? report : undefined;
  }

  /**
   * Frees the memory that the model takes, for all who use it: whoever asks it again loads it again. Adapters are on disk
   * and stay. This handle is disposed of.
   * @throws GlmError "adapter-invalid" while one of its adapters is being trained, "disk" when one cannot be written; the
   * model then stays loaded
   */
  async unload(options: Abortable = {}): Promise<void> {
    await this.#context.engine.call("unload", { model: this.info.key }, onlySignal("unload", options));
    await this.#release();
  }

  /** Lets go of the model. A runtime keeps its weights for others, and its adapters on disk. */
  async dispose(): Promise<void> {
    await this.#release();
  }

  async *#generate(
    rows: readonly (readonly number[])[],
    adapters: readonly AdapterSelection[],
    options: SamplingOptions,
    { signal, onProgress }: Pick<GenerateOptions, "signal" | "onProgress">,
  ): AsyncGenerator<AnswerEvent, void, void> {
    const asked = rows.map((ids, row) => ({ ids, adapter: adapters[row] ?? null }));
    const params = { model: this.info.key, rows: asked, options };
    const answering = { done: 0, total: rows.length * options.maxNewTokens };
    // Looked up when reading begins: the cell that reads is the cell that can interrupt.
    for await (const event of this.#context.engine.stream("generate", params, cellSignal(signal))) {
      if (event.type === "prompt") {
        onProgress?.({ stage: "reading", done: event.done, total: event.total });
        continue;
      }
      if (event.type === "token") {
        answering.done += 1;
        onProgress?.({ stage: "answering", ...answering });
      }
      yield event;
    }
  }

  #chosen(choices: readonly AdapterChoice[]): readonly Chosen[] {
    return choices.map((choice) => ({ name: nameOf(choice), adapter: this.#choose(choice) }));
  }

  /** The engine knows names: the owner's own adapter first, else a shared one. */
  #choose(choice: AdapterChoice | undefined): AdapterSelection {
    if (choice === null || choice === undefined) return baseOf(this.#context);
    if (typeof choice !== "string") return refOf(choice);
    const terms = this.#termsOf(choice);
    const [first] = terms;
    return terms.length === 1 && first?.weight === 1 ? first.adapter : terms;
  }

  #termsOf(sum: string): readonly WeightedAdapter[] {
    const { owner } = this.#context;
    return termsOf(sum).map(({ name, weight }) => ({ adapter: { owner, name }, weight }));
  }
}

function isRow(ids: readonly number[] | readonly (readonly number[])[]): ids is readonly number[] {
  return typeof ids[0] === "number" || ids.length === 0;
}

function nameOf(adapter: AdapterChoice): string | null {
  return typeof adapter === "string" || adapter === null ? adapter : adapter.name;
}

/** What the methods make is right, or says by itself what is wrong. */
function configFaults(config: unknown): string[] {
  if (typeof config === "object" && config !== null && "method" in config) return [];
  return [`config: expected what lora({ ... }) or full({ ... }) makes, got ${shownJson(config)}.`];
}
