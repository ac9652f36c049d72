/** @file One loaded model and all that is asked of it: logits, answers, training, saving. */
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { AdapterEffect, BaseModel } from "../adapters/adapter.ts";
import type { AdapterFormat } from "../adapters/formats.ts";
import { type MergedAdapter, mustMerge } from "../adapters/merging.ts";
import type { Device } from "../backend/device.ts";
import { exclusiveSessions } from "../backend/exclusive-sessions.ts";
import type { Compile } from "../backend/program.ts";
import { isTooDeep } from "../describe.ts";
import { GlmError } from "../errors.ts";
import type { FileToWrite } from "../files.ts";
import { textFile } from "../files.ts";
import { dataFolder } from "../folders.ts";
import { generate } from "../generate/generate.ts";
import { losses, type RowLoss } from "../generate/losses.ts";
import { ForwardModel } from "../generate/model.ts";
import { notNumbers } from "../generate/not-numbers.ts";
import { GREEDY, type SamplingOptions } from "../generate/sampler.ts";
import { namesIn, readText, readWhole } from "../regular-file.ts";
import { type FloatTensor, sizeOf, tensor } from "../tensor.ts";
import type { OptionalTokenizer } from "../text/optional.ts";
import { checkBatch, checkIds } from "../train/batch.ts";
import { encodeForModel, limitsFor, rowEncoder } from "../train/encode.ts";
import { longestRows } from "../train/encoded-set.ts";
import { type Example, encodedRows, joined } from "../train/examples.ts";
import type { Learner } from "../train/learner.ts";
import { type RowWriter, rowWriter, withoutOpening } from "../train/row-writer.ts";
import { type TeachEvent, teach } from "../train/teach.ts";
import type { Pupil, TeachOptions, TeachRows } from "../train/teaching.ts";
import { type FitEvent, type Trainee, fit as train } from "../train/trainer.ts";
import { writeCheckpoint } from "../weights/checkpoint.ts";
import type { AdapterInstance } from "./adapter-instance.ts";
import { AdapterRegistry } from "./adapter-registry.ts";
import { partsOf, selectionText } from "./adapter-selection.ts";
import { AdapterStore } from "./adapter-store.ts";
import { alone } from "./alone.ts";
import type { ChosenDevice } from "./chosen-device.ts";
import { CombinedEffects } from "./combined-effects.ts";
import type {
  AdapterRef,
  AdapterSelection,
  GenerateEvent,
  GenerateRow,
  LoadParams,
  LossRow,
  MergedForm,
  ModelInfo,
  ResidentModel,
  SaveReport,
} from "./engine.ts";
import { MappedFiles } from "./mapped-files.ts";
import { memoryThere } from "./memory-fit.ts";
import type { OpenedModel } from "./opened-model.ts";
import { type Asking, RowAnswers } from "./row-answers.ts";
import { type FitParams, ModelRuns } from "./runs/model-runs.ts";
import type { RunRecorder } from "./runs/run-recorder.ts";
import { savedModel } from "./saved-tensors.ts";
import type { TimeShare } from "./time-share.ts";
import { TrainingSessions } from "./training-sessions.ts";

/** Longest answer of the base that is rehearsed, in tokens. */
const REHEARSED_ANSWER = 128;

/** Packed weights of so many bytes are not mapped in both their forms: to map them again takes a second or two. */
const LARGE = 2 ** 30;

/** Files of a checkpoint's folder that belong to a saved model as they are: its text, and the code that Python runs it with. */
const COMPANION =
  /^(ice_text\.model|(tokenizer|vocab|merges|special_tokens_map|tokenizer_config|generation_config)\.(model|json|txt)|.*\.py)$/;

export class ModelRunner {
  readonly info: ModelInfo;
  readonly adapters: AdapterRegistry;
  readonly training: TrainingSessions;
  readonly runs: ModelRuns;
  readonly #model: OpenedModel;
  readonly #mapped: MappedFiles;
  readonly #forward: ForwardModel;
  readonly #combined: CombinedEffects;
  readonly #share: TimeShare;
  readonly #device: Device;
  #text: OptionalTokenizer;
  #writer: RowWriter | undefined;

