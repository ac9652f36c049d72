/**
 * @file The pickle of a PyTorch weights file as a list of named views into storages. A fixed set of names is understood;
 * any other is refused.
 *
 * Source: torch/serialization.py and torch/_utils.py of PyTorch 1.6 to 2.x, for the meaning of what they write.
 */

import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import type { DType } from "../tensor.ts";
import { damaged } from "./faults.ts";
import { type Pickled, type PickleReader, readPickle } from "./pickle.ts";

/** What a file of PyTorch weights is called in messages. */
export const torchFile = "a file of PyTorch weights";

/** The types of storages by the name that pickles give them; an untyped one holds bytes. */
const dtypeOfStorage: ReadonlyMap<string, DType> = new Map([
  ["torch.DoubleStorage", "float64"],
  ["torch.FloatStorage", "float32"],
  ["torch.HalfStorage", "float16"],
  ["torch.BFloat16Storage", "bfloat16"],
  ["torch.LongStorage", "int64"],
  ["torch.IntStorage", "int32"],
  ["torch.CharStorage", "int8"],
  ["torch.ByteStorage", "uint8"],
  ["torch.BoolStorage", "bool"],
  ["torch.UntypedStorage", "uint8"],
  ["torch.storage.UntypedStorage", "uint8"],
]);

/** A storage that the pickle mentions: one entry of the archive. */
export interface Storage {
  readonly type: "storage";
  readonly key: string;
  readonly dtype: DType;
  readonly elements: number;
}

/** A tensor that the pickle describes: a part of a storage. Offset and strides count elements. */
export interface View {
  readonly type: "view";
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

type Value = Pickled<Storage | View>;
type Refuse = (fault: string) => never;

/**
 * The tensors of a state dict by name; undefined for an entry that is no tensor.
 * @param file what to call the file in messages
 * @throws GlmError "model-invalid" when the pickle is damaged or asks for anything but tensors
 */
export function readStateDict(bytes: Uint8Array, file: string): ReadonlyMap<string, View | undefined> {
  const refuse: Refuse = (fault) => {
    throw damaged(file, torchFile, [fault]);
  };
  const top = readPickle(bytes, reader(file, refuse));
  if (typeof top !== "object" || top?.kind !== "dict") return refuse("its pickle holds no dictionary of tensors");
  return new Map([...top.entries].map(([name, value]) => [String(name), viewIn(value)]));
}

function reader(file: string, refuse: Refuse): PickleReader<Storage | View> {
  const calls: ReadonlyMap<string, (args: readonly Value[]) => Value> = new Map([
    ["collections.OrderedDict", (args) => emptyDict(args, refuse)],
    ["torch._utils._rebuild_tensor_v2", (args) => ({ kind: "made", value: rebuiltTensor(args, refuse) })],
    ["torch._utils._rebuild_parameter", (args) => parameter(args, refuse)],
  ]);
  return {
    allowed: new Set([...calls.keys(), ...dtypeOfStorage.keys()]),
    call: (name, args) => calls.get(name)?.(args) ?? refuse(`its pickle calls ${name}, which is no function`),
    persistent: (id) => ({ kind: "made", value: storageOf(id, refuse) }),
    refuse,
    refuseName(name) {
      throw new GlmError(
        "model-invalid",
        `${file}: expected a pickle of nothing but tensors, but it asks for ${describe(name)}. Nothing of it was run. ` +
          "Weights need no such thing, and such a file can run programs on machines that trust it: " +
          "get the model from a source you trust, best as safetensors.",
      );
    },
  };
}

function emptyDict(args: readonly Value[], refuse: Refuse): Value {
  if (args.length > 0) refuse("its pickle makes an OrderedDict of arguments");
  return { kind: "dict", entries: new Map() };
}

/** Arguments: storage, offset, shape, strides, requires_grad, backward hooks and, in some files, metadata. */
function rebuiltTensor([data, offset, size, stride, , , metadata]: readonly Value[], refuse: Refuse): View {
  const storage = typeof data === "object" && data?.kind === "made" ? data.value : undefined;
  const [shape, strides] = [countsOf(size), countsOf(stride)];
  if (storage?.type !== "storage" || !isCount(offset) || !shape || strides?.length !== shape.length) {
    return refuse("its pickle has a tensor that is not described by a storage, an offset, a shape and strides");
  }
  // Metadata mark a tensor whose negative or conjugate is what the storage holds.
  if (typeof metadata === "object" && metadata?.kind === "dict" && metadata.entries.size > 0) {
    refuse("its pickle has a tensor that is the negative or the conjugate of what is stored");
  }
  return { type: "view", storage, offset, shape, strides };
}

/** Arguments: the tensor, requires_grad, backward hooks. */
function parameter([data]: readonly Value[], refuse: Refuse): Value {
  return viewIn(data) && data !== undefined ? data : refuse("its pickle has a Parameter without a tensor");
}

/** An id is ("storage", type, key, device, elements). */
function storageOf(id: Value, refuse: Refuse): Storage {
  const [tag, type, key, , elements] = typeof id === "object" && id?.kind === "tuple" ? id.items : [];
  const dtype = typeof type === "object" && type?.kind === "global" ? dtypeOfStorage.get(type.name) : undefined;
  if (tag !== "storage" || !dtype || typeof key !== "string" || !isCount(elements)) {
    return refuse("its pickle has a storage that is not described by a type, a key and a size");
  }
  return { type: "storage", key, dtype, elements };
}

function viewIn(value: Value | undefined): View | undefined {
  return typeof value === "object" && value?.kind === "made" && value.value.type === "view" ? value.value : undefined;
}

function countsOf(value: Value | undefined): readonly number[] | undefined {
  return typeof value === "object" && value?.kind === "tuple" && value.items.every(isCount) ? value.items : undefined;
}

function isCount(value: Value | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
