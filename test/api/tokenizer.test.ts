/** @file `loadTokenizer` by the names that `load` takes, and what it says of those that hold no tokenizer. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadTokenizer } from "../../src/index.ts";
import { packageFolder } from "../../src/version.ts";

const tiny = join(packageFolder, "models", "tiny");
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "glm-tokenizer-"));
  mkdirSync(join(scratch, "own", "words"), { recursive: true });
  copyFileSync(join(tiny, "tokenizer.model"), join(scratch, "own", "words", "tokenizer.model"));
});
afterAll(() => rmSync(scratch, { recursive: true }));

it("takes tiny, and folders that are relative, absolute, or look like a hub's id", async () => {
  const wanted = (await loadTokenizer(tiny)).encode("啥是梦中情炉？");
  expect(wanted.length).toBeGreaterThan(2);
  for (const name of ["tiny", relative(process.cwd(), tiny), join(scratch, "own/words")]) {
    expect((await loadTokenizer(name)).encode("啥是梦中情炉？")).toEqual(wanted);
  }
  const before = process.cwd();
  process.chdir(scratch);
  try {
    expect((await loadTokenizer("own/words")).encode("啥是梦中情炉？")).toEqual(wanted);
  } finally {
    process.chdir(before);
  }
});

it("says in one line that there is no folder, or no tokenizer in it", async () => {
  await expect(loadTokenizer(join(scratch, "nowhere"))).rejects.toMatchObject({
    code: "model-not-found",
    message: expect.stringMatching(
      /^loadTokenizer .*nowhere: expected "tiny" or a folder .* no folder .*nowhere\. .*$/,
    ),
  });
  await expect(loadTokenizer("owner/name")).rejects.toThrow(
    /^loadTokenizer owner\/name: .*\(await load\(id\)\)\.tokenizer\.$/,
  );
  await expect(loadTokenizer(join(scratch, "own"))).rejects.toMatchObject({
    code: "model-not-found",
    message: `Tokenizer in ${join(scratch, "own")}: expected tokenizer.model or tokenizer.json or ice_text.model, got none of them. Copy the tokenizer's files of the checkpoint into the folder.`,
  });
  await expect(loadTokenizer("")).rejects.toThrow('loadTokenizer: expected "tiny" or a folder');
});
