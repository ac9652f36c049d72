/** @file Magics become TypeScript: what is expanded, what is left alone, and what is refused with which words. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
import { describe, expect, it } from "vitest";
import { expand } from "../../magics/expand.ts";
import { refusal } from "./refusal.ts";

const PRELUDE = 'import * as __glmlab from "glmlab/magics"; ';

/** The expansion without the import that every expansion begins with. */
function expanded(code: string): string {
  const expansion = expand(code);
  expect(expansion.isMagic).toBe(true);
  expect(expansion.code.startsWith(PRELUDE)).toBe(true);
  return expansion.code.slice(PRELUDE.length);
}

describe("line magics", () => {
  it.each([
    ["%model tiny", 'const glm = await __glmlab.model("tiny");'],
    ["%model tiny --as small --device cpu", 'const small = await __glmlab.model("tiny", { device: "cpu" });'],
    ["%model ./out --family chatglm3-6b", 'const glm = await __glmlab.model("./out", { family: "chatglm3-6b" });'],
    [
      "%model ZhipuAI/chatglm3-6b --hub modelscope --revision v1.0",
      'const glm = await __glmlab.model("ZhipuAI/chatglm3-6b", { hub: "modelscope", revision: "v1.0" });',
    ],
    ["const small = %model tiny", 'const small = await __glmlab.model("tiny");'],
    ["%model", "void await __glmlab.currentModel();"],
    ["%model --use mine", "void await __glmlab.useModel(mine);"],
    ["%chatglm 你好", "void await __glmlab.chatglm(__glmlab.text`你好`);"],
    ["const answer = %chatglm 你好", "const answer = await __glmlab.chatglm(__glmlab.text`你好`);"],
    ["%chatglm --to answer 你好", "const answer = await __glmlab.chatglm(__glmlab.text`你好`);"],
    [
      "%chatglm --adapter none --top-p 0.8 hi",
      "void await __glmlab.chatglm(__glmlab.text`hi`, { adapter: null, topP: 0.8 });",
    ],
    [
      '%chatglm --system "be brief" --seed=0 hi',
      'void await __glmlab.chatglm(__glmlab.text`hi`, { system: "be brief", seed: 0 });',
    ],
    ["%chatglm --seed ${n + 1} hi", "void await __glmlab.chatglm(__glmlab.text`hi`, { seed: n + 1 });"],
    [
      "%chatglm it's 5 % 2, isn't it? // --new",
      "void await __glmlab.chatglm(__glmlab.text`it's 5 % 2, isn't it? // --new`);",
    ],
    ["%chat rounds 05;", "void await __glmlab.chatRounds(5);"],
    ["%adapter use none", "void await __glmlab.adapterUse(null);"],
    [
      "%adapter new dream --r 8 --targets query_key_value,dense --to dream",
      'const dream = await __glmlab.adapterNew("dream", __glmlab.lora({ r: 8, targets: ["query_key_value","dense"] }));',
    ],
    ["%params dream --all // every one", 'void await __glmlab.params("dream", { all: true });'],
    ["%train dream rows --rehearse others", 'void await __glmlab.train("dream", rows, { rehearse: others });'],
    ["%knowledge", "void await __glmlab.knowledgeList();"],
    ["const known = %knowledge list --book towns", 'const known = await __glmlab.knowledgeList({ book: "towns" });'],
    ["%knowledge check --to report", "const report = await __glmlab.knowledgeCheck();"],
    [
      "const answer = %knowledge query --book towns What is ${name}; and --why?",
      'const answer = await __glmlab.knowledgeQuery(__glmlab.text`What is ${name}; and --why?`, { book: "towns" });',
    ],
    ['%knowledge query "What is it?"', "void await __glmlab.knowledgeQuery(__glmlab.text`What is it?`);"],
    ["%knowledge query 'Who says \"no\"?';", 'void await __glmlab.knowledgeQuery(__glmlab.text`Who says "no"?`);'],
    ['%knowledge query "a" or "b"?', 'void await __glmlab.knowledgeQuery(__glmlab.text`"a" or "b"?`);'],
    ['%knowledge query "never closed', 'void await __glmlab.knowledgeQuery(__glmlab.text`"never closed`);'],
    [
      '%chatglm --greedy "say \\"${f("x")}\\" and `\\\\n`"',
      'void await __glmlab.chatglm(__glmlab.text`say "${f("x")}" and \\`\\\\n\\``, { greedy: true });',
    ],
    ["%chatglm '\\${a}'", "void await __glmlab.chatglm(__glmlab.text`\\${a}`);"],
    ['%%chatglm\n"as it stands"', 'void await __glmlab.chatglm(__glmlab.text`"as it stands"`);'],
    [
      '%knowledge delete 青石灯 "Blue Harbour" ${key} --steps 40 --no-rehearse // gone',
      'void await __glmlab.knowledgeDelete(["青石灯", "Blue Harbour", key], { steps: 40, rehearse: false });',
    ],
    ["%train dream rows --no-check", 'void await __glmlab.train("dream", rows, { check: false });'],
    ["%knowledge --help", 'void __glmlab.help("%knowledge");'],
    ["%lsmagic", "void await __glmlab.lsmagic();"],
    ["%train --help", 'void __glmlab.help("%train");'],
    ["%model \\\n  tiny \\\n  --device cpu", 'const glm = await __glmlab.model("tiny", { device: "cpu" });'],
  ])("%j", (code, wanted) => {
    expect(expanded(code)).toBe(wanted);
  });

  it("stand wherever a statement may begin, several in a cell", () => {
    const code =
      'for (const q of ["a", "b"]) {\n  %chatglm --new ${q}\n}\nconst x = 1; %params\nif (x) {}\n%adapter list';
    expect(expanded(code)).toBe(
      'for (const q of ["a", "b"]) {\n  void await __glmlab.chatglm(__glmlab.text`${q}`, { new: true });\n}\n' +
        "const x = 1; void await __glmlab.params(undefined);\nif (x) {}\nvoid await __glmlab.adapterList();",
    );
  });

  it("keep the lines after them as they are", () => {
    expect(expanded("%model tiny\r\nglm.config\r\n")).toBe(
      'const glm = await __glmlab.model("tiny");\r\nglm.config\r\n',
    );
  });
});

