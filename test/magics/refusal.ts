/** @file What a cell is refused with. */
import { MagicError } from "../../magics/error.ts";
import { expand } from "../../magics/expand.ts";

/** The refusal's words, and the part of the cell that it points at. */
export function refusal(code: string): { message: string; at: string } {
  try {
    expand(code);
  } catch (error) {
    if (!(error instanceof MagicError)) throw error;
    return { message: error.message, at: code.slice(error.offset, error.offset + error.length) };
  }
  throw new Error(`nothing was refused in ${JSON.stringify(code)}`);
}
