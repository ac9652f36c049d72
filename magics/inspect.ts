/** @file What there is to say about the magic at the cursor: its help. */
import type { MimeBundle } from "../src/ambient.ts";
import { helpText } from "./help.ts";
import { magicAt } from "./locate.ts";
import { MAGICS } from "./table.ts";

/** Undefined where the cursor is in no magic that there is. */
export function inspectMagic(code: string, cursor: number): MimeBundle | undefined {
  const located = magicAt(code, cursor);
  if (!located || !Object.hasOwn(MAGICS, located.name)) return undefined;
  return { "text/plain": helpText(`${located.sign}${located.name}`) };
}
