/** @file The declarations mean the same to the TypeScript of notebook cells: they compile, and nothing becomes `any`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ensureBuilt } from "../../scripts/build.ts";
import { packageFolder } from "../../src/version.ts";

const ts = createRequire(import.meta.url)(
  "@tslab/typescript-for-tslab",
) as typeof import("@tslab/typescript-for-tslab");

/** A notebook in one file; every `const` is a variable that a cell may show or hand on. */
const cells = `
import { adamW, dataset, full, load, loadTokenizer, lora, GlmError } from "glmlab";
export const glm = await load("tiny", { runtime: "none", device: "cpu", onProgress: ({ stage, done, total }) => [stage, done, total] });
export const config = glm.config;
export const family = glm.family;
export const parameters = glm.info.parameters;
export const ids = glm.prompt([{ role: "user", content: "hello" }]);
export const text = glm.tokenizer.decode(glm.tokenizer.encode("text"));
export const tokenizer = await loadTokenizer("./folder");
export const logits = await glm.logits(ids, { adapter: null, positions: [0] });
export const numbers = logits.data;
export const tokens: number[] = [];
for await (const token of glm.generate(ids, { greedy: true, stop: [2] })) tokens.push(token);
export const pieces = glm.chat("question", { history: [["a", "b"]], system: "s", temperature: 0.5, topP: 1, topK: 3, seed: 1 });
export const answer = await glm.ask("question", { adapter: "dream" });
export const answers = await glm.askAll("question", { adapters: [null, "dream"] });
export const first = answers[0].answer;
export const method = lora({ r: 8, alpha: 32, dropout: 0.1, targets: ["query_key_value"] });
export const dream = await glm.createAdapter("dream", method, { share: true });
export const other = await glm.createAdapter("other", full({ match: ["embedding"] }));
export const summary = dream.summary();
export const own = dream.parameters();
export const facts = dataset([{ prompt: "a", response: "b" }]);
export const optimizer = adamW({ lr: 5e-3 });
for (const batch of facts.batches({ size: 8, epochs: 2 })) {
  const { loss, gradients } = await dream.gradients(batch);
  await optimizer.step(dream, gradients, { lr: loss });
}
export const events = dream.fit(facts, { epochs: 1, validation: 0.1, rehearse: ["prompt"], scheduler: "cosine" });
export const losses: number[] = [];
for await (const event of events) if (event.type === "step") losses.push(event.loss);
export const values = await dream.read();
export const step = await dream.gradients([{ prompt: "a", response: "b" }]);
export const list = await glm.adapters();
await dream.save("./folder");
await dream.merge();
await glm.save("./merged", { maxShardSize: "2GB" });
export const code = new GlmError("disk", "full").code;
`;

/** Compiles the notebook; `alter` may spoil it first. */
function compile(source: string) {
  const file = join(packageFolder, "notebook.ts");
  const options: import("@tslab/typescript-for-tslab").CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ES2022,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2022.d.ts"],
    types: ["node"],
    strict: false,
    declaration: true,
    noEmit: false,
    baseUrl: packageFolder,
    paths: { glmlab: [join(packageFolder, "dist", "src", "index.d.ts")] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : getSourceFile.call(host, name, ...rest);
  host.writeFile = () => undefined;
  const program = ts.createProgram([file], options, host);
  const ours = ts
    .getPreEmitDiagnostics(program)
    .filter((one) => !one.file?.fileName.includes("node_modules"))
    .map((one) => `${one.file?.fileName ?? ""}: ${ts.flattenDiagnosticMessageText(one.messageText, "\n")}`);
  return { program, file, faults: ours };
}

describe("the declarations, in the cells' TypeScript", { timeout: 120_000 }, () => {
  it("compile, and every variable has a type that says something", async () => {
    await ensureBuilt();
    expect(ts.version).toMatch(/^5\.0\./);
    const { program, file, faults } = compile(cells);
    expect(faults).toEqual([]);
    const checker = program.getTypeChecker();
    const source = program.getSourceFile(file);
    const symbol = source && checker.getSymbolAtLocation(source);
    if (!source || !symbol) throw new Error("the notebook was not compiled");
    const exported = checker.getExportsOfModule(symbol);
    expect(exported.length).toBe(cells.match(/export const/g)?.length);
    const types = exported.map((one) => checker.getTypeOfSymbolAtLocation(one, source));
    const vague = exported.filter((_, i) => ((types[i]?.flags ?? ts.TypeFlags.Any) & ts.TypeFlags.Any) !== 0);
    expect(vague.map(({ name }) => name)).toEqual([]);
    const named = Object.fromEntries(
      exported.map(({ name }, i) => [name, checker.typeToString(types[i] as NonNullable<(typeof types)[0]>)]),
    );
    expect(named).toMatchObject({
      glm: "ChatGLM",
      numbers: "Float32Array",
      logits: "FloatTensor",
      answer: "string",
      first: "string",
      dream: "AdapterHandle",
      summary: "TrainableSummary",
      facts: "Dataset",
      optimizer: "Optimizer",
      step: "GradientStep",
      values: "AdapterTensors",
    });
  });

  it("are what the page for those who come from Python says", async () => {
    await ensureBuilt();
    const page = readFileSync(join(packageFolder, "docs/coming-from-python.md"), "utf8");
    const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
    expect(blocks.length).toBeGreaterThan(4);
    expect(compile(blocks.join("\n")).faults).toEqual([]);
  });

  it("refuse in a cell what the library would refuse", async () => {
    await ensureBuilt();
    const wrong = ['glm.ask("a", { temprature: 1 })', 'dream.fit(facts, { scheduler: "sine" })', "lora({ rank: 8 })"];
    const { faults } = compile(cells + wrong.map((code, i) => `\nexport const wrong${i} = ${code};`).join(""));
    expect(faults).toHaveLength(wrong.length);
    for (const [i, name] of ["temprature", "sine", "rank"].entries()) expect(faults[i]).toContain(name);
  });
});
