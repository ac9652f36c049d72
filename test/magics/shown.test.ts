// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
/** @file What --show-code prints does what the magic does: both are run, and the library is asked for the same, to the same end. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expand, PRELUDE } from "../../magics/expand.ts";
import * as magics from "../../magics/runtime.ts";
import { sessionOf } from "../../magics/session.ts";
import { MAGICS } from "../../magics/table.ts";
import { typescript } from "../../magics/typescript.ts";
import * as library from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

type Asked = readonly [method: string, of: string, ...parameters: unknown[]];

/** What the library was asked for since it was last emptied. */
const { asked } = vi.hoisted(() => ({ asked: [] as Asked[] }));

vi.mock("../../src/api/load.ts", async (original) => {
  const real = await original<typeof import("../../src/api/load.ts")>();
  const load: typeof real.load = (...parameters) => {
    asked.push(["load", "", ...parameters.map(plain)]);
    return real.load(...parameters);
  };
  return { ...real, load };
});

const { AdapterHandle, ChatGLM, KnowledgeBook } = library;

/** What only looks. The magics look more often, for completion and for their messages. */
const LOOKS = ["run", "adapter", "adapters", "knowledge", "list", "parameters", "summary"];
const METHODS = [
  [ChatGLM.prototype, ["askAll", "chat", "combine", "createAdapter", "deleteAdapter", "loadAdapter", "save", "unload"]],
  [ChatGLM.prototype, ["evaluate", "forgetting"]],
  [ChatGLM.prototype, ["adapter", "adapters", "knowledge", "data"]],
  [AdapterHandle.prototype, ["fit", "attach", "run", "merge", "unmerge", "save", "parameters", "summary"]],
  [KnowledgeBook.prototype, ["add", "check", "delete", "query", "update", "list"]],
] as const;

/** Options that watch the work, or look for what is there. */
const WATCHES = ["signal", "create"];
/** Options that are off unless they are given. */
const OFF = ["share", "replace"];

/** A parameter in one order, without what watches, and without what says no more than leaving it out does. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  // A data set is its rows.
  if ("rows" in value) return plain(value.rows);
  const said = Object.entries(value).filter(([name, given]) => {
    const isLeftOut = given === undefined || given === null || (given === false && OFF.includes(name));
    return !isLeftOut && typeof given !== "function" && !WATCHES.includes(name);
  });
  return Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, given]) => [name, plain(given)]));
}

/** Without options that say nothing. */
const isSaid = (value: unknown): boolean => JSON.stringify(value) !== "{}" && value !== undefined;

const FACTS = '{"key": "a", "text": "b", "prompts": ["q?"], "paraphrases": []}\n';
const ROWS = '{"prompt": "a", "response": "b"}\n{"prompt": "c", "response": "d"}\n';
const QUICK = "--steps 1 --extra-steps 0 --no-rehearse";

