/** @file Adapters on disk, by model, owner and name: what a restarted kernel or runtime finds again. */
import { createHash } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AdapterConfig, AdapterTensors, ModuleRank } from "../adapters/adapter.ts";
import { type AdapterDocuments, documentNames } from "../adapters/documents.ts";
import { GlmError } from "../errors.ts";
import { isFolder } from "../files.ts";
import type { FloatTensor, Tensor } from "../tensor.ts";
import type { StepState } from "../train/step-state.ts";
import { readHeader } from "../weights/header.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../weights/safetensors.ts";
import type { AdapterRef } from "./engine.ts";
import { fileNameOf, isFileName, isHashed, nameIn, runFolderOf } from "./kept-name.ts";
import type { OptimizerStates } from "./moments.ts";
import { runFoldersIn } from "./runs/run-folder.ts";

/** What is kept of an adapter besides its tensors. */
export interface AdapterSummary {
  readonly config: AdapterConfig;
  readonly steps: number;
  readonly source?: string;
  /** What its user should know of how it was loaded or made. */
  readonly note?: string;
  /** In the same file as the tensors, so that the two are always of one moment. */
  readonly documents: AdapterDocuments;
  /** Whether it holds anything but what it was made or loaded with. */
  readonly touched: boolean;
  /** Counts the changes of its tensors. */
  readonly revision: number;
  /** The run of training that changed it last, by its id, where one did. */
  readonly run?: number;
  /** What the last step left of each module's rank, where it said so. */
  readonly ranks?: readonly ModuleRank[];
}

/** By tensor. */
export type Shapes = Readonly<Record<string, { readonly shape: readonly number[] }>>;

export interface KeptAdapter extends AdapterSummary {
  readonly tensors: AdapterTensors;
  /** What optimisers go on with. */
  readonly optimizers: OptimizerStates;
}

const FORMAT = "glmlab adapter 1";

/** Of a name, in what it is set aside as: names have 64 characters. */
const LONGEST_STEM = 58;

export class AdapterStore {
  readonly #folder: string;

  /** @param folder of one model's adapters; made when the first is kept */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Replaces what was kept under this name, as a whole. Only its owner can read it.
   * @throws GlmError "disk" when it cannot be written; what was kept before is then untouched
   */
  async keep(
    { owner, name }: AdapterRef,
    { config, tensors, steps, source, note, documents, touched, revision, run, ranks, optimizers }: KeptAdapter,
  ): Promise<void> {
    const metadata = { format: FORMAT, config: JSON.stringify(config), steps: String(steps), owner, name };
    const states = [...optimizers].map(([id, { step }]) => ({ id, step }));
    const more = {
      revision: String(revision),
      ...(run === undefined ? {} : { run: String(run) }),
      ...(states.length === 0 ? {} : { optimizers: JSON.stringify(states) }),
      ...(source === undefined ? {} : { source }),
      ...(note === undefined ? {} : { note }),
      ...(touched ? { touched: "true" } : {}),
      ...(ranks === undefined ? {} : { ranks: JSON.stringify(ranks) }),
      ...(Object.keys(documents).length === 0 ? {} : { documents: JSON.stringify(documents) }),
    };
    const file = this.#file({ owner, name });
    const all = { ...tensors, ...momentTensors(optimizers) };
    await writeSafetensors(file, sourcesOf(all), { ...metadata, ...more }, { isPrivate: true });
  }

