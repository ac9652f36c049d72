// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
/** @file Expanded magics are typed: right ones check, wrong ones fail where they are written, nothing becomes `any`. */
import { beforeAll, describe, expect, it } from "vitest";
import { expand } from "../../magics/expand.ts";
import { MAGICS } from "../../magics/table.ts";
import { Checker } from "./typecheck.ts";

const checker = new Checker();

/** The first check reads the declarations of the package and of Node. */
beforeAll(() => {
  expect(checker.check('import "glmlab"; import "glmlab/magics"; import "node:fs";')).toEqual([]);
}, 180_000);

/** What cells before this one have declared. */
const BEFORE =
  'declare const mine: import("glmlab").ChatGLM; declare const text: string; declare const rows: { prompt: string; response: string }[]; ' +
  "declare const others: string[]; ";

/** What shown code speaks of without declaring it. */
const SHOWN =
  'declare const glm: import("glmlab").ChatGLM; declare const history: [string, string][]; declare const rounds: number; ';

/** The faults of a cell, with the written text they point at. */
function faults(code: string): { message: string; at: string }[] {
  const expansion = expand(code);
  return checker.check(BEFORE + expansion.code).map(({ message, offset, length }) => {
    const start = expansion.map(offset - BEFORE.length);
    return { message, at: code.slice(start, expansion.map(offset - BEFORE.length + length)) };
  });
}

/** The type of a name in a cell. */
function typeOf(code: string, name: string): string {
  const expanded = BEFORE + expand(code).code;
  expect(checker.check(expanded)).toEqual([]);
  return checker.typeAt(expanded.lastIndexOf(name));
}

