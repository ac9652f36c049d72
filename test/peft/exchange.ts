/** @file Adapters that PEFT makes and those that are made here, each computed with by both: the logits of all. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { AdapterHandle, ChatGLM } from "../../src/index.ts";
import { load } from "../../src/index.ts";
import { randomStream } from "../../src/random.ts";
import { type FloatTensor, type Tensor, tensor } from "../../src/tensor.ts";
import { readSafetensors } from "../../src/weights/safetensors.ts";
import { CASES, type Case, IDS, MODEL } from "./cases.ts";

type Named = Readonly<Record<string, Tensor>>;

/** By case: logits, or what was thrown in place of them. */
export type Outcomes = ReadonlyMap<string, FloatTensor | Error>;

export interface Exchange {
  readonly base: FloatTensor;
  /** What PEFT computes: with what it made, with the same after it was loaded and saved here, and with what was made here. */
  readonly peft: { readonly theirs: Named; readonly read: Named };
  /** What is computed here with the same. */
  readonly here: { readonly theirs: Outcomes; readonly made: Outcomes };
  /** Values of the prefixes that were made here. */
  readonly prefixes: ReadonlyMap<string, Readonly<Record<string, FloatTensor>>>;
  close(): Promise<void>;
}

export const again = ({ name }: Case): string => `again: ${name}`;
export const made = ({ name }: Case): string => `made: ${name}`;
export const published = ({ name }: Case): string => `published: ${name}`;

/** @param python one with PyTorch, transformers and PEFT */
export async function exchange(python: string): Promise<Exchange> {
  const folder = await mkdtemp(join(tmpdir(), "glmlab-peft-"));
  const peftSide = async (action: "make" | "read", message: object): Promise<Named> => {
    const file = join(folder, `${action}.json`);
    await writeFile(file, JSON.stringify(message));
    await promisify(execFile)(python, ["-B", join(import.meta.dirname, "peft_side.py"), action, folder, file]);
    const { values } = await readSafetensors(
      join(folder, action === "make" ? "theirs.safetensors" : "read.safetensors"),
    );
    return values;
  };
  const theirs = await peftSide("make", { model: MODEL, ids: IDS, cases: CASES });
  const glm = await load(join(folder, "model"), { runtime: "none" });
  try {
    const folders: Record<string, string> = {};
    const save = async (adapter: AdapterHandle, name: string, format: "peft" | "published" = "peft"): Promise<void> => {
      const place = join(folder, "ours", String(Object.keys(folders).length));
      await adapter.save(place, { format });
      folders[name] = place;
    };
    const loaded = await outcomes(CASES, async (one, name) => {
      const adapter = await glm.loadAdapter(name, join(folder, "theirs", one.name));
      await save(adapter, again(one));
      return glm.logits(IDS, { adapter });
    });
    const prefixes = new Map<string, Readonly<Record<string, FloatTensor>>>();
    const own = await outcomes(CASES, async (one, name) => {
      if (!one.ours) return undefined;
      const adapter = await glm.createAdapter(`own-${name}`, one.ours);
      await adapter.write(disturbed(await adapter.read(), one.noise));
      await save(adapter, made(one));
      if (one.ours.method === "pTuning") {
        await save(adapter, published(one), "published");
        prefixes.set(one.name, await adapter.read());
      }
      return glm.logits(IDS, { adapter });
    });
    const read = await peftSide("read", { ids: IDS, folders });
    return {
      base: await glm.logits(IDS),
      peft: { theirs, read },
      here: { theirs: loaded, made: own },
      prefixes,
      close: () => closed(glm, folder),
    };
  } catch (error) {
    await closed(glm, folder);
    throw error;
  }
}

async function closed(glm: ChatGLM, folder: string): Promise<void> {
  await glm.dispose();
  await rm(folder, { recursive: true, force: true });
}

/** A case that fails leaves the others as they are. */
async function outcomes(
  cases: readonly Case[],
  of: (one: Case, name: string) => Promise<FloatTensor | undefined>,
): Promise<Outcomes> {
  const found = new Map<string, FloatTensor | Error>();
  for (const [i, one] of cases.entries()) {
    const outcome = await of(one, `case-${i}`).catch((error: Error) => error);
    if (outcome !== undefined) found.set(one.name, outcome);
  }
  return found;
}

/** Values with random numbers added to each. */
function disturbed(tensors: Readonly<Record<string, FloatTensor>>, noise = 0.2): Record<string, FloatTensor> {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    const stream = randomStream(3, name);
    return [
      name,
      tensor(
        "float32",
        shape,
        data.map((value) => value + noise * stream.normal()),
      ),
    ] as const;
  });
  return Object.fromEntries(entries);
}