describe("what is TypeScript stays TypeScript", () => {
  it.each([
    ["modulo over two lines", "const x = total\n  % count;"],
    ["modulo without a blank", "const x = total\n%params"],
    ["modulo after a call", "f(a)\n%model"],
    ["modulo after an object", "const x = {}\n%params"],
    ["a template literal", "const s = `\n%model tiny\n`;"],
    ["a template literal with an expression", "const s = `${a}\n%%train dream\n${b}\n%params`;"],
    ["a line comment", "// %model tiny"],
    ["a block comment", "/*\n%model tiny\n*/"],
    ["a string that goes on", 'const s = "a\\\n%model tiny";'],
    ["a regular expression with a quote", "const r = /[`'\"]/;\nconst s = 1\n% 2"],
    ["a remainder assignment", "let x = 7;\nx %= 4;"],
    ["percent signs in text", 'console.log("100 %model", `50 %chatglm`);'],
    ["nothing", ""],
  ])("%s", (_, code) => {
    const { isMagic, code: result, map } = expand(code);
    expect(result).toBe(code);
    expect(isMagic).toBe(false);
    expect(map(3)).toBe(3);
  });

  it("unless the name is declared nowhere, or TypeScript could not read it", () => {
    const undeclared = { declared: () => false };
    expect(expand("dream.summary()\n%params", undeclared).code).toBe(
      `${PRELUDE}dream.summary()\nvoid await __glmlab.params(undefined);`,
    );
    expect(expand("const params = 2\nx\n%params", undeclared).isMagic).toBe(false);
    expect(expanded("dream.summary()\n%params dream --all")).toBe(
      'dream.summary()\nvoid await __glmlab.params("dream", { all: true });',
    );
    expect(expanded("const a = 1\n%chatglm 你好")).toBe(
      "const a = 1\nvoid await __glmlab.chatglm(__glmlab.text`你好`);",
    );
  });
});

