/** @file A home for the tests of one file: what they keep, cache and start is theirs, and nothing of it is left. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, vi } from "vitest";
import { stopRuntime } from "../src/runtime/cli.ts";

/**
 * A folder that is there while the tests of a file or of a `describe` run: with adapters (`data`), a cache (`cache`) and
 * the runtime that they start (`run`), if they do. Call it before any hook of theirs, so that it is made first and goes last.
 * @returns its path, which is short: the path of a socket has little room
 */
export function ownHome(): string {
  const home = join(tmpdir(), `glm-${randomBytes(6).toString("hex")}`);
  beforeAll(() => {
    mkdirSync(home);
    vi.stubEnv("GLMLAB_DATA", join(home, "data"));
    vi.stubEnv("GLMLAB_CACHE", join(home, "cache"));
    vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "run"));
  });
  afterAll(async () => {
    await stopRuntime();
    vi.unstubAllEnvs();
    // What ends just now may still write there.
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });
  return home;
}
