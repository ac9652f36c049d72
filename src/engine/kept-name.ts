/**
 * @file Names of adapters and the names of the files in which they are kept. Letters of other scripts take nine characters
 * and more in a file's name, so long names are told by a hash; the file itself says which name it stands for.
 */
import { createHash } from "node:crypto";

const SUFFIX = ".safetensors";
const RUN = ".run";
/** Longest written name in characters: file names have at most 255, of which suffix and name aside take some. */
const LONGEST = 220;
/** Begins what is a hash; no adapter's name has it. */
const HASHED = "~";

const HASHED_FILE = /^~[0-9a-f]{32}\.safetensors$/;

/** The file of a name. A name that stands for a hashed file, since that is damaged, leads to that file again. */
export function fileNameOf(name: string): string {
  const written = encodeURIComponent(name.replace(/\p{Surrogate}/gu, "\ufffd"));
  if (written.length <= LONGEST) return `${written}${SUFFIX}`;
  return `${HASHED}${createHash("sha256").update(name).digest("hex").slice(0, 32)}${SUFFIX}`;
}

/** The folder of the run of training of an adapter. */
export const runFolderOf = (name: string): string => `${fileNameOf(name).slice(0, -SUFFIX.length)}${RUN}`;

export const isRunFolder = (folder: string): boolean => folder.endsWith(RUN);

/** Whether only the file itself says whose it is. */
export const isHashed = (file: string): boolean => HASHED_FILE.test(file);

/** Whether a file can be that of an adapter: others may lie beside it, such as those that are being written. */
export const isFileName = (file: string): boolean => !file.startsWith(".") && file.endsWith(SUFFIX);

/**
 * The name of the adapter that a file is kept for; undefined when it is the file of none, whatever put it there.
 * @param said what the file says, if it can be read
 */
export function nameIn(file: string, said: string | undefined): string | undefined {
  if (said !== undefined && fileNameOf(said) === file) return said;
  if (isHashed(file)) return file.slice(0, -SUFFIX.length);
  try {
    const name = decodeURIComponent(file.slice(0, -SUFFIX.length));
    return fileNameOf(name) === file && !name.startsWith(HASHED) ? name : undefined;
  } catch {
    return undefined;
  }
}
