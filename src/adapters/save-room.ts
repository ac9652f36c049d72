/** @file Where an adapter must not be saved unless that is wanted: over another one's files, or among a model's. */
import { join, resolve } from "node:path";
import { GlmError } from "../errors.ts";
import { weightFileNames } from "../published.ts";
import { namesIn, realPathOf } from "../regular-file.ts";
import { shortened } from "../text-cut.ts";
import { readHeader } from "../weights/header.ts";
import { adapterFileNames, NAME_FIELD, TENSORS_FILE } from "./adapter-files.ts";
import type { AdapterFormat } from "./formats.ts";

export interface ToSave {
  readonly name: string;
  /** The folder that it was loaded from, which it may be saved back to. */
  readonly source?: string | undefined;
  readonly format?: AdapterFormat | undefined;
}

/** @throws GlmError "option-invalid" when the folder has files of another adapter or of a model, which are not to be lost */
export async function mustBeOwnPlace(folder: string, { name, source, format }: ToSave): Promise<void> {
  // What cannot be read is told of when it is written.
  const there = await namesIn(folder).catch((): string[] => []);
  if (there.some((file) => adapterFileNames.includes(file))) {
    const owner = await ownerOf(folder);
    const isOwn = owner === name || (source !== undefined && (await isSamePlace(folder, source)));
    if (!isOwn) throw taken(name, folder, owner === undefined ? "an adapter" : `the adapter ${shortened(owner, 100)}`);
  }
  // The published form has a model's own file names, and looks itself whether they hold a model.
  const weights = format === "published" ? undefined : weightFileNames.find((file) => there.includes(file));
  if (weights !== undefined)
    throw taken(name, folder, `a model (${weights}), which Python would then load with this adapter`);
}

/** The name of the adapter that was saved there; undefined where the files do not say, as PEFT's do not. */
async function ownerOf(folder: string): Promise<string | undefined> {
  const header = await readHeader(join(folder, TENSORS_FILE)).catch(() => undefined);
  return header?.metadata[NAME_FIELD];
}

async function isSamePlace(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map((path) => realPathOf(path).catch(() => resolve(path))));
  return first === second;
}

const taken = (name: string, folder: string, what: string): GlmError =>
  new GlmError(
    "option-invalid",
    `save: expected a folder that is free, or one that ${name} was saved to, got ${folder}, which holds ${what}. ` +
      "Save to another folder, or add --replace (replace: true) if its files shall go.",
  );