  /** @throws GlmError "adapter-invalid" when the file is damaged, or none that `keep` wrote */
  async read(ref: AdapterRef): Promise<KeptAdapter> {
    const refuse = this.#refusal(ref);
    const { values, metadata } = await readSafetensors(this.#file(ref)).catch(refuse.reading);
    const summary = await summaryOf(metadata, refuse.damaged);
    if (!areFloats(values)) throw refuse.damaged("its tensors are not float32");
    const states = parsed(metadata.optimizers ?? "[]");
    if (!areStates(states)) throw refuse.damaged("its optimisers are none");
    return { ...summary, ...apart(values, states) };
  }

  /**
   * What is kept, of tensors only their shapes.
   * @throws GlmError "adapter-invalid" as `read`
   */
  async summary(ref: AdapterRef): Promise<AdapterSummary & { readonly shapes: Shapes }> {
    const refuse = this.#refusal(ref);
    const { metadata, tensors } = await readHeader(this.#file(ref)).catch(refuse.reading);
    const shapes = Object.fromEntries(tensors.map(({ name, shape }) => [name, { shape }]));
    return { ...(await summaryOf(metadata, refuse.damaged)), shapes };
  }

  #refusal(ref: AdapterRef): { damaged(why: string, cause?: unknown): GlmError; reading(error: unknown): never } {
    const damaged = (why: string, cause?: unknown): GlmError =>
      new GlmError(
        "adapter-invalid",
        `adapter ${ref.name}: what was kept of it in ${this.#file(ref)} is damaged (${why}). Delete it and train it again, or put ` +
          "the file back from a copy.",
        { cause },
      );
    return {
      damaged,
      reading(error) {
        throw error instanceof GlmError ? damaged(error.message, error) : error;
      },
    };
  }

  /** Whether anything is kept under a name, damaged or not. */
  async has({ owner, name }: AdapterRef): Promise<boolean> {
    const file = fileNameOf(name);
    return isFileName(file) && (await this.#files(owner)).includes(file);
  }

  /** The names kept for an owner, in the order of their files. What else lies there is left out. */
  async names(owner: string): Promise<string[]> {
    const folder = this.#ownerFolder(owner);
    const names: string[] = [];
    for (const file of (await this.#files(owner)).filter(isFileName).sort()) {
      // A damaged file must not hide the others; reading it by name says what is wrong with it.
      const header = isHashed(file) ? await readHeader(join(folder, file)).catch(() => undefined) : undefined;
      const name = nameIn(file, header?.metadata.name);
      if (name !== undefined) names.push(name);
    }
    return names;
  }

  /**
   * Keeps what is here under a name under another one as well, NAME.1, NAME.2, ..., so that the name can be given to another
   * adapter. What was set aside last is not kept twice: a notebook that runs again and comes to the same values leaves one copy.
   * @returns the other name; undefined when there is nothing that was not made or loaded
   * @throws GlmError "disk" when it cannot be written, "adapter-invalid" when what is here is damaged
   */
  async setAside({ owner, name }: AdapterRef): Promise<string | undefined> {
    // Most names are new: the others' headers are not read for them.
    if (!(await this.has({ owner, name }))) return undefined;
    const kept = await this.read({ owner, name });
    if (!kept.touched) return undefined;
    const names = await this.names(owner);
    const stem = Array.from(name).slice(0, LONGEST_STEM).join("");
    const numbers = names.flatMap((other) =>
      other.startsWith(`${stem}.`) ? Number(other.slice(stem.length + 1)) : [],
    );
    const last = Math.max(0, ...numbers.filter(Number.isInteger));
    if (last > 0 && (await this.#holds({ owner, name: `${stem}.${last}` }, kept))) return `${stem}.${last}`;
    const aside = `${stem}.${last + 1}`;
    // No optimiser goes on with it: whoever trains it again begins anew.
    await this.keep({ owner, name: aside }, { ...kept, optimizers: new Map() });
    return aside;
  }

  /** Whether what is kept under a name is the same, to the last bit. */
  async #holds(ref: AdapterRef, kept: KeptAdapter): Promise<boolean> {
    const { metadata } = await readHeader(this.#file(ref));
    if (metadata.steps !== String(kept.steps) || metadata.config !== JSON.stringify(kept.config)) return false;
    const own = ({ optimizers: _, revision: __, run: ___, ...rest }: KeptAdapter): unknown => rest;
    return isDeepStrictEqual(own(await this.read(ref)), own(kept));
  }

  /** @throws GlmError "disk" when it cannot be removed; it is then still there */
  async forget(ref: AdapterRef): Promise<void> {
    const file = this.#file(ref);
    await rm(file, { force: true }).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new GlmError(
        "disk",
        `adapter ${ref.name} was not deleted: expected a file ${file} that can be removed (${why}). Remove it by hand.`,
        { cause },
      );
    });
    await this.moveRun(ref, undefined);
  }

  #files(owner: string): Promise<string[]> {
    // A disk that fails is not one without adapters: what is trained would be written over.
    return readdir(this.#ownerFolder(owner)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw new GlmError(
        "disk",
        `the adapters that are kept in ${this.#ownerFolder(owner)} cannot be listed (${error.message}). ` +
          "Make it a folder that can be read, or set $GLMLAB_DATA, below which adapters are kept, to another one.",
      );
    });
  }

