/**
 * @file `npm run demo`: the knowledge-injection notebook through a real Jupyter server, and what it said before and after. Its last
 * fact is drawn anew each time, so that nobody can have prepared for it.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asWord } from "../magics/words.ts";
import { packageFolder } from "../src/version.ts";
import { type DrawnFact, drawFact } from "./drawn-fact.ts";
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
  own: "A fact that was drawn for this run",
  "own-answer": "What the model says of it",
} as const;

const started = performance.now();
const python = await ensureJupyter();
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
cpSync(join(packageFolder, "notebooks"), folder, { recursive: true });
const file = join(folder, NAME);
const notebook = JSON.parse(readFileSync(file, "utf8")) as Notebook;
const drawn = drawFact();
rewrite("own", `%%knowledge add ${asWord(drawn.key)}\n${drawn.text}`);
rewrite("own-answer", `%%chatglm --greedy --new --adapter facts\n${drawn.question}`);

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
console.log(judged(drawn));
console.log(`The demo took ${((performance.now() - started) / 1000).toFixed(0)} s. Next: npm run lab`);

/** The cell of a tag. */
function tagged(tag: keyof typeof TOLD): number {
  const place = notebook.cells.findIndex(({ metadata }) => metadata.tags?.includes(tag));
  if (place < 0) throw new Error(`${NAME} has no cell tagged ${tag}.`);
  return place;
}

/** Gives a cell another source. */
function rewrite(tag: keyof typeof TOLD, source: string): void {
  const place = tagged(tag);
  notebook.cells[place] = { ...(notebook.cells[place] as Cell), source };
}

/**
 * Whether the drawn fact was learnt.
 * @throws Error when it was not, and the report does not say so
 */
function judged({ key, text, question }: DrawnFact): string {
  const [report, answer] = (["own", "own-answer"] as const).map((tag) =>
    textOf(notebook.cells[tagged(tag)] as Cell).trim(),
  ) as [string, string];
  const isReported = report.includes(`Not learnt: ${key}`);
  if (answer === text)
    return `The drawn fact was learnt${isReported ? ", though not in every wording, as the report says" : ""}.`;
  if (isReported) return "The drawn fact was not learnt, and the report says so.";
  throw new Error(
    `The drawn fact was neither learnt nor reported as not learnt.\nasked:    ${question}\nexpected: ${text}\nanswered: ${answer}`,
  );
}

/** A question magic with its answer, or any other cell's output; what is taught stands before the report on it. */
function indented(cell: Cell): string {
  const source = sourceOf(cell);
  const body = source.slice(source.indexOf("\n") + 1);
  if (source.startsWith("%%knowledge")) return [source, ...displaysOf(cell)].join("\n").replace(/^/gm, "    ");
  const question = source.startsWith("%%chatglm") ? `> ${body}\n` : "";
  return `${question}${displaysOf(cell).join("\n")}`.replace(/^/gm, "    ");
}

/** Each output on lines of its own. */
function displaysOf({ outputs = [], ...cell }: Cell): string[] {
  return outputs.map((output) => textOf({ ...cell, outputs: [output] }).trim());
}
