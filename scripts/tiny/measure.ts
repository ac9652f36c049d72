/**
 * @file Measures what `tiny` can do on questions that are not in its training data, and prints the model card's table.
 *
 *   node dist/scripts/tiny/measure.js [folder]
 */
import { load } from "../../src/index.ts";
import { heldOut } from "./corpus.ts";
import type { Row } from "./row.ts";

/** Rows of each ability that are shown where the answer is wrong. */
const SHOWN = 3;

const [name = "tiny"] = process.argv.slice(2);
const glm = await load(name, { runtime: "none" });

async function answerTo({ prompt, history = [] }: Row): Promise<string> {
  return glm.ask(prompt, { history, greedy: true, maxNewTokens: 160 });
}

const lines = ["| ability | right of 100 |", "| --- | --- |"];
for (const [ability, rows] of Object.entries(heldOut())) {
  let right = 0;
  const wrong: string[] = [];
  for (const row of rows) {
    const answer = await answerTo(row);
    if (answer === row.response) right += 1;
    else wrong.push(`  ${row.prompt} -> ${answer}   (expected: ${row.response})`);
  }
  lines.push(`| ${ability} | ${right} |`);
  console.log(`${ability}: ${right} of ${rows.length}`);
  console.log(wrong.slice(0, SHOWN).join("\n"));
}
console.log(`\n${lines.join("\n")}`);
await glm.dispose();