  /** @param share of the thread in which it runs */
  constructor(
    model: OpenedModel,
    params: LoadParams,
    { device, reason, memory = memoryThere }: ChosenDevice,
    share: TimeShare,
  ) {
    const { folder, config, base, plan, precision } = model;
    const quantize = plan.bits ? (`int${plan.bits}` as const) : "none";
    this.#model = model;
    this.#share = share;
    this.#device = device;
    this.#text = model.text;
    this.#mapped = new MappedFiles(model.weightStore);
    const large = plan.packs && model.mappedBytes >= LARGE;
    const compileOf = large ? exclusiveSessions(device.compile) : () => device.compile;
    const compileFor = (group: string): Compile =>
      device.can.mapsFiles ? this.#mapped.guarded(compileOf(group)) : device.compile;
    const tooCoarse = () =>
      new GlmError(
        "unsupported",
        `${params.name}: logits that are no numbers: the model's activations are too large for float16 (65504). ` +
          'Load it with precision "exact", or quantised.',
      );
    const onNotFinite = plan.name === "float16" ? tooCoarse : undefined;
    this.#forward = new ForwardModel(config, model.weights, device, compileFor("answers"), onNotFinite);
    this.#combined = new CombinedEffects(base, (effect) => this.#forward.forget(effect));
    const store = new AdapterStore(join(dataFolder(), "adapters", model.key));
    this.adapters = new AdapterRegistry(base, store, {
      over: (effect) => {
        this.#combined.over(effect);
        this.#forward.forget(effect);
      },
      gone: (adapter) => this.training.forget(adapter),
    });
    this.training = new TrainingSessions(model, device, compileFor("training"), share, memory);
    this.runs = new ModelRuns({
      load: params,
      find: (ref) => this.adapters.find(ref),
      runFolder: (ref) => this.adapters.runFolder(ref),
      aside: (work) => share.asked(work),
      withRuns: () => this.adapters.runFolders(),
      train: (...run) => this.#train(...run),
    });
    this.info = {
      key: `${model.key}-${device.name}-${precision}`,
      weightsKey: model.key,
      name: params.name,
      folder,
      family: config.family,
      config,
      device: device.name,
      precision,
      quantize,
      parameters: model.tensors.map((one) => ({ ...one, trainable: false, count: sizeOf(one.shape) })),
      resident: false,
      ...(reason === undefined ? {} : { deviceReason: reason }),
      ...(model.note ? { note: model.note } : {}),
    };
  }

