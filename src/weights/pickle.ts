/**
 * @file Reads a pickle as data: a stack machine for the operations that torch.save writes (protocols 2 to 5), which can
 * build numbers, strings, tuples, lists and dictionaries, and nothing else. Whatever a pickle names or calls goes to the
 * caller, who knows a fixed set of names; names are compared, never looked up, imported or run.
 *
 * Source: the comments of CPython's pickletools.py.
 */
import { opcodeNames } from "./pickle-opcodes.ts";

/** What a pickle can hold; `T` is what the caller makes of its storages and calls. */
export type Pickled<T> =
  | null
  | boolean
  | number
  | bigint
  | string
  | { readonly kind: "tuple"; readonly items: readonly Pickled<T>[] }
  | { readonly kind: "list"; readonly items: Pickled<T>[] }
  | PickledDict<T>
  | PickledGlobal
  | { readonly kind: "made"; readonly value: T };

/** A dictionary; a Map, so that no key can reach an object's prototype. */
export interface PickledDict<T> {
  readonly kind: "dict";
  readonly entries: Map<string | number, Pickled<T>>;
}

/** A name that the caller allows. */
export interface PickledGlobal {
  readonly kind: "global";
  /** Module and name, joined by a dot. */
  readonly name: string;
}

/** What a pickle means to the one who reads it. */
export interface PickleReader<T> {
  /** Names that may occur. */
  readonly allowed: ReadonlySet<string>;
  /** The result of calling an allowed name. */
  call(name: string, args: readonly Pickled<T>[]): Pickled<T>;
  /** The object that lies outside the pickle under this id. */
  persistent(id: Pickled<T>): Pickled<T>;
  /** Ends the reading with an error that says `fault`. */
  refuse(fault: string): never;
  /** Ends the reading because of a name that is not allowed. */
  refuseName(name: string): never;
}

/** Reads the pickle from its first byte to its STOP. */
export function readPickle<T>(bytes: Uint8Array, reader: PickleReader<T>): Pickled<T> {
  return new Machine(bytes, reader).run();
}

/** Marks where the items of a tuple, or of a batch of entries, begin on the stack. */
const mark = Symbol("mark");

/** A thousand tensors are described by some 25,000 values, and each may take hundreds of bytes of memory. */
const maxValues = 2 ** 18;

