/**
 * @file One trial: a mutated file is written among the others of its folder, and the folder is loaded as a model is.
 * Either that ends in a GlmError, or what it loads is what the original files hold.
 */
import { createHash } from "node:crypto";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { readConfigFile } from "../../src/engine/config-file.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { modelTensors } from "../../src/weights/model-tensors.ts";
import { readTensor } from "../../src/weights/safetensors.ts";
import type { StoredTensor } from "../../src/weights/stored.ts";
import { mustBeMeant, type Outcome, type Trials } from "./kinds.ts";
import { type Mutation, mutation } from "./mutation.ts";
import { readSubjects, type Subject } from "./subject.ts";

/** What a folder loads as: its tensors by name, and a digest of each one's type and numbers. */
interface Loaded {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * Writes the subjects into `folder` and loads each as it is.
 * @returns runs the trial of a number; the same seed and number give the same file. It throws when the files load as
 * something else, or are refused with anything but a GlmError.
 */
export const fuzzTrials: Trials = async (folder, seed) => {
  const subjects = await readSubjects();
  const expected = new Map<Subject, Loaded>();
  const placeOf = (subject: Subject): string => join(folder, subject.name.replaceAll("/", " "));
  for (const subject of subjects) {
    await mkdir(placeOf(subject), { recursive: true });
    for (const [name, bytes] of subject.files) await writeFile(join(placeOf(subject), name), bytes);
    expected.set(subject, await load(placeOf(subject), subject));
  }
  return async (trial) => {
    const made = mutation(subjects, seed, trial);
    const { subject, file, bytes } = made;
    const path = join(placeOf(subject), file);
    const what = `${subject.name}, ${file}: ${made.name}`;
    if (bytes) await writeFile(path, bytes);
    else await rm(path);
    try {
      const outcome = await outcomeOf(placeOf(subject), made, expected.get(subject) as Loaded);
      return { mutation: made.name, what, outcome };
    } catch (cause) {
      throw new Error(`trial ${trial} of seed ${seed} (${what}): ${cause instanceof Error ? cause.stack : cause}`, {
        cause,
      });
    } finally {
      await writeFile(path, subject.files.get(file) as Buffer);
    }
  };
};

/** Loads weights as a model is loaded, and all of their numbers. */
async function load(folder: string, subject: Subject): Promise<Loaded> {
  const config = subject.files.has("config.json") ? (await readConfigFile(folder)).config : undefined;
  const checkpoint = await openCheckpoint(folder);
  const tensors = config
    ? await modelTensors(checkpoint, {
        parameters: parametersOf(config),
        modules: modulesOf(config),
        bits: config.quantization,
      })
    : checkpoint.tensors;
  const digests = new Map<string, string>();
  for (const [name, tensor] of tensors) {
    const { size } = await stat(tensor.file);
    if (tensor.offset < 0 || tensor.offset + tensor.bytes > size) throw new Error(`${name} lies outside its file`);
    const { data, dtype } = await readTensor(tensor);
    const hash = createHash("sha1")
      .update(dtype)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    digests.set(name, hash.digest("hex"));
  }
  return { tensors, digests };
}

async function outcomeOf(folder: string, made: Mutation, expected: Loaded): Promise<Outcome> {
  const globals = Reflect.ownKeys(Object.prototype).length;
  const loaded = await load(folder, made.subject).catch((error: unknown) => {
    mustBeMeant(error);
    return undefined;
  });
  if (Reflect.ownKeys(Object.prototype).length !== globals) throw new Error("it changed the prototype of all objects");
  if (!loaded) return "refused";
  const shapes = ({ tensors }: Loaded): string =>
    JSON.stringify([...tensors].map(([name, { shape }]) => [name, shape]).sort());
  const digests = (of: Loaded): string => JSON.stringify([...of.digests].sort());
  if (digests(loaded) === digests(expected) && shapes(loaded) === shapes(expected)) return "same";
  if (made.plausible && !made.subject.files.has("config.json")) return "other";
  if (shapes(loaded) !== shapes(expected)) throw new Error("it loaded tensors of other names or shapes");
  if (made.plausible || numbersChanged(made, expected)) return "other";
  throw new Error("it loaded other numbers");
}

/** Whether the mutation changed the numbers of a tensor where they lie, which no reader can see. */
function numbersChanged({ subject, file, bytes }: Mutation, { tensors }: Loaded): boolean {
  const original = subject.files.get(file);
  if (!original || bytes?.length !== original.length) return false;
  return [...tensors.values()].some(({ file: path, offset, bytes: size }) => {
    const end = offset + size;
    return basename(path) === file && !original.subarray(offset, end).equals(bytes.subarray(offset, end));
  });
}
