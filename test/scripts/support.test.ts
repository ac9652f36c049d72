import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withSupport } from "../../scripts/support.ts";
import { packageFolder } from "../../src/version.ts";

test("the README's tables are what the code supports; `npm run support` writes them", () => {
  const text = readFileSync(join(packageFolder, "README.md"), "utf8");
  expect(withSupport(text)).toBe(text);
  expect(text).toMatch(/THUDM\/glm-4-9b-hf.*tokenizer\.json/);
});
