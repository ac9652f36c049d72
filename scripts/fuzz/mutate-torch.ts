/** @file PyTorch's files whose zip records lie, whose entries were changed, or whose pickle asks for other things. */
import type { RandomStream } from "../../src/random.ts";
import { once, pick } from "./choice.ts";
import { type ByteMutator, byteMutators, writeOdd } from "./mutate-bytes.ts";
import { call, op, pickled, tupleOf } from "./pickle-writer.ts";
import { type EntryToZip, recordsOf, unzipped, zipped } from "./zip-file.ts";

/** Offset and size of the integers in each record of a zip archive. */
const fields = {
  end: [
    [0, 4],
    [4, 2],
    [6, 2],
    [8, 2],
    [10, 2],
    [12, 4],
    [16, 4],
    [20, 2],
  ],
  wideEnd: [
    [0, 4],
    [4, 8],
    [16, 4],
    [20, 4],
    [24, 8],
    [32, 8],
    [40, 8],
    [48, 8],
  ],
  locator: [
    [0, 4],
    [4, 4],
    [8, 8],
    [16, 4],
  ],
  central: [
    [0, 4],
    [8, 2],
    [10, 2],
    [16, 4],
    [20, 4],
    [24, 4],
    [28, 2],
    [30, 2],
    [32, 2],
    [42, 4],
  ],
  local: [
    [0, 4],
    [6, 2],
    [8, 2],
    [14, 4],
    [18, 4],
    [22, 4],
    [26, 2],
    [28, 2],
  ],
} as const;

/** Damage that a reader must see, or that changes nothing that counts. */
export const zipMutators: Readonly<Record<string, ByteMutator>> = {
  "zip records": (original, random) => {
    const bytes = Buffer.from(original);
    const records = recordsOf(bytes);
    for (let i = random.integer(3); i >= 0; i -= 1) {
      const kind = pick(random, ["end", "wideEnd", "locator", "central", "central", "local", "local"] as const);
      const at = kind === "central" || kind === "local" ? pick(random, records[kind]) : records[kind];
      const [offset, size] = pick<readonly [number, number]>(random, fields[kind]);
      if (at !== undefined) writeOdd(bytes, at + offset, size, random);
    }
    return bytes;
  },
  "zip records of one another": (original, random) => {
    const bytes = Buffer.from(original);
    const { central } = recordsOf(bytes);
    const [a, b] = [pick(random, central), pick(random, central)];
    const [offset, size] = pick<readonly [number, number]>(random, fields.central);
    const end = offset + size;
    const taken = Buffer.from(bytes.subarray(b + offset, b + end));
    bytes.copy(bytes, b + offset, a + offset, a + end);
    // Exchanged, or the same twice.
    if (once(random, 2)) taken.copy(bytes, a + offset);
    return bytes;
  },
};

/** Archives that are consistent in themselves but hold something else: they may load with other numbers. */
export const entryMutators: Readonly<Record<string, ByteMutator>> = {
  "pickle bytes": repickled((pickle, random) => {
    const name = pick(random, ["flip bits", "truncate", "cut out", "insert", "copy a part", "odd integer"]);
    return byteMutators[name]?.(pickle, random) ?? pickle;
  }),
  "pickle operations": repickled((pickle, random) => {
    const bytes = Buffer.from(pickle);
    for (let i = random.integer(4); i >= 0; i -= 1) bytes[random.integer(bytes.length)] = pick(random, opcodes);
    return bytes;
  }),
  "hostile call": repickled((pickle, random) => {
    const at = once(random, 3) ? pickle.length - 1 : random.integer(pickle.length);
    return Buffer.concat([pickle.subarray(0, at), Buffer.from(hostile(random), "latin1"), pickle.subarray(at)]);
  }),
  "pickle of noise": repickled((_, random) => {
    const length = random.integer(400);
    return pickled(...Array.from({ length }, () => String.fromCharCode(pick(random, opcodes))));
  }),
  "pickle bomb": repickled((_, random) => pickled(pick(random, bombs)())),
  entries: (original, random) => zipped(changedEntries(unzipped(original), random), { zip64: once(random, 2) }),
};