describe("cell magics", () => {
  it("take the text below as a template", () => {
    const body = "翻译：${text.trim()}\n`code` and \\${this} and C:\\new\n";
    expect(expanded(`\n%%chatglm --greedy --to answer // comment\n${body}`)).toBe(
      "const answer = await __glmlab.chatglm(__glmlab.text`翻译：${text.trim()}\n\\`code\\` and \\${this} and C:\\\\new`, { greedy: true });",
    );
  });

  it("find the end of an expression whatever is in it", () => {
    const expression = '`${a["}"]}` + { b: "}" }.b + /}/.source /* } */';
    expect(expanded(`%%chatglm\n<\${${expression}}>`)).toBe(
      `void await __glmlab.chatglm(__glmlab.text\`<\${${expression}}>\`);`,
    );
  });

  it("compare adapters", () => {
    expect(expanded("%%chatglm --compare none,dream\nhi")).toBe(
      'void await __glmlab.compare(__glmlab.text`hi`, [null, "dream"]);',
    );
  });

  it("take rows as they are, numbered like the cell's lines", () => {
    const rows = '{"prompt": "${x}", "response": "`y` \\\\n"}';
    expect(expanded(`%%train dream --epochs 100 --lr 5e-3 --r 8\n${rows}\n`)).toBe(
      `void await __glmlab.train("dream", __glmlab.parseRows(${JSON.stringify(`\n${rows}\n`)}, { subject: "The cell's data" }), ` +
        "{ method: { r: 8 }, epochs: 100, lr: 5e-3 });",
    );
  });

  it("take each method's options", () => {
    expect(expanded("%adapter new p --method ptuning --length 8 --projection --dropout 0.1")).toContain(
      "__glmlab.pTuning({ length: 8, projection: true, dropout: 0.1 })",
    );
    expect(expanded("%adapter new f --method freeze --layers 2")).toContain("__glmlab.freeze({ layers: 2 })");
    expect(expanded("%adapter new f --method freeze --match layers.27.")).toContain(
      '__glmlab.freeze({ match: ["layers.27."] })',
    );
    expect(expanded("%adapter new a --dora --targets all-linear --modules-to-save norm --init gaussian")).toContain(
      '__glmlab.lora({ targets: "all-linear", dora: true, modulesToSave: ["norm"], init: "gaussian" })',
    );
    expect(expanded("%adapter new a --targets '.*[01]\\..*dense'")).toContain(
      '__glmlab.lora({ targets: ".*[01]\\\\..*dense" })',
    );
    expect(expanded("%adapter new a --method adalora --r 4 --init-r 8 --delta-t 10 --targets dense")).toContain(
      '__glmlab.adaLora({ r: 4, initR: 8, deltaT: 10, targets: ["dense"] })',
    );
    expect(expanded("%adapter new e --method embeddings")).toContain("__glmlab.embeddings()");
    expect(expanded("%%train p --method ptuning --length 8\n{}")).toContain(
      '{ method: { method: "pTuning", length: 8 }',
    );
  });

  it("read rows from files", () => {
    const wanted =
      'void await __glmlab.train("dream", await __glmlab.loadDataset("my facts.jsonl"), { validation: 0.1 });';
    expect(expanded("%%train dream --val 0.1\n@my facts.jsonl\n")).toBe(wanted);
    expect(expanded('%%train dream --val 0.1 "@my facts.jsonl"')).toBe(wanted);
    expect(expanded("%%train dream @a --rehearse @b.json")).toContain(
      'await __glmlab.loadDataset("a"), { rehearse: await __glmlab.readRows("b.json", { unanswered: true }) }',
    );
  });
});