/** Cells, each in a notebook with two rounds of conversation, and what the library did there before. */
const CELLS: readonly (readonly [cell: string, before?: string])[] = [
  ["%model ${model} --runtime none --device cpu --as big"],
  ["%chatglm --greedy --max-new-tokens 3 --new 你好"],
  ["%%chatglm --adapter dream --seed 3 --max-new-tokens 3 --new --to said --model glm\n你好${n}", "dream"],
  ["%%chatglm --compare none,dream --greedy --max-new-tokens 3 --to both\n你好", "dream"],
  ["%chat save talk.json"],
  ["%chat save ${`${folder}/talk.json`}"],
  ["%chat save talk.md"],
  ["%adapter", "dream"],
  ["%adapter list", "dream"],
  ["%adapter new dream --r 2 --alpha 4 --targets query_key_value --share --to made"],
  ["%adapter new dream --method full --match final_layernorm --replace", "dream"],
  ["%adapter save dream", "dream"],
  ["%adapter save dream ./there --model glm", "dream"],
  ["%adapter save ${'dream'}", "dream"],
  ["%adapter save dream --format peft", "dream"],
  ["%adapter load again ${`${folder}/dream`} --replace", 'dream\nawait dream.save("./dream")'],
  ["%adapter merge dream", "dream"],
  ["%adapter merge dream ./merged --quantized refuse", "dream"],
  ["%adapter unmerge dream", "dream\nawait dream.merge()"],
  ["%adapter combine both 0.5*dream", "dream"],
  ["%adapter delete dream", "dream"],
  ["%params"],
  ["%params none --all"],
  ["%params dream", "dream"],
  ["%params dream --all", "dream"],
  ["%data rows.jsonl --max-length 64 --to report"],
  ["%data @rows.jsonl --columns prompt=prompt,response=response --examples 1 --model glm"],
  ["%data ${rows} --max-prompt-length 9 --whole"],
  ["%train dream rows --no-check --epochs 1"],
  ["%train dream rows --no-check --epochs 1 --resume"],
  ["%train attach dream", "trained"],
  ["%train runs", "trained"],
  ["%train dream @rows.jsonl --no-check --epochs 1 --rehearse @prompts.json --r 2 --lr 1e-2"],
  [`%%train dream --no-check --epochs 1 --val 0.5 --method full --match final_layernorm --share\n${ROWS}`],
  ["%adapter new dream --method adalora --init-r 4 --r 2 --targets query_key_value --to made"],
  ["%adapter new dream --method ptuning --length 4 --projection --to made"],
  [`%%train dream --no-check --epochs 1 --method ptuning --length 4\n${ROWS}`],
  ["%%train my-dream --no-check --epochs 1\n@rows.jsonl"],
  ["%%train dream --no-check --epochs 1 --columns prompt,response --val @rows.jsonl\n@r*.jsonl"],
  ['%%train dream --no-check --epochs 1 --columns prompt=q,response=a\n{"q": "a", "a": "b", "score": 1}'],
  [
    '%%train dream --no-check --epochs 1 --val rows\n[\n  ["a", "b"]\n]'.replace(
      '["a", "b"]',
      ROWS.split("\n")[0] ?? "",
    ),
  ],
  [`%%knowledge add a b --prompt q? --paraphrase p? --r 2 --share ${QUICK} --to report\nB.`],
  [`%%knowledge add --book my-towns ${QUICK}\n${FACTS}`],
  [`%%knowledge add --book towns --steps 1 --extra-steps 0 --rehearse @prompts.json\n@facts.jsonl`],
  [`%%knowledge add "@facts.jsonl" ${QUICK}`],
  [`%%knowledge update a --prompt q? --paraphrase p? ${QUICK}\nC.`, "book"],
  [`%knowledge delete a ${QUICK} --to facts`, "book"],
  ["%knowledge", "book"],
  ["%knowledge list --book facts", "book"],
  ["%knowledge check --to said", "book"],
  ["%knowledge query --model glm q?", "book"],
  ["%evaluate rows --scores exact,f1 --adapters none,dream --max-new-tokens 3 --save there.json --to scores", "dream"],
  ["%evaluate @rows.jsonl --max-new-tokens 3 --model glm"],
  ["%evaluate @r*.jsonl --columns prompt,response --max-new-tokens 3"],
  ['%%evaluate --columns prompt=q,response=a --max-new-tokens 3\n{"q": "a", "a": "b", "score": 1}'],
  [`%%evaluate --scores accuracy --max-new-tokens 3\n${ROWS}`],
  ["%evaluate --forgetting --adapters dream --max-new-tokens 1", "dream"],
  ["%runtime unload"],
  ["%runtime devices"],
];

/** What is known of the model, and of the machine. */
const ASKS_NO_ENGINE: readonly string[] = ["%params", "%runtime devices"];

/**
 * What the library has no call for: the magics' own memory of which adapter is in use and of a conversation, the one model
 * that is current, the process of the runtime, and the list of magics.
 */
const NOT_OF_THE_LIBRARY = ["%adapter use", "%chat", "%chat history", "%chat reset", "%chat rounds"].concat([
  "%runtime",
  "%runtime status",
  "%runtime stop",
  "%runtime logs",
  "%lsmagic",
]);

/** Of a run that goes by itself: a model in this process has none. */
const OF_A_RUNTIME = ["%train stop"];

const BEFORE: Readonly<Record<string, string>> = {
  dream: 'const dream = await glm.createAdapter("dream", library.lora({ r: 1, targets: ["query_key_value"] }));',
  trained:
    'const dream = await glm.createAdapter("dream", library.lora({ r: 1, targets: ["query_key_value"] }));\n' +
    'for await (const _ of dream.fit([{ prompt: "a", response: "b" }], { epochs: 1 }));',
  book:
    'const book = await glm.knowledge("facts");\n' +
    'await book.add({ key: "a", text: "b", prompts: ["q?"], paraphrases: [] }, { steps: 1, extraSteps: 0, rehearse: false });',
};

const LONG = 120_000;
const home = ownHome();
const here = process.cwd();
let sides = 0;

beforeAll(async () => {
  await writeSmallModel(join(home, "model"));
  for (const [prototype, names] of METHODS) {
    for (const name of names) {
      const methods = prototype as unknown as Record<string, (...parameters: unknown[]) => unknown>;
      const real = methods[name] as (...parameters: unknown[]) => unknown;
      vi.spyOn(methods, name).mockImplementation(function (this: { readonly name?: string }, ...parameters) {
        asked.push([name, this.name ?? "", ...parameters.map(plain).filter(isSaid)]);
        return real.apply(this, parameters);
      });
    }
  }
  for (const name of ["log", "table"] as const) vi.spyOn(console, name).mockImplementation(() => undefined);
}, LONG);
afterAll(() => {
  process.chdir(here);
  vi.restoreAllMocks();
});

