/** @file What Tab offers in a magic, and where it leaves the word to TypeScript. */
import { describe, expect, it } from "vitest";
import { completeMagic } from "../../magics/complete.ts";
import { inspectMagic } from "../../magics/inspect.ts";
import { sessionOf, setCurrentModel } from "../../magics/session.ts";
import type { ChatGLM } from "../../src/index.ts";

/** Completes at the `|`, and applies the first match. */
function at(marked: string): { matches: readonly string[]; applied: string } | undefined {
  const cursor = marked.indexOf("|");
  const code = marked.replace("|", "");
  const found = completeMagic(code, cursor);
  if (!found) return undefined;
  const { matches, start, end } = found;
  return { matches, applied: code.slice(0, start) + (matches[0] ?? "") + code.slice(end) };
}

describe("completion", () => {
  it("offers the magics", () => {
    expect(at("%|")?.matches).toContain("%model");
    expect(at("%|")?.matches).toContain("%%train");
    expect(at("%%|")?.matches).toEqual(["%%chatglm", "%%train", "%%knowledge", "%%evaluate"]);
    expect(at("%ch|")).toEqual({
      matches: ["%chatglm", "%%chatglm", "%chat"].filter((name) => name.startsWith("%ch")),
      applied: "%chatglm",
    });
    expect(at("const a = 1;\n%par|")?.applied).toBe("const a = 1;\n%params");
    expect(at("const answer = %chatg|")?.applied).toBe("const answer = %chatglm");
  });

  it("offers options, but none twice and none that contradicts", () => {
    expect(at("%%train dream --ep|")?.applied).toBe("%%train dream --epochs");
    expect(at("%%train dream --epochs 3 --ep|")?.matches).toEqual([]);
    const rest = at("%%chatglm --greedy --|")?.matches ?? [];
    expect(rest).toContain("--adapter");
    expect(rest).not.toContain("--temperature");
    expect(rest).not.toContain("--greedy");
  });

  it("offers values", () => {
    expect(at("%model tiny --device |")?.matches).toEqual(["auto", "cpu", "webgpu", "cuda"]);
    expect(at("%model tiny --device=w|")?.applied).toBe("%model tiny --device=webgpu");
    expect(at("%%chatglm --adapter n|")?.matches).toEqual(["none"]);
    expect(at("%%chatglm --compare none,|")?.matches).toEqual([]);
    expect(at("%evaluate rows --scores exact,rouge-|")?.matches).toEqual([
      "exact,rouge-1",
      "exact,rouge-2",
      "exact,rouge-l",
    ]);
    expect(at("%evaluate rows --scores exact,e|")?.matches).toEqual([]);
    expect(at("%evaluate --forgetting --sc|")?.matches).toEqual([]);
    expect(at("%%evaluate --forg|")?.matches).toEqual([]);
  });

  it("offers subcommands, then their own options", () => {
    expect(at("%adapter l|")?.matches).toEqual(["list", "load"]);
    expect(at("%adapter new dream --ra|")?.matches).toEqual(["--rank-stabilized"]);
    expect(at("%adapter list --ra|")?.matches).toEqual([]);
  });

  it("offers subcommands of cell magics, and their options", () => {
    expect(at("%%knowledge |")?.matches).toEqual(["add", "update"]);
    expect(at("%%knowledge u|")?.applied).toBe("%%knowledge update");
    expect(at("%knowledge |")?.matches).toEqual(["list", "check", "query", "delete"]);
    expect(at("%%knowledge add Blue Harbour --no|")?.applied).toBe("%%knowledge add Blue Harbour --no-rehearse");
    expect(at("%%knowledge update x --no-rehearse --reh|")?.matches).toEqual([]);
    expect(at("%%knowledge --st|")).toBeUndefined();
    expect(at("%knowledge list --s|")?.matches).toEqual(["--show-code"]);
  });

  it("offers an option again that may be given several times", () => {
    expect(at('%%knowledge add x --prompt "a b" --promp|')?.matches).toEqual(["--prompt"]);
    expect(at("%%knowledge add x --steps 3 --ste|")?.matches).toEqual([]);
    expect(at("%%knowledge add x --prompt --|")?.matches).toEqual([]);
  });

  it("offers books and keys as they were last seen, quoted where they have to be", () => {
    const model = {} as ChatGLM;
    setCurrentModel(model);
    const { books } = sessionOf(model);
    books.set("facts", ["青石灯", "Blue Harbour", 'a "b"', "--x"]);
    books.set("my towns", ["Far Hill"]);
    expect(at("%knowledge list --book |")?.matches).toEqual(["facts", '"my towns"']);
    expect(at("%%knowledge update |")?.matches.slice(0, 4)).toEqual([
      "青石灯",
      '"Blue Harbour"',
      '"a \\"b\\""',
      '"--x"',
    ]);
    expect(at("%%knowledge update Bl|")?.applied).toBe('%%knowledge update "Blue Harbour"');
    expect(at('%%knowledge update "Blue H|')?.applied).toBe('%%knowledge update "Blue Harbour"');
    expect(at("%%knowledge update 青石灯 B|")?.matches).toEqual([]);
    expect(at('%knowledge delete "Blue Harbour" 青|')?.matches).toEqual(["青石灯"]);
    expect(at("%knowledge delete 青石灯 青|")?.matches).toEqual([]);
    expect(at('%knowledge delete --book "my towns" F|')?.matches).toEqual(['"Far Hill"']);
    expect(at("%%knowledge add Bl|")?.matches).toEqual([]);
    expect(at("%knowledge query Bl|")).toBeUndefined();
  });

  it("offers adapters in sums, wherever these are words or options", () => {
    const model = {} as ChatGLM;
    setCurrentModel(model);
    sessionOf(model).adapters = ["dream", "draft", "facts"];
    expect(at("%adapter use dr|")?.matches).toEqual(["dream", "draft"]);
    expect(at("%adapter use dream+0.5*f|")?.applied).toBe("%adapter use dream+0.5*facts");
    expect(at("%adapter use dream+|")?.matches).toEqual(["dream+dream", "dream+draft", "dream+facts"]);
    expect(at('%adapter use "dream - f|')?.applied).toBe('%adapter use "dream - facts"');
    expect(at("%adapter merge 2*fa|")?.applied).toBe("%adapter merge 2*facts");
    expect(at("%adapter combine dr|")?.matches).toEqual([]);
    expect(at("%adapter combine both dr|")?.matches).toEqual(["dream", "draft"]);
    expect(at("%adapter combine both dream+f|")?.applied).toBe("%adapter combine both dream+facts");
    expect(at("%params dream+f|")?.applied).toBe("%params dream+facts");
    expect(at("%adapter unmerge dream+f|")?.matches).toEqual([]);
    expect(at("%%chatglm --adapter dream+f|")?.applied).toBe("%%chatglm --adapter dream+facts");
    expect(at('%%chatglm --adapter "dream + f|')?.applied).toBe('%%chatglm --adapter "dream + facts"');
    expect(at("%%chatglm --compare none,dream+f|")?.applied).toBe("%%chatglm --compare none,dream+facts");
    expect(at('%%chatglm --compare "none,dream - f|')?.applied).toBe('%%chatglm --compare "none,dream - facts"');
  });

  it.each([
    ["a modulo", "const x = 10 %pa|"],
    ["a template", "const s = `\n%mo|`"],
    ["the text of a magic", "%chatglm 你好 wor|"],
    ["the body of a cell magic", "%%chatglm\n%mo|"],
    ["an expression in a magic", "%chatglm ${na|"],
    ["plain code", "gl|m"],
  ])("leaves %s to TypeScript", (_, marked) => {
    expect(at(marked)).toBeUndefined();
  });
});

describe("inspection", () => {
  it("is the magic's help", () => {
    expect(inspectMagic("%%train dream --lr 1\n{}", 4)?.["text/plain"]).toContain("--batch-size N");
    const lines = String(inspectMagic("%%train dream", 4)?.["text/plain"]).split("\n");
    expect(lines.filter((line) => line.startsWith("  ") && line.length > 100)).toEqual([]);
    const help = String(inspectMagic("%%knowledge add x", 4)?.["text/plain"]);
    expect(help).toMatch(/%%knowledge add \[KEY\] +Teaches the text below/);
    expect(help).toMatch(/%knowledge delete KEY\.\.\. +Forgets facts/);
    expect(help).toMatch(/--prompt TEXT +A wording [^-]*May be given\s+several times\./);
    expect(help).toMatch(/--steps N +The most steps it may take\. Default: 160, 40 for a large model;/);
    expect(inspectMagic("const a = 1;", 3)).toBeUndefined();
    expect(inspectMagic("%nothing", 3)).toBeUndefined();
  });
});
