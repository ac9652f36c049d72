/** @file The files of one run: a checkpoint, llama.cpp's file, prepared weights. They are large and go as soon as they may. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LoadOptions } from "../../src/index.ts";
import { runtimeEnvironment } from "../../src/runtime/allocator.ts";
import { ContenderProcess } from "./contender-process.ts";
import { type Form, forms } from "./forms.ts";
import { writeLlamaFile } from "./llama-file.ts";
import { writeRandomCheckpoint } from "./random-checkpoint.ts";
import type { ModelShape } from "./random-model.ts";

const SEED = 0;

export class Workspace {
  readonly folder: string;
  readonly shape: ModelShape;
  readonly #threads: number;

  constructor(folder: string, shape: ModelShape, threads: number) {
    this.folder = folder;
    this.shape = shape;
    this.#threads = threads;
  }

  get checkpoint(): string {
    return join(this.folder, "checkpoint");
  }

  /** Where this library puts what it prepares. */
  get cache(): string {
    return join(this.folder, "cache");
  }

  llamaFile(form: Form): string {
    const { matrices, head } = forms[form].llama;
    return join(this.folder, `${matrices}-${head}.gguf`);
  }

  /** Writes what the contenders read, so far as it is not there from an earlier run. */
  async prepare(form: Form): Promise<void> {
    await writeRandomCheckpoint(this.checkpoint, this.shape, { seed: SEED });
    await writeLlamaFile(this.llamaFile(form), this.shape, SEED, forms[form].llama);
  }

  /** This library in a process of its own, not loaded yet. */
  ours(form: Form, options: LoadOptions = forms[form].options): ContenderProcess {
    // As the runtime that notebooks share is started.
    const env = runtimeEnvironment({
      ...process.env,
      GLMLAB_CACHE: this.cache,
      GLMLAB_DATA: join(this.folder, "data"),
    });
    return new ContenderProcess("glmlab-contender.js", [this.checkpoint, JSON.stringify(options)], env);
  }

  llama(form: Form): ContenderProcess {
    return new ContenderProcess("llama-contender.js", [this.llamaFile(form), String(this.#threads)]);
  }

  /** Removes what only this form needs. */
  async drop(form: Form): Promise<void> {
    await rm(this.llamaFile(form), { force: true });
    await rm(this.cache, { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