describe("expanded magics", () => {
  it.each(Object.values(MAGICS).flatMap(({ examples }) => examples))("check: %j", (example) => {
    expect(faults(example)).toEqual([]);
  });

  it.each([
    "%%chatglm --adapter none --new --system s --temperature 0.5 --top-p 0.5 --top-k 3 --repetition-penalty 1.1 --max-new-tokens 9 --seed 1 --format markdown --model mine\nhi",
    "%%chatglm --compare none,a --new --system s --greedy --max-new-tokens 9 --to both --model mine\nhi",
    "%adapter new a --method lora --r 1 --alpha 2 --dropout 0.1 --targets dense --rank-stabilized --share --to a --model mine",
    "%adapter new a --method full --match word_embeddings,final_layernorm",
    "%%train a --epochs 1 --lr 1 --batch-size 1 --accumulate 1 --clip 1 --weight-decay 0 --scheduler cosine --warmup 1 --patience 1 --rehearse @a.json --rehearse-per-batch 1 --max-length 9 --seed 1 --val @b.json --new --share --to r --model mine\n{}",
    "%model tiny --device cpu --precision fast --quantize int8 --revision main --runtime none --as other",
    "%train a rows --val others2\ndeclare const others2: typeof rows",
    "%params a --all --model mine",
    "%evaluate rows --scores exact,bleu-4 --adapters none,a --max-new-tokens 9 --save ${text} --to scores2 --model mine",
    "%evaluate rows --scores ${[(answer, row) => answer.length - row.response.length, 'f1']}",
    "%evaluate --forgetting --adapters a,b --max-new-tokens 9 --save s.json --to scores2 --model mine",
    '%%evaluate --scores accuracy --to scores2\n{"prompt": "a", "response": "b"}',
    "%%train a --no-check\n{}",
    "%%knowledge add Blue ${text} --book b --prompt a --prompt ${text} --paraphrase c --steps 1 --lr 1 --batch-size 1 --rehearse-per-step 1 --extra-steps 0 --rehearse @a.json --seed 1 --method lora --r 1 --alpha 2 --dropout 0.1 --targets dense --bias all --rank-stabilized --share --to r --model mine\ntext",
    "%%knowledge add --method full --match word_embeddings --no-rehearse\n@a.jsonl",
    "%%knowledge add --rehearse others\n[]",
    "%%knowledge add x --r 4 --targets dense\ntext",
    "%%train d --r 4 --dora\n[]",
    "%%knowledge update a --book b --prompt a --no-rehearse --steps 1 --seed 1 --to r --model mine\ntext",
    "%knowledge delete a ${text} --book b --no-rehearse --steps 1 --to r --model mine",
    "%knowledge list --book b --model mine",
    "%knowledge check --book b --to r --model mine",
    "%knowledge query --book b --to r --model mine hi ${text}",
    "%chat save a.md --model mine",
  ])("check with every option: %s", (code) => {
    expect(faults(code)).toEqual([]);
  });

  it("declare what the library gives", () => {
    expect(typeOf("%model tiny\nglm;", "glm")).toBe("const glm: ChatGLM");
    expect(typeOf("const answer = %chatglm 你好\nanswer;", "answer")).toBe("const answer: string");
    expect(typeOf("%evaluate rows --to found", "found")).toBe("const found: Evaluation");
    expect(typeOf("%%chatglm --to said\nhi", "said")).toBe("const said: string");
    expect(typeOf("%adapter new a --to made", "made")).toBe("const made: AdapterHandle");
    expect(typeOf("const result = %train a rows\nresult;", "result")).toContain("TrainResult");
    expect(typeOf("%%knowledge add a --to report\ntext", "report")).toBe("const report: KnowledgeReport");
    expect(typeOf("const said = %knowledge query hi\nsaid;", "said")).toBe("const said: string");
    expect(typeOf("const known = %knowledge\nknown;", "known")).toBe("const known: readonly Fact[]");
    expect(typeOf("%chatglm --compare none,a --to both hi\nboth.a;", "both")).toBe(
      "const both: Record<string, string>",
    );
  });

  it.each([
    ["%chatglm ${{ a: 1 }}", "{ a: 1 }", "not assignable to parameter of type 'Interpolated'"],
    ["%%chatglm\n你好 ${nobody}！", "nobody", "Cannot find name 'nobody'"],
    ['%chatglm --seed ${"one"} hi', undefined, "not assignable to type 'number"],
    ["%%train a --rehearse text\n{}", undefined, "not assignable"],
    ["%train a 梦", "梦", "Cannot find name '梦'"],
    ["%%knowledge add ${rows.length} --rehearse text\nx", undefined, "not assignable"],
    ["%knowledge delete ${rows}", "rows", "not assignable to type 'string'"],
    ["const n: number = %chatglm hi", "n", "Type 'string' is not assignable to type 'number'"],
    ["%model tiny\nglm.nothing;", "nothing", "Property 'nothing' does not exist"],
    ["%model tiny --as text", "text", "Cannot redeclare"],
  ])("fail where they are written: %j", (code, at, message) => {
    const found = faults(code).filter((fault) => fault.message.includes(message));
    expect(found).not.toEqual([]);
    if (at) expect(found.map((fault) => fault.at)).toContain(at);
  });

  it.each(
    Object.entries(MAGICS)
      .filter(([name]) => name !== "lsmagic" && name !== "runtime")
      .flatMap(([, { examples }]) => examples),
  )("as shown code check as well: %j", (example) => {
    const written = example.replace(
      /%%?\w+( (?:list|use|new|save|load|combine|merge|unmerge|delete|history|reset|rounds|add|update|query|check|attach|stop|runs)\b)?/,
      "$& --show-code",
    );
    const [, json = ""] = /showCode\((".*")\)/s.exec(expand(written).code) ?? [];
    const shown = String(JSON.parse(json));
    const body = shown.replace(/^import .*\n\n/, "");
    const imports = shown.slice(0, shown.length - body.length);
    // In a block of its own it may declare what the magic would have found.
    const found = checker.check(`${imports}${BEFORE}${SHOWN}{\n${body}\n}`);
    expect(found.map(({ message }) => message)).toEqual([]);
  });
});
