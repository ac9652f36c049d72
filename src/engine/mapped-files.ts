/**
 * @file The files that a loaded model is mapped from. When one is cut meanwhile, the system ends the process that touches what
 * is gone, with all models and notebooks in it: so it is looked at before each run.
 */
import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Compile } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import type { WeightStore } from "../quantization/weight-store.ts";
import { openFile } from "../regular-file.ts";

interface Mapped {
  readonly file: string;
  /** Bytes from its start that are mapped. */
  readonly bytes: number;
  /** Open for as long as it is mapped: what is put in its place later is another file. */
  readonly handle: FileHandle;
}

export class MappedFiles {
  readonly #bytes = new Map<string, number>();
  #opening: Promise<readonly Mapped[]> | undefined;
  #open: readonly Mapped[] = [];

  constructor({ floats, matrices }: WeightStore) {
    for (const { range } of floats.values()) this.#add(range);
    for (const { prepared } of matrices.values()) {
      const { codes, scales, packed } = prepared;
      for (const range of [codes, scales]) this.#add(range);
      for (const { parts } of packed) for (const part of parts) this.#add({ file: codes.file, ...part });
    }
  }

  /** Whether nothing that is mapped is gone. */
  get isWhole(): boolean {
    return this.#cut() === undefined;
  }

  /** The compiler, whose programs run only while their files are whole. */
  guarded(compile: Compile): Compile {
    return async (graph, options) => {
      await this.#opened();
      this.#mustBeWhole();
      const program = await compile(graph, options);
      return {
        run: async (inputs, into) => {
          this.#mustBeWhole();
          return program.run(inputs, into);
        },
        dispose: () => program.dispose(),
      };
    };
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => []);
    this.#open = [];
    this.#opening = undefined;
    await Promise.all((open ?? []).map(({ handle }) => handle.close()));
  }

  /** @throws GlmError "model-invalid" when a part that is mapped is gone */
  #mustBeWhole(): void {
    const cut = this.#cut();
    if (!cut) return;
    throw new GlmError(
      "model-invalid",
      `${cut.file}: expected ${cut.bytes} bytes, got ${fstatSync(cut.handle.fd).size}: it was cut while a model was using ` +
        "it. Put the file back, or fetch it again, and load the model again.",
    );
  }

  #cut(): Mapped | undefined {
    return this.#open.find(({ handle, bytes }) => fstatSync(handle.fd).size < bytes);
  }

  async #opened(): Promise<void> {
    this.#opening ??= allOpen(this.#bytes);
    try {
      this.#open = await this.#opening;
    } catch (cause) {
      this.#opening = undefined;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new GlmError("model-invalid", `the model's weights cannot be opened (${why}). Load it again.`, { cause });
    }
  }

  #add({ file, offset, bytes }: { readonly file: string; readonly offset: number; readonly bytes: number }): void {
    this.#bytes.set(file, Math.max(this.#bytes.get(file) ?? 0, offset + bytes));
  }
}

/** All of them, or none: what was opened before one failed is closed. */
async function allOpen(files: ReadonlyMap<string, number>): Promise<readonly Mapped[]> {
  const opened = await Promise.allSettled(
    [...files].map(async ([file, bytes]) => ({ file, bytes, handle: await openFile(file) })),
  );
  const failed = opened.find((one) => one.status === "rejected");
  const open = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (!failed) return open;
  await Promise.all(open.map(({ handle }) => handle.close().catch(() => undefined)));
  throw failed.reason;
}
