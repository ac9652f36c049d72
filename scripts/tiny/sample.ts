/** @file Prints rows for making a vocabulary as JSON lines: `node dist/scripts/tiny/sample.js [seed] [count]`. */
import { rows } from "./corpus.ts";

const [seed = 1, count = 100] = process.argv.slice(2).map(Number);
let printed = 0;
let text = "";
for (const row of rows(seed, [])) {
  if (printed++ >= count) break;
  text += `${JSON.stringify(row)}\n`;
}
process.stdout.write(text);
