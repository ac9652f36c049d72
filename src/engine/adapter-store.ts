/** @file Adapters on disk, by model, owner and name: what a restarted kernel or runtime finds again. */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AdapterConfig, AdapterTensors } from "../adapters/adapter.ts";
import type { AdapterDocuments } from "../adapters/documents.ts";
import { GlmError } from "../errors.ts";
import type { FloatTensor } from "../tensor.ts";
import { readHeader } from "../weights/header.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../weights/safetensors.ts";
import type { AdapterRef } from "./engine.ts";

export interface KeptAdapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
  readonly steps: number;
  readonly source?: string;
  /** In the same file as the tensors, so that the two are always of one moment. */
  readonly documents: AdapterDocuments;
  /** Whether it holds anything but what it was made or loaded with. */
  readonly touched: boolean;
}

const FORMAT = "glmlab adapter 1";
const SUFFIX = ".safetensors";

/** Of a name, in what it is set aside as: names have 64 characters. */
const LONGEST_STEM = 58;

export class AdapterStore {
  readonly #folder: string;

  /** @param folder of one model's adapters; made when the first is kept */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Replaces what was kept under this name, as a whole.
   * @throws GlmError "disk" when it cannot be written; what was kept before is then untouched
   */
  async keep(
    { owner, name }: AdapterRef,
    { config, tensors, steps, source, documents, touched }: KeptAdapter,
  ): Promise<void> {
    const metadata = { format: FORMAT, config: JSON.stringify(config), steps: String(steps), owner, name };
    const more = {
      ...(source === undefined ? {} : { source }),
      ...(touched ? { touched: "true" } : {}),
      ...(Object.keys(documents).length === 0 ? {} : { documents: JSON.stringify(documents) }),
    };
    await writeSafetensors(this.#file({ owner, name }), sourcesOf(tensors), { ...metadata, ...more });
  }

  /** @throws GlmError "adapter-invalid" when the file is not one that `keep` wrote */
  async read(ref: AdapterRef): Promise<KeptAdapter> {
    const file = this.#file(ref);
    const { values, metadata } = await readSafetensors(file);
    const { format, config, steps, source, documents, touched } = metadata;
    if (format !== FORMAT || config === undefined) {
      throw new GlmError("adapter-invalid", `${file}: expected a kept adapter, got another file. Delete it.`);
    }
    return {
      config: JSON.parse(config) as AdapterConfig,
      tensors: values as Record<string, FloatTensor>,
      steps: Number(steps),
      documents: documents === undefined ? {} : (JSON.parse(documents) as AdapterDocuments),
      // What earlier versions kept says only how many steps it took.
      touched: touched === "true" || Number(steps) > 0,
      ...(source === undefined ? {} : { source }),
    };
  }

  /** The names kept for an owner, oldest first. */
  async names(owner: string): Promise<string[]> {
    const folder = this.#ownerFolder(owner);
    const files = (await readdir(folder).catch(() => [])).filter(
      (file) => !file.startsWith(".") && file.endsWith(SUFFIX),
    );
    const names: string[] = [];
    for (const file of files.sort()) {
      // A damaged file must not hide the others; reading it by name says what is wrong with it.
      const header = await readHeader(join(folder, file)).catch(() => undefined);
      names.push(header?.metadata.name ?? decodeURIComponent(file.slice(0, -SUFFIX.length)));
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
    const names = await this.names(owner);
    if (!names.includes(name)) return undefined;
    const kept = await this.read({ owner, name });
    if (!kept.touched) return undefined;
    const stem = Array.from(name).slice(0, LONGEST_STEM).join("");
    const numbers = names.flatMap((other) =>
      other.startsWith(`${stem}.`) ? Number(other.slice(stem.length + 1)) : [],
    );
    const last = Math.max(0, ...numbers.filter(Number.isInteger));
    if (last > 0 && (await this.#holds({ owner, name: `${stem}.${last}` }, kept))) return `${stem}.${last}`;
    const aside = `${stem}.${last + 1}`;
    await this.keep({ owner, name: aside }, kept);
    return aside;
  }

  /** Whether what is kept under a name is the same, to the last bit. */
  async #holds(ref: AdapterRef, kept: KeptAdapter): Promise<boolean> {
    const { metadata } = await readHeader(this.#file(ref));
    if (metadata.steps !== String(kept.steps) || metadata.config !== JSON.stringify(kept.config)) return false;
    return isDeepStrictEqual(await this.read(ref), kept);
  }

  async forget(ref: AdapterRef): Promise<void> {
    await rm(this.#file(ref), { force: true });
  }

  #file({ owner, name }: AdapterRef): string {
    return join(this.#ownerFolder(owner), `${encodeURIComponent(name)}${SUFFIX}`);
  }

  #ownerFolder(owner: string): string {
    return join(this.#folder, createHash("sha256").update(owner).digest("hex").slice(0, 16));
  }
}