describe("cell magics with subcommands", () => {
  it("take a text as it is, about all the words of the line", () => {
    const text = '  It\'s `${x}` \\n %model // --book {"a": 1}\n\n@second line 😀  ';
    expect(expanded(`%%knowledge add Blue Harbour --book towns --steps 9\n${text}\n`)).toBe(
      `void await __glmlab.knowledgeAdd({ key: "Blue Harbour", text: ${JSON.stringify(text.trim())} }, { book: "towns", steps: 9 });`,
    );
    expect(expanded("%%knowledge add Blue ${name}\nx")).toContain('{ key: ["Blue", name].join(" "), text: "x" }');
  });

  it("take options that are given several times", () => {
    expect(
      expanded(
        '%%knowledge update 青石灯 --prompt "What is it?" --paraphrase a --prompt=b --prompt ${c} --to report\n新的。',
      ),
    ).toBe(
      'const report = await __glmlab.knowledgeUpdate({ key: "青石灯", text: "新的。", prompts: ["What is it?", "b", c], paraphrases: ["a"] });',
    );
  });

  it("take many facts, numbered like the cell's lines, or a file of them", () => {
    const facts = '{"key": "a", "text": "${b}"}\n';
    expect(expanded(`%%knowledge add --r 4 --no-rehearse --share\n${facts}`)).toBe(
      `void await __glmlab.knowledgeAdd(__glmlab.parseFacts(${JSON.stringify(`\n${facts}`)}, { subject: "The cell's data" }), ` +
        "{ method: { r: 4 }, rehearse: false, share: true });",
    );
    const wanted = 'void await __glmlab.knowledgeAdd(await __glmlab.readFacts("my facts.jsonl"));';
    expect(expanded("%%knowledge add\n@my facts.jsonl\n")).toBe(wanted);
    expect(expanded('%%knowledge add "@my facts.jsonl"')).toBe(wanted);
  });

  it("have help, each and all of them", () => {
    expect(expanded("%%knowledge --help")).toBe('void __glmlab.help("%%knowledge");');
    expect(expanded("%%knowledge add --help")).toBe('void __glmlab.help("%%knowledge add");');
  });

  it("point back at the text and the key", () => {
    const code = "%%knowledge add 青石灯\n\n  青石灯是灯。\n";
    const expansion = expand(code);
    expect(expansion.map(expansion.code.indexOf('"青石灯"'))).toBe(code.indexOf("青石灯"));
    expect(expansion.map(expansion.code.indexOf('"青石灯是灯。"'))).toBe(code.indexOf("青石灯是灯"));
  });
});

