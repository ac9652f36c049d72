/** @file How files of data are refused: what was expected of which file, what it is, and what to do. */
import { GlmError } from "../errors.ts";

/** The forms that are read, as messages name them. */
export const FORMS = "JSON, JSON lines, CSV or Parquet (also as .gz)";

/** An error for a file that is no data, or not what it says it is. */
export const notData = (path: string, got: string, remedy: string): GlmError =>
  new GlmError("data-invalid", `${path}: expected ${FORMS}, got ${got}. ${remedy}`);

/** An error for a file that cannot be read to its end. */
export const broken = (path: string, why: string): GlmError =>
  new GlmError("data-invalid", `${path}: cannot be read as rows: ${why}`);