  /** Where the run of training of an adapter is kept. */
  runFolder({ owner, name }: AdapterRef): string {
    return join(this.#ownerFolder(owner), runFolderOf(name));
  }

  /** The folders of all owners' runs. */
  runFolders(): Promise<readonly string[]> {
    return runFoldersIn(this.#folder);
  }

  /** The run of an adapter whose name is given to another goes with it, or is gone. */
  async moveRun(ref: AdapterRef, to: string | undefined): Promise<void> {
    const from = this.runFolder(ref);
    const target = to === undefined ? undefined : this.runFolder({ owner: ref.owner, name: to });
    if (target === undefined || (await isFolder(target))) await rm(from, { recursive: true, force: true });
    else if (await isFolder(from)) await rename(from, target);
  }

  #file({ owner, name }: AdapterRef): string {
    return join(this.#ownerFolder(owner), fileNameOf(name));
  }

  #ownerFolder(owner: string): string {
    return join(this.#folder, createHash("sha256").update(owner).digest("hex").slice(0, 16));
  }
}

async function summaryOf(
  metadata: Readonly<Record<string, string>>,
  damaged: (why: string) => GlmError,
): Promise<AdapterSummary> {
  const { format, source, note } = metadata;
  if (format !== FORMAT) throw damaged("expected a kept adapter, got another file");
  // Only here: it takes time, and nothing else of a model's loading needs it.
  const { isAdapterConfig } = await import("../adapters/config-schema.ts");
  const config = parsed(metadata.config);
  if (!isAdapterConfig(config)) throw damaged("its configuration is none");
  const documents = metadata.documents === undefined ? {} : parsed(metadata.documents);
  if (!isDocuments(documents)) throw damaged("its documents are no texts");
  const steps = Number(metadata.steps);
  if (!(Number.isSafeInteger(steps) && steps >= 0)) throw damaged("its number of steps is none");
  // What earlier versions kept says only how many steps it took.
  const touched = metadata.touched === "true" || steps > 0;
  const revision = Number(metadata.revision ?? steps);
  if (!Number.isSafeInteger(revision)) throw damaged("its revision is none");
  const run = metadata.run === undefined ? undefined : Number(metadata.run);
  const ranks = metadata.ranks === undefined ? undefined : parsed(metadata.ranks);
  if (ranks !== undefined && !areRanks(ranks)) throw damaged("its ranks are none");
  const more = {
    ...(source === undefined ? {} : { source }),
    ...(note === undefined ? {} : { note }),
    ...(run === undefined ? {} : { run }),
    ...(ranks === undefined ? {} : { ranks }),
  };
  return { config, steps, revision, documents, touched, ...more };
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

function isDocuments(value: unknown): value is AdapterDocuments {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  // They are saved as files of these names, and must lead to no others.
  return Object.entries(value).every(
    ([name, text]) => documentNames.some((known) => known === name) && typeof text === "string",
  );
}

const areFloats = (values: Readonly<Record<string, Tensor>>): values is Record<string, FloatTensor> =>
  Object.values(values).every(({ dtype }) => dtype === "float32");

const areRanks = (value: unknown): value is readonly ModuleRank[] =>
  Array.isArray(value) &&
  value.every((one) => typeof one?.module === "string" && Number.isInteger(one.rank) && Number.isInteger(one.of));

type MomentList = readonly { readonly id: string; readonly step: number }[];

const areStates = (value: unknown): value is MomentList =>
  Array.isArray(value) &&
  value.every((state) => typeof state?.id === "string" && Number.isSafeInteger(state.step) && state.step >= 0);

const MOMENTS = ["mean", "square"] as const;

const momentName = (place: number, moment: (typeof MOMENTS)[number], parameter: string): string =>
  `optimizer ${place}: ${moment} of ${parameter}`;

/** Before the names of what an adapter remembers of the steps that it took with an optimiser. */
const memoryName = (place: number): string => `optimizer ${place}: adapter's `;

function momentTensors(optimizers: OptimizerStates): AdapterTensors {
  const tensors: AdapterTensors = {};
  for (const [place, state] of [...optimizers.values()].entries()) {
    for (const moment of MOMENTS) {
      for (const [name, value] of Object.entries(state[moment])) tensors[momentName(place, moment, name)] = value;
    }
    for (const [name, value] of Object.entries(state.memory ?? {})) tensors[memoryName(place) + name] = value;
  }
  return tensors;
}

/** An adapter's tensors, and what optimisers remember of them. */
function apart(
  values: AdapterTensors,
  states: MomentList,
): { readonly tensors: AdapterTensors; readonly optimizers: OptimizerStates } {
  const moments = new Set<string>();
  const names = Object.keys(values);
  const found = states.map(({ id, step }, place): [string, StepState] => {
    const part = (moment: (typeof MOMENTS)[number]): AdapterTensors =>
      Object.fromEntries(
        names.flatMap((name) => {
          const value = values[momentName(place, moment, name)];
          if (!value) return [];
          moments.add(momentName(place, moment, name));
          return [[name, value]];
        }),
      );
    const remembered = names.filter((name) => name.startsWith(memoryName(place)));
    for (const name of remembered) moments.add(name);
    const memory = Object.fromEntries(
      remembered.map((name) => [name.slice(memoryName(place).length), values[name] as FloatTensor]),
    );
    const state = { step, mean: part("mean"), square: part("square") };
    return [id, remembered.length === 0 ? state : { ...state, memory }];
  });
  const tensors = Object.fromEntries(Object.entries(values).filter(([name]) => !moments.has(name)));
  return { tensors, optimizers: new Map(found) };
}
