import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { withTables, written } from "../../scripts/support.ts";

const checkpoints = /THUDM\/glm-4-9b-hf.*tokenizer\.json/;
const contents = { "README.md": checkpoints, "README.zh-CN.md": checkpoints, "gpu.md": /ChatGLM3-6B *\| 24\.4 \+/ };

test.each(written.map((one) => [basename(one.file) as keyof typeof contents, one] as const))(
  "the tables of %s are what the code says; `npm run support` writes them",
  (name, one) => {
    const text = readFileSync(one.file, "utf8");
    expect(withTables(text, one)).toBe(text);
    expect(text).toMatch(contents[name]);
  },
);