describe("refusals name the fault and the remedy, where it is written", () => {
  it.each([
    ["%modle tiny", "There is no magic %modle. Did you mean %model?", "%modle"],
    ["%%trian x\n{}", "There is no cell magic %%trian. Did you mean %%train?", "%%trian"],
    ["%%params", "There is no cell magic %%params. It takes one line: write %params.", "%%params"],
    ["%evaluate", "%evaluate needs rows to evaluate: @file or a variable.", "%evaluate"],
    [
      "%evaluate rows --scores exact,rogue-l",
      '--scores: expected some of exact, accuracy, f1, micro-f1, micro-precision, micro-recall, bleu-4, rouge-1, rouge-2, rouge-l, perplexity, got "rogue-l". Did you mean rouge-l?',
      "exact,rogue-l",
    ],
    [
      "%evaluate rows --forgetting",
      '%evaluate --forgetting puts its own questions, so "rows" is one source too many.',
      "rows",
    ],
    ["const a = 1;\n%%chatglm\nhi", "%%chatglm must be the first line of its cell.", "%%chatglm"],
    [
      "f(%chatglm hi)",
      '%chatglm takes the rest of its line, so it must begin a line or follow "=": const answer = %chatglm ...',
      "%chatglm",
    ],
    [
      "%adapter new f --method freeze --freeze_module_name layers.27.",
      "%adapter new has no option --freeze_module_name. In ChatGLM-Finetuning it names what trains, and all else is frozen. Here that is --method freeze --match, with the same list: layers.27.,layers.26.",
      "--freeze_module_name",
    ],
    ["%model tiny --devise cpu", "%model has no option --devise. Did you mean --device?", "--devise"],
    ["%model tiny --device gpu", '--device is one of auto, cpu, webgpu, cuda, not "gpu". Did you mean webgpu?', "gpu"],
    ["%adapter lst", '%adapter has no "lst". Did you mean list?', "lst"],
    ["%%knowledge", "%%knowledge needs one of: add, update.", "%%knowledge"],
    ["%%knowledge --book x\ntext", "%%knowledge needs one of: add, update.", "%%knowledge"],
    ["%%knowledge ad x\ntext", '%%knowledge has no "ad". Did you mean add?', "ad"],
    ["%%knowledge list", '%%knowledge has no "list". It takes one line: write %knowledge list.', "list"],
    [
      "%knowledge add x y",
      '%knowledge has no "add". It takes what stands on the lines below it: write %%knowledge add.',
      "add",
    ],
    ["%knowledge chek", '%knowledge has no "chek". Did you mean check?', "chek"],
    [
      "%%knowledge add x\n \n",
      '%%knowledge add needs a text on the lines below it: what is to be answered about "x".',
      "%%knowledge add",
    ],
    ["%%knowledge add --steps 3\n", "%%knowledge add needs a fact: its key on the line", "%%knowledge add"],
    ["%%knowledge update\nx", "%%knowledge update needs the key of the fact to change", "%%knowledge update"],
    [
      "%knowledge delete",
      '%knowledge delete needs the keys of the facts to forget: %knowledge delete "Blue Harbour".',
      "%knowledge delete",
    ],
    ['%knowledge query ""', "%knowledge query needs a question after its options.", "%knowledge query"],
    ["%knowledge query ' ';", "%knowledge query needs a question after its options.", "%knowledge query"],
    ['%chatglm ""', "%chatglm needs a question after its options.", "%chatglm"],
    [
      "%adapter load",
      "%adapter load: expected NAME FOLDER, a name for the adapter, and the folder with PEFT's files (adapter_config.json and adapter_model.*), got neither. Write: %adapter load dream ./dream",
      "%adapter load",
    ],
    ["%adapter load towns", "got a name without a folder. Write: %adapter load towns ./towns", "%adapter load"],
    [
      "%adapter load ./out/towns/",
      "got the folder ./out/towns/ without a name. Write: %adapter load towns ./out/towns/",
      "%adapter load",
    ],
    ["%knowledge query --book a", "%knowledge query needs a question after its options.", "%knowledge query"],
    ['%%knowledge add --prompt a\n{"key": "a", "text": "b"}', "--prompt belongs to one fact", "--prompt"],
    ["%%knowledge add x --prompt\ntext", "--prompt needs a value: --prompt TEXT", "--prompt"],
    ["%%knowledge add x --steps 0\ntext", '--steps: expected a whole number from 1, got "0".', "0"],
    [
      "%%knowledge add x --rehearse @a --no-rehearse\ntext",
      "--no-rehearse and --rehearse contradict each other",
      "--no-rehearse",
    ],
    ["%adapter new none", '"none" stands for the base model and cannot name an adapter.', "none"],
    ["%params a b", '%params takes [ADAPTER|none]; "b" is one word too many. Quote text that has spaces.', "b"],
    ["%%train dream --lr\n{}", "--lr needs a value: --lr N", "--lr"],
    ["%%train dream --lr --epochs 3\n{}", "--lr needs a value: --lr N", "--lr"],
    ["%%train dream --lr -1\n{}", '--lr: expected a number from 0, got "-1".', "-1"],
    ["%%train dream --epochs 1.5\n{}", '--epochs: expected a whole number from 1, got "1.5".', "1.5"],
    ["%%train dream --epochs 1 --epochs 2\n{}", "--epochs is given twice.", "--epochs"],
    ["%%train dream --method ptuning --r 8\n{}", "--r belongs to --method lora, and the method is ptuning.", "--r"],
    ["%%train dream --length 8\n{}", "--length belongs to --method ptuning, and the method is lora.", "--length"],
    ["%%train dream --method adalora --bias all\n{}", "--bias belongs to --method lora", "--bias"],
    ["%%train dream --method full --dropout 0.1\n{}", "--dropout belongs to --method lora", "--dropout"],
    [
      "%%train dream --method lara\n{}",
      '--method is one of lora, adalora, ptuning, freeze, embeddings, full, not "lara". Did you mean lora?',
      "lara",
    ],
    [
      "%%train dream --rehearse facts.json\n{}",
      '--rehearse (a file is written @facts.json) needs the name of a variable, got "facts.json".',
      "facts.json",
    ],
    ["%%train dream\n\n", "%%train needs rows to train on: JSON or JSON lines below it, or @file.", "%%train"],
    ["%%train dream @a\n{}", '%%train has rows below it, so "@a" is one source too many.', "@a"],
    ["%%train\n{}", "%%train needs the name of the adapter: %%train dream.", "%%train"],
    ["%%chatglm --top-p 1.5\nhi", '--top-p: expected a number above 0 to 1, got "1.5".', "1.5"],
    [
      "%%chatglm --greedy --temperature 1\nhi",
      "--greedy and --temperature contradict each other: Always take the likeliest token. Leave one of them out.",
      "--greedy",
    ],
    ["%%chatglm --adapter a --compare a,b\nhi", "--compare and --adapter contradict each other", "--compare"],
    ["%%chatglm --greedy=yes\nhi", "--greedy is a switch and takes no value.", "--greedy=yes"],
    ["%%chatglm --to class\nhi", '--to needs the name of a variable, got "class".', "class"],
    ["%%chatglm\n  \n", "%%chatglm needs a question on the lines below it.", "%%chatglm"],
    [
      "const a = %chatglm --to b hi",
      "--to declares a variable, and so does the assignment: leave one of them out.",
      "--to",
    ],
    ["%chatglm ${a", "`${` has no closing `}`. To write it as text, put a backslash before it: \\${", "${"],
    ["%chatglm ${ }", "`${}` has no expression.", "${}"],
    ['%model "tiny', 'The quote " is not closed.', '"'],
    ["%chat rounds many", '%chat rounds needs a whole number of rounds, got "many". 0 remembers nothing.', "many"],
  ])("%j", (code, message, at) => {
    const refused = refusal(code);
    expect(refused.message).toContain(message);
    if (at !== "${}") expect(refused.at).toBe(at);
  });
});

