/** @file What IPython has and cells have not is refused with what to write instead; TypeScript that looks like it is not. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: users write these placeholders
import { describe, expect, it } from "vitest";
import { expand } from "../../magics/expand.ts";
import { habitIn } from "../../magics/habits.ts";
import { refusal } from "./refusal.ts";

const SHELL = (command: string): string =>
  `console.log((await import("node:child_process")).execSync(${JSON.stringify(command)}, { encoding: "utf8" }))`;

describe("magics of IPython's", () => {
  it.each([
    ["%cd ..", "%cd", 'process.chdir("..")'],
    ["%cd", "%cd", "process.chdir(process.env.HOME!)"],
    ["%pwd", "%pwd", "process.cwd()"],
    ["%ls -la", "%ls", SHELL("ls -la")],
    ["%pip install einops", "%pip", "npm install einops"],
    ["%time f()", "%time", 'console.time("cell"); f(); console.timeEnd("cell")'],
    ["%timeit -n 10 f()", "%timeit", "for (let i = 0; i < 1000; i++) f();"],
    ["%matplotlib inline", "%matplotlib", "application/vnd.vegalite.v5+json"],
    ["%load_ext autoreload", "%load_ext", "read again by themselves"],
    ["%autoreload 2", "%autoreload", "read again by themselves"],
    ["%env PORT=80", "%env", 'process.env.PORT = "80"'],
    ["%env PORT", "%env", "process.env.PORT"],
    ["%run train.ts 5", "%run", 'await import("./train.ts")'],
    ["%who", "%who", "Tab lists"],
    ["%magic", "%magic", "%lsmagic"],
    ["%bash", "%bash", SHELL("ls; pwd")],
    ["%%bash\nls", "%%bash", SHELL("ls; pwd")],
    ["%%html\n<b>", "%%html", "display.html(`...`)"],
    ["%%latex\n$a$", "%%latex", "display.latex(`...`)"],
    ["%%time\nf()", "%%time", 'console.time("cell"); ... console.timeEnd("cell")'],
    ["%%writefile -a notes.txt\nx", "%%writefile", 'writeFileSync("notes.txt", `...`)'],
    ["%%python\nx", "%%python", "Cells are TypeScript"],
    ["const x = 1\n%cd ..", "%cd", 'process.chdir("..")'],
    ["f()\n%timeit f()", "%timeit", "console.time"],
    ["const t = %time f()", "%time", "console.time"],
  ])("%j", (code, at, remedy) => {
    const refused = refusal(code);
    expect(refused.at).toBe(at);
    expect(refused.message).toContain(`${at} is a magic of IPython's, which cells do not have.`);
    expect(refused.message).toContain(remedy);
  });

  it.each([
    ["%model?", "%model?", "%model --help"],
    ["%chatglm??", "%chatglm??", "%chatglm --help"],
    ["%%train?", "%%train?", "%%train --help"],
    ["?%model", "%model", "%model --help"],
  ])("a question about one of ours: %j", (code, at, remedy) => {
    const refused = refusal(code);
    expect(refused.at).toBe(at);
    expect(refused.message).toContain(`Write: ${remedy}`);
  });

  it("and a text may still end in a question mark", () => {
    expect(expand("%chatglm why?").code).toContain("text`why?`");
  });

  it("an unknown magic that IPython has not either is suggested one of ours", () => {
    expect(refusal("%modle tiny").message).toBe("There is no magic %modle. Did you mean %model?");
  });

  it("of a name that is a variable it may be the rest", () => {
    expect(expand("let time = 3; const left = 7\n%time", { declared: () => true }).isMagic).toBe(false);
    expect(expand("const total = 7 %time").isMagic).toBe(false);
  });
});

describe("a word that holds an expression", () => {
  it.each([
    ["%model ./models/${name}", "${name}", "${`./models/${name}`}", "\\${name}"],
    ['%chatglm --system "be ${mood}" hi', "${mood}", "${`be ${mood}`}", "\\${mood}"],
    ["%knowledge delete ${a}b", "${a}", "${`${a}b`}", "\\${a}"],
    ["%params a${", "${", "${`a${`}", "\\${"],
  ])("%s", (code, at, whole, text) => {
    const refused = refusal(code);
    expect(refused.at).toBe(at);
    expect(refused.message).toContain(whole);
    expect(refused.message).toContain(text);
  });

  it("as a whole word, and what is text, are understood", () => {
    expect(expand("%model ${`./models/${name}`}").code).toContain("__glmlab.model(`./models/${name}`)");
    expect(expand("%chatglm --system 'be ${mood}' hi").code).toContain('system: "be ${mood}"');
    expect(expand('%chatglm --system "be \\${mood}" hi').code).toContain('system: "be ${mood}"');
    expect(expand("%model ./\\${name}").code).toContain('model("./${name}")');
  });
});

describe("what TypeScript cannot read", () => {
  it.each([
    ["!ls *.txt | wc", "!ls *.txt | wc", SHELL("ls *.txt | wc")],
    ["const before = 1\n!git status\nbefore", "!git status", SHELL("git status")],
    ["!pip install torch", "!pip install torch", "npm install torch"],
    ["const files = !ls *.txt", "!ls *.txt", SHELL("ls *.txt")],
    ["pip install torch", "pip install torch", "npm install torch"],
    ["?name", "?name", "console.log(name)"],
    ["name?", "name?", "console.log(name)"],
    ["a.b??", "a.b??", "console.log(a.b)"],
    ["1\nname?\n2", "name?", "Shift-Tab"],
    ["${name}", "${name}", "Elsewhere write: name"],
    ["console.log(${name})", "${name}", "Elsewhere write: name"],
    ["const y = ${f()} + 1", "${f()}", "Elsewhere write: f()"],
    ['import * as __glmlab from "glmlab/magics"; !git status\n1', "!git status", SHELL("git status")],
  ])("%j", (code, at, remedy) => {
    const habit = habitIn(code);
    expect(habit && code.slice(habit.offset, habit.offset + habit.length)).toBe(at);
    expect(habit?.message).toContain(`\`${at}\``);
    expect(habit?.message).toContain(remedy);
  });

  it.each([
    "!flag && f()",
    "const no = !flag",
    "flag\n? 1\n: 2",
    "`${name}`",
    "`\n!ls -la x\nname?\n` + (",
    "'${name}' + (",
    "const s = (",
    "if (!ready) {",
    "let n?: number",
    "git.status()",
    "ls = 1 1",
  ])("left to TypeScript: %j", (code) => {
    expect(habitIn(code)).toBeUndefined();
  });
});

describe("what names nothing", () => {
  const unknown = (code: string, name: string, isLikeAnother = false) =>
    habitIn(code, [{ at: code.indexOf(name), isLikeAnother }])?.message;

  it("is a command where it is one, or stands alone", () => {
    expect(unknown("!ls", "ls")).toContain(SHELL("ls"));
    expect(unknown("!cat -n", "cat", true)).toContain(SHELL("cat -n"));
    expect(unknown("const files = !ls", "ls")).toContain(SHELL("ls"));
    expect(unknown("!mytool --fast", "mytool")).toContain(SHELL("mytool --fast"));
    expect(unknown("ls", "ls")).toContain(SHELL("ls"));
    expect(unknown("cd /tmp", "cd")).toContain('process.chdir("/tmp")'); // which TypeScript reads as a division
  });

  it("is a slip of the pen elsewhere", () => {
    expect(unknown("!falg", "falg", true)).toBeUndefined();
    expect(unknown("!falg && f()", "falg")).toBeUndefined();
    expect(unknown("const no = !falg", "falg")).toBeUndefined();
    expect(unknown("if (!falg) f()", "falg")).toBeUndefined();
  });
});