/** Longest integer in bytes: sizes and counts need eight. */
const maxIntegerBytes = 16;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Machine<T> {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #reader: PickleReader<T>;
  readonly #stack: (Pickled<T> | typeof mark)[] = [];
  readonly #memo = new Map<number, Pickled<T>>();
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array, reader: PickleReader<T>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#reader = reader;
  }

  run(): Pickled<T> {
    for (;;) {
      const start = this.#at;
      const opcode = String.fromCharCode(this.#byte());
      if (opcode === ".") return this.#last();
      const step = this.#steps[opcode];
      if (!step) {
        const name = opcodeNames.get(opcode);
        this.#reader.refuse(
          name === undefined
            ? `its pickle has an unknown operation at byte ${start}`
            : `its pickle uses ${name} at byte ${start}, which weights do not need`,
        );
      }
      step();
    }
  }

  /** One step for each operation that weights need, by its opcode as a character. */
  readonly #steps: Readonly<Record<string, () => void>> = {
    // PROTO, FRAME
    "\x80": () => {
      const protocol = this.#byte();
      if (protocol < 2 || protocol > 5) this.#refuse(`is written in protocol ${protocol}, expected 2 to 5`);
    },
    "\x95": () => void this.#skip(8),
    // NONE, NEWTRUE, NEWFALSE
    N: () => this.#push(null),
    "\x88": () => this.#push(true),
    "\x89": () => this.#push(false),
    // BININT, BININT1, BININT2, LONG1, BINFLOAT
    J: () => this.#push(this.#view.getInt32(this.#skip(4), true)),
    K: () => this.#push(this.#byte()),
    M: () => this.#push(this.#view.getUint16(this.#skip(2), true)),
    "\x8a": () => this.#push(this.#integer(this.#byte())),
    G: () => this.#push(this.#view.getFloat64(this.#skip(8), false)),
    // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
    "\x8c": () => this.#push(this.#text(this.#byte())),
    X: () => this.#push(this.#text(this.#uint32())),
    "\x8d": () => this.#push(this.#text(Number(this.#view.getBigUint64(this.#skip(8), true)))),
    // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
    ")": () => this.#push({ kind: "tuple", items: [] }),
    "\x85": () => this.#push({ kind: "tuple", items: this.#pop(1) }),
    "\x86": () => this.#push({ kind: "tuple", items: this.#pop(2) }),
    "\x87": () => this.#push({ kind: "tuple", items: this.#pop(3) }),
    t: () => this.#push({ kind: "tuple", items: this.#popToMark() }),
    "(": () => this.#stack.push(mark),
    // EMPTY_LIST, APPEND, APPENDS
    "]": () => this.#push({ kind: "list", items: [] }),
    a: () => this.#append(this.#pop(1)),
    e: () => this.#append(this.#popToMark()),
    // EMPTY_DICT, SETITEM, SETITEMS
    "}": () => this.#push({ kind: "dict", entries: new Map() }),
    s: () => this.#setItems(this.#pop(2)),
    u: () => this.#setItems(this.#popToMark()),
    // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
    q: () => void this.#memo.set(this.#byte(), this.#last()),
    r: () => void this.#memo.set(this.#uint32(), this.#last()),
    "\x94": () => void this.#memo.set(this.#memo.size, this.#last()),
    h: () => this.#recall(this.#byte()),
    j: () => this.#recall(this.#uint32()),
    // GLOBAL, STACK_GLOBAL
    c: () => this.#global(this.#line(), this.#line()),
    "\x93": () => {
      const [module, name] = this.#pop(2);
      if (typeof module !== "string" || typeof name !== "string") this.#refuse("names something that is not a text");
      this.#global(module, name);
    },
    // BINPERSID, REDUCE, BUILD
    Q: () => this.#push(this.#reader.persistent(this.#pop(1)[0] as Pickled<T>)),
    R: () => this.#reduce(),
    b: () => this.#build(),
  };

  #refuse(fault: string): never {
    return this.#reader.refuse(`its pickle ${fault} (byte ${this.#at})`);
  }

  #push(value: Pickled<T>): void {
    this.#values += 1;
    if (this.#values > maxValues) this.#refuse(`has more than ${maxValues} values`);
    this.#stack.push(value);
  }

  /** The top of the stack, which stays there. */
  #last(): Pickled<T> {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) this.#refuse("takes more than it has put down");
    return value;
  }

  /** The last `count` values, in the order in which they were put down. */
  #pop(count: number): Pickled<T>[] {
    const values = this.#stack.splice(Math.max(0, this.#stack.length - count), count);
    if (values.length < count || values.includes(mark)) this.#refuse("takes more than it has put down");
    return values as Pickled<T>[];
  }

  #popToMark(): Pickled<T>[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at === -1) this.#refuse("ends a group that it has not begun");
    const values = this.#stack.splice(at);
    return values.slice(1) as Pickled<T>[];
  }

  #append(items: readonly Pickled<T>[]): void {
    const list = this.#last();
    if (kindOf(list) !== "list") this.#refuse("appends to something that is no list");
    for (const item of items) (list as { items: Pickled<T>[] }).items.push(item);
  }

  #setItems(items: readonly Pickled<T>[]): void {
    const dict = this.#last();
    if (kindOf(dict) !== "dict" || items.length % 2 !== 0)
      this.#refuse("sets entries of something that is no dictionary");
    const { entries } = dict as PickledDict<T>;
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== "string" && typeof key !== "number") this.#refuse("has a key that is neither text nor number");
      entries.set(key, items[i + 1] as Pickled<T>);
    }
  }

  #recall(place: number): void {
    const value = this.#memo.get(place);
    if (value === undefined) this.#refuse(`recalls ${place}, which it has not remembered`);
    this.#push(value);
  }

  #global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#reader.allowed.has(full)) this.#reader.refuseName(full);
    this.#push({ kind: "global", name: full });
  }

  #reduce(): void {
    const [callee, args] = this.#pop(2) as [Pickled<T>, Pickled<T>];
    if (kindOf(callee) !== "global") this.#refuse("calls something that has no name");
    if (kindOf(args) !== "tuple") this.#refuse("calls without a tuple of arguments");
    this.#push(this.#reader.call((callee as PickledGlobal).name, (args as { items: Pickled<T>[] }).items));
  }

  /** Attributes of a dictionary, such as the versions of modules that a state dict carries: dropped. */
  #build(): void {
    this.#pop(1);
    if (kindOf(this.#last()) !== "dict") this.#refuse("sets attributes of something that is no dictionary");
  }

  /** Moves past `count` bytes and says where they began. */
  #skip(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) this.#refuse("ends in the middle of a value");
    this.#at += count;
    return start;
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** A two's complement integer, least significant byte first; a bigint only where a number would round it. */
  #integer(length: number): number | bigint {
    if (length > maxIntegerBytes)
      this.#refuse(`has an integer of ${length} bytes, expected at most ${maxIntegerBytes}`);
    const start = this.#skip(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i -= 1) value = (value << 8n) | BigInt(this.#bytes[start + i] as number);
    const signed = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #text(length: number): string {
    const start = this.#skip(length);
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      return this.#refuse("has a text that is not UTF-8");
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) this.#refuse("ends in the middle of a name");
    const text = this.#text(end - this.#at);
    this.#at += 1;
    return text;
  }
}

function kindOf(value: unknown): string | undefined {
  return typeof value === "object" && value !== null && "kind" in value ? String(value.kind) : undefined;
}