describe("positions", () => {
  it("point back at what was written", () => {
    const code = "const a = 1;\n%chatglm --seed ${mySeed} hi ${name}!\nconst b = a;";
    const expansion = expand(code);
    for (const written of ["const a", "mySeed", "name}", "const b"]) {
      const there = expansion.code.indexOf(written);
      expect(there).toBeGreaterThan(0);
      expect(expansion.map(there)).toBe(code.indexOf(written));
      expect(expansion.toExpanded(code.indexOf(written))).toBe(there);
    }
  });

  it("of generated code are those of the word it stands for", () => {
    const code = "x;\n%adapter new dream --r 8 --to made";
    const expansion = expand(code);
    const back = (text: string): number => expansion.map(expansion.code.indexOf(text));
    expect(back('"dream"')).toBe(code.indexOf("dream"));
    expect(back("8")).toBe(code.indexOf("8"));
    expect(back("made")).toBe(code.indexOf("made"));
    expect(back("__glmlab.lora")).toBe(code.indexOf("%adapter"));
    expect(back("import")).toBe(0);
  });

  it("of every copied character survive the way there and back", () => {
    const code = "%model tiny\nconst 梦 = `😀`;\n%chatglm 啥是${梦}？`x`\nconsole.log(梦);\n";
    const expansion = expand(code);
    for (const at of [...code.matchAll(/[梦😀x;]/gu)].map((match) => match.index)) {
      expect(expansion.map(expansion.toExpanded(at))).toBe(at);
    }
  });
});