/** Runs TypeScript as a cell's, in a block of its own: it may declare what there is already. */
async function run(code: string, variables: Readonly<Record<string, unknown>>): Promise<void> {
  const modules = { glmlab: library, "node:fs/promises": fs };
  const linked = code.replace(/^import \{(.*)\} from (".*");$/gm, "const {$1} = modules[$2];");
  const { target, module } = { target: typescript.ScriptTarget.ES2022, module: typescript.ModuleKind.ESNext };
  const script = typescript.transpile(`{\n${linked}\n}`, { target, module });
  const AsyncFunction = run.constructor as typeof Function;
  const all = { modules, library, ...variables };
  await new AsyncFunction(...Object.keys(all), script)(...Object.values(all));
}

/**
 * What the library was asked for, and what there is then, when code is run in a notebook and a folder of its own.
 * @param namespace what only magics may use
 */
async function outcome(code: string, before: string | undefined, namespace: object = {}) {
  const notebook = `side-${++sides}.ipynb`;
  const folder = join(home, notebook);
  mkdirSync(folder);
  process.chdir(folder);
  writeFileSync("facts.jsonl", FACTS);
  writeFileSync("rows.jsonl", ROWS);
  writeFileSync("prompts.json", '["x", "y"]');
  const written = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
  try {
    return await library.withAmbient({ notebook, frontend: new Notebook() }, async () => {
      const model = join(home, "model");
      const glm = await library.load(model, { runtime: "none", device: "cpu" });
      const history: [string, string][] = [
        ["一", "二\n三"],
        ["四\n五", "六"],
      ];
      for (const round of history) sessionOf(glm).conversation.add(...round);
      await magics.useModel(glm);
      const [name = "", ...more] = (before ?? "").split("\n");
      if (before) await run([BEFORE[name], ...more].join("\n"), { glm });
      asked.length = 0;
      const rows = [{ prompt: "a", response: "b" }];
      await run(code, { ...namespace, glm, model, folder, history, rows, n: 1 });
      const calls = asked.map((call) => JSON.stringify(call).replaceAll(folder, "."));
      // What is unloaded can be asked nothing.
      const left = calls.some((call) => call.includes("unload")) ? [] : await stateOf(glm);
      const files = readdirSync(folder).filter((file) => file.startsWith("talk"));
      // What is shared is everybody's.
      for (const { name: adapter } of left) await glm.deleteAdapter(adapter);
      await glm.dispose().catch(() => undefined);
      return { calls, left, files: files.map((file) => [file, readFileSync(file, "utf8")]) };
    });
  } finally {
    written.mockRestore();
  }
}

async function stateOf(glm: library.ChatGLM) {
  const adapters = await glm.adapters();
  return Promise.all(
    adapters.map(async ({ name, config, steps, merged, documents, owner }) => {
      const facts = documents.length > 0 ? (await glm.knowledge(name)).list() : [];
      return { name, config, steps, merged, facts, isShared: !owner.includes("side-") };
    }),
  );
}

const changes = (calls: readonly string[]): readonly string[] =>
  calls.filter((call) => !LOOKS.includes(JSON.parse(call)[0]));

/** The magic's name with its subcommand. */
const titleOf = (cell: string): string => {
  const [, name = "", word] = /^(%%?\w+)(?: (\w+))?/.exec(cell) ?? [];
  const { line, cell: body } = MAGICS[name.replace(/^%+/, "")] ?? {};
  const commands = (name.startsWith("%%") ? body : line) ?? {};
  return word !== undefined && Object.hasOwn(commands, word) ? `${name} ${word}` : name;
};

describe("shown code", { timeout: LONG }, () => {
  it.each(CELLS.map(([cell, before]) => ({ cell, before })))(
    "does what the magic does: $cell",
    async ({ cell, before }) => {
      const title = titleOf(cell);
      const magic = expand(cell).code.slice(PRELUDE.length);
      const [, json = ""] =
        /showCode\((".*")\)/s.exec(expand(`${title} --show-code${cell.slice(title.length)}`).code) ?? [];
      const [ran, shown] = [
        await outcome(magic, before, { __glmlab: magics }),
        await outcome(String(JSON.parse(json)), before),
      ];
      expect(changes(shown.calls)).toEqual(changes(ran.calls));
      // What it looks at, the magic looks at, too.
      expect(ran.calls).toEqual(expect.arrayContaining(shown.calls as string[]));
      expect(shown.calls.length > 0 || shown.files.length > 0 || ASKS_NO_ENGINE.includes(title)).toBe(true);
      expect(shown.left).toEqual(ran.left);
      expect(shown.files).toEqual(ran.files);
    },
  );

  it("is tried of every magic that the library has words for", () => {
    const all = Object.entries(MAGICS).flatMap(([name, { line = {}, cell = {} }]) => [
      ...Object.keys(line).map((command) => `%${name} ${command}`.trim()),
      ...Object.keys(cell).map((command) => `%%${name} ${command}`.trim()),
    ]);
    const tried = new Set(CELLS.map(([cell]) => titleOf(cell)));
    expect(all.filter((title) => !tried.has(title)).sort()).toEqual([...NOT_OF_THE_LIBRARY, ...OF_A_RUNTIME].sort());
  });
});
