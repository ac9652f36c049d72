/**
 * @file `npm run demo`: the knowledge-injection notebook through a real Jupyter server, and what it said before and after.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../src/version.ts";
import { ensureJupyter, startServer } from "./jupyter.ts";
import { type Cell, type Notebook, runNotebook, sourceOf, textOf } from "./notebook.ts";

const NAME = "01-inject-one-fact.ipynb";
const folder = join(packageFolder, "out", "demo");

/** Cells that the demo repeats, by tag, with what they show. */
const TOLD = {
  before: "Before training",
  parameters: "What will be trained",
  training: "Training",
  after: "After training",
  judgement: "What was learnt, and what was forgotten",
  reloaded: "After a restart of the kernel, with the saved adapter",
  removed: "Without the adapter",
} as const;

const started = performance.now();
const python = await ensureJupyter();
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
cpSync(join(packageFolder, "notebooks"), folder, { recursive: true });
const file = join(folder, NAME);
const notebook = JSON.parse(readFileSync(file, "utf8")) as Notebook;

console.log(`Running ${NAME} through a Jupyter server ...\n`);
const server = await startServer(python, folder);
try {
  let told: Cell | undefined;
  const tell = (): void => {
    const tag = told?.metadata.tags?.find((name): name is keyof typeof TOLD => name in TOLD);
    if (told && tag) console.log(`${TOLD[tag]}\n${indented(told)}\n`);
    told = undefined;
  };
  await runNotebook(server, notebook, NAME, {
    onCell(cell) {
      tell();
      told = cell;
    },
    onRestart() {
      tell();
      console.log("Restarting the kernel ...\n");
    },
  });
  tell();
} finally {
  await server.stop();
}
writeFileSync(file, `${JSON.stringify(notebook, null, 1)}\n`);
console.log(`The executed notebook: ${file}`);
console.log(`The demo took ${((performance.now() - started) / 1000).toFixed(0)} s. Next: npm run lab`);

/** A question magic with its answer, or any other cell's output. */
function indented(cell: Cell): string {
  const source = sourceOf(cell);
  const question = source.startsWith("%%chatglm") ? `> ${source.slice(source.indexOf("\n") + 1)}\n` : "";
  return `${question}${textOf(cell).trim()}`.replace(/^/gm, "    ");
}