/** The archive written anew, checksums included, with another pickle. */
function repickled(change: ByteMutator): ByteMutator {
  return (original, random) => {
    const entries = unzipped(original).map((entry) =>
      entry.name.endsWith("/data.pkl") ? { ...entry, content: change(Buffer.from(entry.content), random) } : entry,
    );
    return zipped(entries, { zip64: once(random, 2) });
  };
}

/** Every operation of pickle's language. */
const opcodes = [
  ..."().0123456789FGIJKLMNPQRSTUVXYZ]abcdeghijlopqrstu}",
  ..."\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98BC",
].map((character) => character.charCodeAt(0));

const names = [
  ["os", "system"],
  ["posix", "system"],
  ["builtins", "eval"],
  ["builtins", "exec"],
  ["builtins", "__import__"],
  ["subprocess", "Popen"],
  ["nt", "system"],
  ["child_process", "execSync"],
  ["Function", "constructor"],
  ["__proto__", "constructor"],
  ["torch.hub", "load"],
  ["torch", "load"],
  ["torch._utils", "_rebuild_tensor"],
  ["collections", "OrderedDict"],
  ["torch", "FloatStorage"],
] as const;

function hostile(random: RandomStream): string {
  const [module, name] = pick(random, names);
  const argument = op.text(pick(random, ["touch harm", "process.exit(1)", "__import__('os').abort()", "../../harm"]));
  return pick(random, [
    call(module, name, argument),
    op.text(module) + op.text(name) + op.stackGlobal + tupleOf(argument) + op.reduce,
    `${op.mark}${argument}i${module}\n${name}\n`,
    `${op.mark}${op.global(module, name)}${argument}o`,
    `${op.global(module, name)}${tupleOf(argument)}\x81`,
    `${op.global(module, name)}${op.emptyTuple}\x81${op.emptyDict}${op.build}`,
    op.global(module, name) + op.persistent,
  ]);
}

/** Pickles that would need much more memory, time or depth than they have bytes. */
const bombs: readonly (() => string)[] = [
  () => op.emptyTuple + "\x85".repeat(300_000),
  () => op.emptyList + op.put(0) + `${op.get(0)}${op.get(0)}a`.repeat(50_000),
  () => op.mark.repeat(2_000_000),
  () => op.emptyDict.repeat(2_000_000),
  () => `X\xff\xff\xff\x7f`,
  () => `\x8d${"\xff".repeat(8)}`,
  () => `\x8a\xff${"\x7f".repeat(255)}`,
  // Each list holds the one before twice: 2^200 items, were anybody to walk them.
  () =>
    op.emptyList +
    Array.from({ length: 200 }, (_, i) => `${op.put(i)}${op.emptyList}${op.get(i)}a${op.get(i)}a`).join(""),
  () =>
    `${op.emptyDict}${Array.from({ length: 200_000 }, (_, i) => `${op.text(`k${i}`)}N`).join(op.setItem)}${op.setItem}`,
];

function changedEntries(entries: EntryToZip[], random: RandomStream): EntryToZip[] {
  const [i, j] = [random.integer(entries.length), random.integer(entries.length)];
  const [a, b] = [entries[i] as EntryToZip, entries[j] as EntryToZip];
  const put = (...items: EntryToZip[]): EntryToZip[] => entries.toSpliced(i, 1, ...items);
  switch (random.integer(7)) {
    case 0:
      return put();
    case 1:
      return put(a, a);
    case 2:
      return put({ ...a, content: b.content });
    case 3:
      return put({
        ...a,
        name: pick(random, [b.name, `${a.name}x`, "../x", "", "/", "m/data.pkl", "m/constants.pkl"]),
      });
    case 4:
      return put({ ...a, content: a.content.subarray(0, random.integer(a.content.length + 1)) });
    case 5:
      return put({ ...a, content: Buffer.concat([a.content, Buffer.alloc(1 + random.integer(64))]) });
    default:
      return put({ ...a, says: { method: pick(random, [0, 8, 12, 99]), flags: pick(random, [0, 1, 8, 2048]) } });
  }
}
