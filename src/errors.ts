/** @file The library's own error: what a user did or met that can be put right, said once and in full. */

/**
 * An error meant for the user: its message names the subject, what was expected, what was got, and the remedy.
 * `code` survives the way through a runtime process, so callers can tell errors apart.
 */
export class GlmError extends Error {
  override readonly name = "GlmError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export type ErrorCode =
  | "model-not-found"
  | "model-invalid"
  | "model-not-loaded"
  | "hub-unreachable"
  | "hub-denied"
  | "download-corrupt"
  | "adapter-not-found"
  | "adapter-exists"
  | "adapter-invalid"
  | "adapter-changed"
  | "option-invalid"
  | "data-invalid"
  | "loss-not-finite"
  | "training-stopped"
  | "out-of-memory"
  | "device-lost"
  | "disk"
  | "runtime-lost"
  | "runtime-unreachable"
  | "host-unreachable"
  | "job-failed"
  | "unsupported";
