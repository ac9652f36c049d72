/** @file One mutation of one file of a subject, as a function of the seed and the trial's number. */
import { type RandomStream, randomStream } from "../../src/random.ts";
import { once, pick } from "./choice.ts";
import { type ByteMutator, byteMutators } from "./mutate-bytes.ts";
import { mutatedJson } from "./mutate-json.ts";
import { safetensorsMutators } from "./mutate-safetensors.ts";
import { entryMutators, zipMutators } from "./mutate-torch.ts";
import type { Subject } from "./subject.ts";

export interface Mutation {
  readonly subject: Subject;
  readonly file: string;
  /** What was done to it. */
  readonly name: string;
  /** The file's new content; undefined when it is gone. */
  readonly bytes: Buffer | undefined;
  /** Whether a reader cannot see it: the files are as consistent as before, but hold other tensors. */
  readonly plausible: boolean;
}

type Mutators = Readonly<Record<string, ByteMutator>>;

const jsonMutators: Mutators = {
  "JSON values": (original, random) => Buffer.from(mutatedJson(original.toString(), random)),
};

/** What a download leaves behind when it goes wrong. */
const strangers = [
  "",
  "<!DOCTYPE html><title>404</title>",
  "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
  "{}",
  "PK\x05\x06",
];

export function mutation(subjects: readonly Subject[], seed: number, trial: number): Mutation {
  const random = randomStream(seed, "fuzz", trial);
  const subject = subjects[trial % subjects.length] as Subject;
  const file = pick(random, [...subject.files.keys()]);
  const original = subject.files.get(file) as Buffer;
  const base = { subject, file };
  if (once(random, 25)) {
    const other = pick(random, [undefined, pick(random, strangers), pick(random, [...subject.files.values()])]);
    return {
      ...base,
      name: "file replaced",
      bytes: other === undefined ? undefined : Buffer.from(other),
      plausible: false,
    };
  }
  const [name, mutate, consistent] = mutatorFor(file, random);
  const bytes = mutate(original, random);
  return { ...base, name, bytes, plausible: consistent || !subject.checked };
}

/** The mutators of a file's own format, and whether what they make is consistent in itself. */
function ownMutators(file: string): readonly (readonly [mutators: Mutators, consistent: boolean])[] {
  if (file.endsWith(".json")) return [[jsonMutators, false]];
  if (file.endsWith(".safetensors")) return [[safetensorsMutators, true]];
  return [
    [zipMutators, false],
    [entryMutators, true],
  ];
}

/** A mutator for a file of that name, and whether what it makes is consistent in itself. */
export function mutatorFor(
  file: string,
  random: RandomStream,
): [name: string, mutate: ByteMutator, consistent: boolean] {
  const [mutators, consistent] = pick(random, [[byteMutators, false] as const, ...ownMutators(file)]);
  // Single bits are the damage that is hardest to see.
  const name = mutators === byteMutators && once(random, 2) ? "flip bits" : pick(random, Object.keys(mutators));
  return [name, mutators[name] as ByteMutator, consistent];
}