describe("--show-code", () => {
  /** The code that a magic would show instead of running. */
  function shown(code: string): string {
    const [, json = ""] = /^void __glmlab\.showCode\((".*")\);$/s.exec(expanded(code)) ?? [];
    return String(JSON.parse(json));
  }

  it("is a lesson in the library, without anything of the magics'", () => {
    const rows = '{"prompt": "a", "response": "b"}\n{"prompt": "c", "response": "d"}\n';
    expect(shown(`%%train dream --r 8 --epochs 3 --val 0.5 --show-code\n${rows}`)).toMatchInlineSnapshot(`
      "import { dataset, lora } from "glmlab";

      const rows = dataset([
        {"prompt": "a", "response": "b"},
        {"prompt": "c", "response": "d"},
      ]);
      const dream = await glm.createAdapter("dream", lora({ r: 8 }));
      for await (const event of dream.fit(rows, { epochs: 3, validation: 0.5 })) {
        if (event.type === "step") console.log(event.step, event.loss);
      }"
    `);
    expect(shown("%%train dream --rehearse @others.txt --show-code\n@facts.json")).toMatchInlineSnapshot(`
      "import { loadDataset, lora, readRows } from "glmlab";

      const rows = await loadDataset("facts.json");
      const dream = await glm.createAdapter("dream", lora());
      for await (const event of dream.fit(rows, { rehearse: await readRows("others.txt", { unanswered: true }) })) {
        if (event.type === "step") console.log(event.step, event.loss);
      }"
    `);
    expect(shown("%%chatglm --adapter dream --to said --show-code\n啥是${name}？")).toMatchInlineSnapshot(`
      "const question = \`啥是\${name}？\`;
      const history: [question: string, answer: string][] = []; // the rounds so far
      let said = "";
      for await (const piece of glm.chat(question, { history, adapter: "dream" })) {
        process.stdout.write(piece);
        said += piece;
      }
      history.push([question, said]);"
    `);
    expect(shown("%chatglm --compare none,dream --greedy --show-code 啥是梦中情炉？")).toMatchInlineSnapshot(`
      "const answers = await glm.askAll(\`啥是梦中情炉？\`, { adapters: [null, "dream"], greedy: true });
      console.log(answers);"
    `);
    expect(shown("%model ./chatglm3 --as big --device cpu --show-code")).toMatchInlineSnapshot(`
      "import { load } from "glmlab";

      const big = await load("./chatglm3", { device: "cpu" });"
    `);
    expect(shown("%adapter new dream --alpha 32 --show-code")).toMatchInlineSnapshot(`
      "import { lora } from "glmlab";

      const dream = await glm.createAdapter("dream", lora({ alpha: 32 }));"
    `);
    expect(shown("%adapter save dream --show-code")).toMatchInlineSnapshot(`
      "const dream = await glm.adapter("dream");
      await dream.save("./dream");"
    `);
    expect(shown("%adapter save dream ./there --format peft --replace --show-code")).toMatchInlineSnapshot(`
      "const dream = await glm.adapter("dream");
      await dream.save("./there", { format: "peft", replace: true });"
    `);
    expect(
      shown('%%knowledge add Blue Harbour --r 4 --steps 9 --prompt "What is it?" --show-code\nA town.\n'),
    ).toMatchInlineSnapshot(`
      "const facts = await glm.knowledge("facts", { r: 4 });
      const report = await facts.add({ key: "Blue Harbour", text: "A town.", prompts: ["What is it?"] }, { steps: 9 });
      console.log(report);"
    `);
    expect(shown('%%knowledge add --book towns --show-code\n{"key": "a", "text": "b"}\n')).toMatchInlineSnapshot(`
      "const towns = await glm.knowledge("towns");
      const report = await towns.add([
        {"key": "a", "text": "b"},
      ]);
      console.log(report);"
    `);
    expect(shown("%%knowledge add --to added --show-code\n@a.jsonl")).toMatchInlineSnapshot(`
      "import { readFile } from "node:fs/promises";

      const facts = await glm.knowledge("facts");
      const added = await facts.add((await readFile("a.jsonl", "utf8")).trim().split("\\n").map((line) => JSON.parse(line)));
      console.log(added);"
    `);
    expect(shown("%%knowledge update 青石灯 --no-rehearse --show-code\n新的。")).toMatchInlineSnapshot(`
      "const facts = await glm.knowledge("facts");
      const report = await facts.update({ key: "青石灯", text: "新的。" }, { rehearse: false });
      console.log(report);"
    `);
    expect(shown("%knowledge delete 青石灯 --show-code")).toMatchInlineSnapshot(`
      "const facts = await glm.knowledge("facts");
      const report = await facts.delete(["青石灯"]);
      console.log(report);"
    `);
    expect(shown("%knowledge --show-code")).toMatchInlineSnapshot(`
      "const facts = await glm.knowledge("facts");
      console.table(facts.list());"
    `);
    expect(shown("%knowledge check --book my-facts --show-code")).toMatchInlineSnapshot(`
      "const book = await glm.knowledge("my-facts");
      const report = await book.check();
      console.log(report);"
    `);
    expect(shown("%knowledge query --show-code 啥是青石灯？")).toMatchInlineSnapshot(`
      "const facts = await glm.knowledge("facts");
      const answer = await facts.query(\`啥是青石灯？\`);
      console.log(answer);"
    `);
    expect(shown("%params dream --show-code")).toMatchInlineSnapshot(`
      "const adapter = await glm.adapter("dream");
      console.log(adapter.summary());"
    `);
  });
});