  /** Text needs the tokenizer, which the model may have to do without. */
  get #rows(): RowWriter {
    this.#writer ??= rowWriter(this.#model.config.family, this.#text.get());
    return this.#writer;
  }

  /** Takes the tokenizer of the same model where this one has none: its files may have come meanwhile, or lie elsewhere. */
  adopt({ text }: Pick<OpenedModel, "text">): void {
    if (!this.#text.found) this.#text = text;
  }

  /** Whether the files that its weights are mapped from are whole, or its device is there; it cannot be used any more when not. */
  get isWhole(): boolean {
    return this.#mapped.isWhole && this.#device.isLost !== true;
  }

  get base(): BaseModel {
    return this.#model.base;
  }

  async status(): Promise<ResidentModel> {
    const { bytes, can } = this.#device;
    return {
      model: this.info,
      adapters: await this.adapters.resident(),
      mappedBytes: this.#model.mappedBytes,
      ...(can.ownMemory ? { deviceBytes: bytes } : {}),
      ...(this.runs.detached > 0 ? { runs: this.runs.detached } : {}),
    };
  }

  /** Compiles what every answer needs, so that the first one does not wait. */
  async warmUp(): Promise<void> {
    await this.#forward.prepare();
  }

  /** float32 [batch, positions, vocabulary]. */
  async logits(
    inputIds: readonly (readonly number[])[],
    adapter: AdapterSelection,
    wanted?: readonly number[],
  ): Promise<FloatTensor> {
    checkIds(inputIds, this.info.config);
    const seq = Math.max(...inputIds.map((row) => row.length));
    const positions = wanted?.map((position) => (position < 0 ? seq + position : position)) ?? [...Array(seq).keys()];
    const strange = positions.findIndex((position) => !(Number.isInteger(position) && position >= 0 && position < seq));
    if (strange >= 0) {
      const why = `logits: positions: expected whole numbers from ${-seq} to ${seq - 1}, got ${wanted?.[strange]}.`;
      throw new GlmError("data-invalid", why);
    }
    const rows = inputIds.map((ids) => ({ ids, from: 0 }));
    const adapters = await this.#forward.lease([await this.#effect(adapter)]);
    const cache = this.#forward.newCache(inputIds.length, seq);
    try {
      const { data } = await this.#forward.run({ rows, positions, adapters, cache });
      return tensor("float32", [rows.length, positions.length, this.info.config.vocabulary], data);
    } finally {
      cache.dispose();
      adapters.release();
    }
  }

  async *generate(rows: readonly GenerateRow[], options: SamplingOptions): AsyncGenerator<GenerateEvent, void, void> {
    const prompts = await Promise.all(
      rows.map(async ({ ids, adapter }) => ({ ids, effect: await this.#effect(adapter) })),
    );
    const fault = (row: number): GlmError =>
      notNumbers(this.info.name, selectionText(rows[row]?.adapter ?? null), prompts[row]?.effect);
    yield* this.#share.answering(generate(this.#forward, prompts, options, fault));
  }

  /** How well rows' labels are expected, in nats. */
  async *losses(rows: readonly LossRow[]): AsyncGenerator<RowLoss, void, void> {
    checkBatch({ inputIds: rows.map(({ ids }) => ids), labels: rows.map(({ labels }) => labels) }, this.info.config);
    const labelled = await Promise.all(
      rows.map(async ({ ids, labels, adapter }) => ({ ids, labels, effect: await this.#effect(adapter) })),
    );
    yield* this.#share.answering(losses(this.#forward, labelled));
  }

  /** For whoever has the adapter for itself. */
  async *#train(
    adapter: AdapterInstance,
    { rows, validation, options }: FitParams,
    recorder: RunRecorder,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FitEvent, void, void> {
    const { training } = this;
    const trainee = (learner: Learner): Trainee => ({
      ...this.#trainable(adapter, learner, signal),
      encoder: (limits) => rowEncoder(this.#rows, limitsFor(limits, this.#model.config)),
      mustFit: (batch) => training.mustFit(adapter, batch, options),
      answer: (row) => this.#answer(this.#rows.prompt(row), options.stop),
      score: async (some, monitor) => {
        const [answers, asking] = await this.#asking(adapter, options.stop, signal);
        return answers.score(some, monitor, asking);
      },
      changed: (steps) => adapter.changed(steps, { ranks: learner.ranks?.(), run: recorder.id }),
      keep: (what, progress, isUrgent) => recorder.keep(learner, what, progress, isUrgent),
    });
    yield* training.learning(
      adapter,
      (learner) =>
        train(trainee(learner), rows, validation, options, async (encoded) => {
          await adapter.mustBeKept();
          return recorder.open(encoded, options, learner);
        }),
      options,
    );
  }

  async *teach(
    adapter: AdapterInstance,
    rows: TeachRows,
    options: TeachOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<TeachEvent, void, void> {
    const { training } = this;
    const pupil = (learner: Learner): Pupil => ({
      ...this.#trainable(adapter, learner, signal),
      encode: (some, limits) => {
        const batch = encodeForModel(some, this.#rows, limits, this.#model.config);
        const examples = encodedRows(batch);
        const lengths = examples.map(({ ids }) => ids.length);
        const longest = longestRows(lengths, options.batchSize).map((i) => examples[i] as Example);
        training.mustFit(adapter, joined(longest));
        return batch;
      },
      recalls: async (some, stop) => {
        const [answers, asking] = await this.#asking(adapter, stop, signal);
        return answers.recalls(some, asking);
      },
      changed(steps) {
        adapter.changed(steps, { ranks: learner.ranks?.() });
        // At once, while the values are those of the check. What cannot be written is told when the run settles.
        void adapter.flush().catch(() => undefined);
      },
    });
    yield* alone(adapter, signal, () => training.learning(adapter, (learner) => teach(pupil(learner), rows, options)));
  }

  /**
   * What all training works with.
   * @param signal that gives the training up
   */
  #trainable(adapter: AdapterInstance, learner: Learner, signal: AbortSignal | undefined): Learner {
    return {
      gradients: async (batch, seed) => {
        adapter.access.mustTrain();
        await adapter.mustBeKept();
        return learner.gradients(batch, seed);
      },
      loss: (batch) => learner.loss(batch),
      step: async (config, shares, progress) => {
        // Given up while the gradients were computed: whoever did so was told of the step before, and keeps its values.
        await turn();
        signal?.throwIfAborted();
        return learner.step(config, shares, progress);
      },
      mustLast: (steps) => learner.mustLast?.(steps),
      ranks: () => learner.ranks?.(),
      snapshot: (what) => learner.snapshot(what),
      restore: (snapshot) => learner.restore(snapshot),
      state: () => learner.state(),
      adopt: (state) => learner.adopt(state),
    };
  }

  /** What asks rows of an adapter as it is now. */
  async #asking(
    adapter: AdapterInstance,
    stop: readonly number[],
    signal?: AbortSignal,
  ): Promise<[RowAnswers, Asking]> {
    const answers = new RowAnswers(this.#forward, this.#share, this.#text.get(), this.#rows);
    return [answers, { effect: await adapter.effect(), stop, signal }];
  }

  /** Writes a checkpoint that transformers loads, with adapters merged into it when some are given. */
  async save(
    selection: AdapterSelection,
    folder: string,
    maxShardBytes: number,
    form?: MergedForm,
  ): Promise<SaveReport> {
    const merged = partsOf(selection).map(async ({ adapter, weight }): Promise<MergedAdapter> => {
      const found = await this.adapters.find(adapter);
      mustMerge(found.ref.name, found.adapter);
      // A copy: steps that are taken while it is written must not mix with it.
      return { adapter: found.adapter, tensors: await found.copy(), weight };
    });
    const saved = savedModel(this.#model, await Promise.all(merged), form);
    const text = JSON.stringify({ ...(await this.#settings()), ...saved.settings }, null, 2);
    const files = [textFile("config.json", `${text}\n`), ...(await this.#companions())];
    await writeCheckpoint(folder, saved.tensors, { maxShardBytes, files });
    return saved.report();
  }

  /** Writes an adapter's files, in its method's usual form when none is named. */
  async saveAdapter(ref: AdapterRef, folder: string, format?: AdapterFormat, replace = false): Promise<void> {
    const asked = format && { format, settings: () => this.#settings() };
    await this.adapters.save(ref, folder, this.#model.folder, { asked, replace });
  }

  /** What the model's config.json says. */
  async #settings(): Promise<object> {
    const file = join(this.#model.folder, "config.json");
    const settings: unknown = JSON.parse(await readText(file));
    if (!isTooDeep(settings)) return settings as object;
    throw new GlmError(
      "model-invalid",
      `${file}: expected settings, got values within each other without end. Correct it.`,
    );
  }

  async dispose(): Promise<void> {
    this.training.giveUpWhatIsLost();
    try {
      await this.adapters.close();
    } finally {
      await Promise.all([this.#forward.dispose(), this.training.dispose()]);
      await this.#mapped.close();
    }
  }

  async #effect(selection: AdapterSelection): Promise<AdapterEffect | undefined> {
    const named = partsOf(selection);
    const parts = named.map(async ({ adapter, weight }) => {
      const found = await this.adapters.find(adapter);
      return { name: found.ref.name, effect: await (named.length === 1 ? found.effect() : found.change()), weight };
    });
    return this.#combined.of(await Promise.all(parts));
  }

  async #answer(ids: readonly number[], stop: readonly number[]): Promise<string> {
    const answer: number[] = [];
    const options = { ...GREEDY, maxNewTokens: REHEARSED_ANSWER, stop };
    const answering = generate(this.#forward, [{ ids, effect: undefined }], options, () =>
      notNumbers(this.info.name, undefined, undefined),
    );
    for await (const event of this.#share.training(answering)) {
      if (event.type === "token") answer.push(event.token);
    }
    return this.#text.get().decode(withoutOpening(answer, this.#rows));
  }

  async #companions(): Promise<FileToWrite[]> {
    const names = (await namesIn(this.#model.folder)).filter((name) => COMPANION.test(name));
    const read = async (name: string): Promise<FileToWrite> => {
      const content = await readWhole(join(this.#model.folder, name));
      return { name, bytes: content.length, content: [content] };
    };
    return Promise.all(names.map(read));
  }
}
