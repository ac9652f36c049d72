/** @file What a disk refuses while a model is put away is said as what it is, with the file's name. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { huggingFace } from "../../src/hub/huggingface.ts";
import { hubSettings } from "../../src/hub/settings.ts";
import { faultOf } from "../../src/hub/verify.ts";
import { COMMIT, ID, useBench } from "./fixture.ts";

const bench = useBench();

it("a blob that cannot take its place", async () => {
  const hub = huggingFace(hubSettings("huggingface", bench().env));
  const snapshot = await hub.snapshot({ id: ID, revision: "main" }, COMMIT);
  const file = { path: "config.json", bytes: 2, hash: { kind: "git", hex: "0".repeat(40) } } as const;
  const partial = snapshot.partial(file);
  mkdirSync(dirname(partial), { recursive: true });
  writeFileSync(partial, "{}");
  mkdirSync(join(dirname(partial), file.hash.hex));
  await expect(snapshot.put(file)).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(/0{40} was not written: expected a file there, got a folder/),
  });
});

it("a file that cannot be read through", async () => {
  const file = { path: "x", hash: { kind: "git", hex: "0".repeat(40) } } as const;
  // A folder can be opened, and fails when it is read, as a damaged disk does.
  await expect(faultOf(bench().home, file)).rejects.toMatchObject({
    code: "disk",
    message: expect.stringMatching(/expected a file that can be read, got: EISDIR/),
  });
});
