/** @file The files of a data set on the Hugging Face hub: `hub:OWNER/NAME`, maybe with a file or a folder behind it. */
import { posix } from "node:path";
import { GlmError } from "../errors.ts";
import { fetchDataset } from "../hub/fetch.ts";
import { hubSettings } from "../hub/settings.ts";
import { formOfName } from "./file-kind.ts";
import { listed } from "./keys.ts";
import { FORMS } from "./refusal.ts";

const PREFIX = "hub:";

export const isOnHub = (path: string): boolean => path.startsWith(PREFIX);

/**
 * Downloads them to the hub's cache, where they are not there.
 * @param path hub:OWNER/NAME[@REVISION][/FILE]
 * @throws GlmError "data-invalid" when there are none, or more than one data set; as fetching a model does
 */
export async function hubFiles(path: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const [, id, revision, within] = /^hub:([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(path) ?? [];
  if (id === undefined) {
    throw new GlmError(
      "data-invalid",
      `${path}: expected hub:OWNER/NAME, hub:OWNER/NAME@REVISION or hub:OWNER/NAME/FILE. Write it as the data set's page names it.`,
    );
  }
  const choose = (names: readonly string[]): readonly string[] => chosen(path, names, within);
  return fetchDataset(id, choose, { settings: hubSettings("huggingface"), revision, signal });
}

/** Those that are named; else those to train on, or all where none are called so. */
function chosen(path: string, names: readonly string[], within: string | undefined): readonly string[] {
  const data = names.filter((name) => formOfName(name) !== undefined).sort();
  const folder = within?.replace(/\/+$/, "");
  const named = folder === undefined ? data : data.filter((name) => name === folder || name.startsWith(`${folder}/`));
  const toTrain = named.filter((name) => /(^|[/._-])train([/._-]|$)/i.test(name));
  const files = folder !== undefined || toTrain.length === 0 ? named : toTrain;
  const folders = [...new Set(files.map((name) => posix.dirname(name)))];
  if (files.length === 0) {
    throw new GlmError("data-invalid", `${path}: expected files of ${FORMS}, found ${listed(names) || "nothing"}.`);
  }
  if (folder === undefined && folders.length > 1) {
    throw new GlmError(
      "data-invalid",
      `${path}: expected one data set, found several: ${listed(folders)}. Name one: ${path}/${folders[0]}.`,
    );
  }
  return files;
}
