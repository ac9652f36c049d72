/**
 * @file PyTorch's weight files (`pytorch_model.bin`): a zip archive of one pickle, which describes the tensors, and one
 * stored entry for each storage, which holds their numbers. Only the pickle is read; tensors become ranges of the file.
 */

import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { readBytes, withFile } from "../file-bytes.ts";
import { elementSize, sizeOf } from "../tensor.ts";
import { damaged, startFault } from "./faults.ts";
import type { StoredTensor } from "./stored.ts";
import { readStateDict, torchFile, type View } from "./torch-pickle.ts";
import { readZip, type ZipEntry, type ZipFile } from "./zip-directory.ts";
import { contentOffset, looksLikeZip, readEntry } from "./zip-entry.ts";

/** The description of a thousand tensors takes about 200 kB. */
const maxPickleBytes = 16 * 2 ** 20;

/** 0x1950a86a20f9469cfc6c, pickled: how torch.save began its files before PyTorch 1.6. */
const legacyStart = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

const saveAgain = "torch.save(torch.load(file, weights_only=True), file)";

/**
 * The tensors of one file, as ranges of that file.
 * @throws GlmError "model-not-found" without the file; "model-invalid" when it is damaged or asks for anything but
 * tensors, with every faulty tensor; "unsupported" when it is of a kind that cannot be mapped
 */
export async function readTorch(file: string): Promise<readonly StoredTensor[]> {
  return withFile(file, torchFile, async (handle, fileBytes) => {
    const start = await readBytes(handle, file, 0, Math.min(fileBytes, 64));
    if (!looksLikeZip(start)) throw notZip(file, start);
    const zip = await readZip(handle, file, fileBytes);
    const root = archiveRoot(zip);
    await checkByteOrder(zip, root);
    const pickle = zip.entries.get(`${root}/data.pkl`);
    if (!pickle) throw damaged(file, torchFile, ["its pickle is missing"]);
    return locate(zip, root, readStateDict(await readEntry(zip, pickle, maxPickleBytes), file));
  });
}

function notZip(file: string, start: Uint8Array): GlmError {
  if (!Buffer.from(start).toString("latin1").startsWith(legacyStart)) {
    return damaged(file, torchFile, [startFault(start) ?? "expected a zip archive, got something else"]);
  }
  return new GlmError(
    "unsupported",
    `${file}: expected the zip format of PyTorch 1.6 and later, got the older one, whose tensors cannot be mapped. ` +
      `Save it again with a newer PyTorch: ${saveAgain}.`,
  );
}

/** The one folder of the archive, which is named after the file that torch.save was given. */
function archiveRoot({ file, entries }: ZipFile): string {
  const roots = [...entries.keys()].flatMap((name) => /^([^/]*)\/data\.pkl$/.exec(name)?.[1] ?? []);
  const [root] = roots;
  if (root === undefined || roots.length > 1) {
    throw damaged(file, torchFile, [`expected one entry NAME/data.pkl in the archive, found ${roots.length}`]);
  }
  if (entries.has(`${root}/constants.pkl`)) {
    throw new GlmError(
      "unsupported",
      `${file}: expected weights, got a TorchScript program, which is not run here. Save the model's state_dict() instead.`,
    );
  }
  return root;
}

/** Files without the entry come from before PyTorch 2.1; they are little-endian, as PyTorch takes them. */
async function checkByteOrder(zip: ZipFile, root: string): Promise<void> {
  const entry = zip.entries.get(`${root}/byteorder`);
  if (!entry) return;
  const order = new TextDecoder().decode(await readEntry(zip, entry, 16));
  if (order === "little") return;
  if (order !== "big") throw damaged(zip.file, torchFile, [`its byte order is ${describe(order)}, expected "little"`]);
  throw new GlmError(
    "unsupported",
    `${zip.file}: expected little-endian numbers, got big-endian ones. Save it again on an x86 or ARM machine: ${saveAgain}.`,
  );
}

/** Finds each tensor's numbers in the file; collects what is wrong with any of them. */
async function locate(
  zip: ZipFile,
  root: string,
  views: ReadonlyMap<string, View | undefined>,
): Promise<readonly StoredTensor[]> {
  const { file } = zip;
  const faults: string[] = [];
  const found: StoredTensor[] = [];
  const offsets = new Map<ZipEntry, number>();
  for (const [name, view] of views) {
    const entry = zip.entries.get(`${root}/data/${view?.storage.key}`);
    const fault = faultOf(view, entry);
    if (fault !== undefined) faults.push(`${describe(name)}: ${fault}`);
    if (fault !== undefined || !view || !entry) continue;
    const { storage, shape, offset } = view;
    const begin = offsets.get(entry) ?? (await contentOffset(zip, entry));
    offsets.set(entry, begin);
    const size = elementSize[storage.dtype];
    const place = { offset: begin + offset * size, bytes: sizeOf(shape) * size };
    found.push({ name, dtype: storage.dtype, shape, file, ...place });
  }
  if (faults.length > 0) throw damaged(file, torchFile, faults);
  return found;
}

/** What is wrong with a tensor's description, judged by the size of the archive's entry for its storage. */
function faultOf(view: View | undefined, entry: ZipEntry | undefined): string | undefined {
  if (!view) return "expected a tensor, got something else";
  const { storage, offset, shape, strides } = view;
  if (!entry) return `its storage ${describe(storage.key)} is missing from the archive`;
  const bytes = storage.elements * elementSize[storage.dtype];
  if (entry.bytes !== bytes) {
    return `its storage of ${storage.elements} x ${storage.dtype} takes ${bytes} bytes, but the archive has ${entry.bytes}`;
  }
  if (!isDense(shape, strides)) {
    return `expected its numbers one after the other, got strides ${describe(strides)} for ${describe(shape)}: save it with .contiguous()`;
  }
  const elements = sizeOf(shape);
  if (!(offset + elements <= storage.elements)) {
    return `${describe(shape)} at ${offset} needs more than its storage of ${storage.elements} elements`;
  }
  return undefined;
}

/** Whether the elements follow one another in row-major order. The stride of a single element says nothing. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i -= 1) {
    const size = shape[i] as number;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}
