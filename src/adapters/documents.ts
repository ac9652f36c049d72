/** @file Text files that belong to an adapter and travel with its tensors, such as the facts that it was taught. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { readWhole } from "../regular-file.ts";

/** Texts by file name. */
export type AdapterDocuments = Readonly<Record<string, string>>;

/** What an adapter's folder may hold beside its tensors and their configuration. */
export const documentNames = ["facts.json"] as const;
export type DocumentName = (typeof documentNames)[number];

/**
 * The documents in an adapter's folder.
 * @throws GlmError "adapter-invalid" when one is there and cannot be read
 */
export async function readDocuments(folder: string): Promise<AdapterDocuments> {
  const documents: Record<string, string> = {};
  for (const name of documentNames) {
    const path = join(folder, name);
    try {
      documents[name] = new TextDecoder("utf-8", { fatal: true }).decode(await readWhole(path));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") continue;
      const why = cause instanceof TypeError ? "bytes that are not UTF-8" : (cause as Error).message;
      throw new GlmError(
        "adapter-invalid",
        `${path}: expected text in UTF-8, got ${why}. Copy the file again, or remove it to load the adapter without it.`,
        { cause },
      );
    }
  }
  return documents;
}
