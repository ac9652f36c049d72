/** @file Whatever a cell throws, shows or prints: it ends, the kernel lives, and the notebook can be saved. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ensurePython } from "../../scripts/python.ts";
import { type Execution, printed, TestKernel } from "./client.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 600_000 });

let kernel: TestKernel;
let python: string;
beforeAll(async () => {
  python = (await ensurePython()).program("python");
  kernel = await TestKernel.start();
});
afterAll(() => kernel.dispose());

/** The cells that ran, as a notebook has them: the last test saves it. */
const notebook: object[] = [];

async function run(code: string): Promise<Execution> {
  const execution = await kernel.execute(code);
  const outputs = execution.output
    .filter(({ type }) => /^(stream|error|execute_result|display_data|update_display_data)$/.test(type))
    .map(({ type, content: { transient: _, ...content } }) => ({
      output_type: type.replace("update_", ""),
      ...content,
    }));
  const { execution_count, traceback = [] } = execution.reply.content;
  const source = execution.output[0]?.content.code;
  notebook.push({ cell_type: "code", id: `c${notebook.length}`, execution_count, metadata: {}, source, outputs });
  expect(traceback.every((line: unknown) => typeof line === "string")).toBe(true);
  return execution;
}

const result = ({ output }: Execution): Record<string, unknown> | undefined =>
  output.find(({ type }) => type === "execute_result")?.content.data;

const INSPECT = '[Symbol.for("nodejs.util.inspect.custom")]';
const DISPLAY = '[Symbol.for("Jupyter.display")]';
/** Makes `e` an error with a property that throws when it is read. */
const unreadable = (name: string): string =>
  `const e: any = new Error("m"); Object.defineProperty(e, "${name}", { get() { throw new Error("no") } });`;

/** What leads to a broken error `e`, and the name and message that its cell fails with. */
const BROKEN: readonly (readonly [code: string, name: string, message: string])[] = [
  ['const e: any = new Error("m"); e.stack = ["a"];', "Error", "m"],
  ['const e: any = new Error("m"); e.name = Symbol("s");', "Symbol(s)", "m"],
  ['const e: any = new Error("m"); e.name = undefined;', "Error", "m"],
  ['const e: any = new Error("m"); e.name = 5n;', "5n", "m"],
  ['const e: any = new Error("m"); e.message = { code: 429 };', "Error", "{ code: 429 }"],
  ['const e: any = new Error("m"); e.message = undefined;', "Error", ""],
  ['const e: any = new Error("m"); e.cause = e;', "Error", "m"],
  [unreadable("message"), "Error", "[Error whose message cannot be read: its getter threw Error: no]"],
  [unreadable("name"), "[Error whose name cannot be read: its getter threw Error: no]", "m"],
  [unreadable("stack"), "Error", "m"],
  [unreadable("cause"), "Error", "m"],
  ['const e: any = new AggregateError([new Error("x")], "agg"); e.errors = null;', "AggregateError", "agg"],
  ['const e: any = new AggregateError([], "agg"); e.errors = 7;', "AggregateError", "agg"],
  ['const e: any = new AggregateError([Symbol("p"), null], "agg");', "AggregateError", "agg"],
  [
    `const e = { ${INSPECT}() { throw new Error("no") } };`,
    "Uncaught",
    "[Object that cannot be inspected: its inspection threw Error: no]",
  ],
  [`const e = { ${INSPECT}() { return Symbol() } };`, "Uncaught", "Symbol()"],
  ["const { proxy: e, revoke } = Proxy.revocable({}, {}); revoke();", "Uncaught", "<Revoked Proxy>"],
  ["const e = new Proxy(new Error('m'), { getPrototypeOf() { throw 1 } });", "Uncaught", expect.stringMatching(/m/)],
  ["const e = Object.create(null);", "Uncaught", "[Object: null prototype] {}"],
];

describe("an error that resists being described", () => {
  test.each(BROKEN)("thrown: %s", async (code, name, message) => {
    const { reply, output } = await run(`{ ${code} throw e }`);
    expect(reply.content).toMatchObject({ status: "error", ename: name, evalue: message });
    const { traceback } = reply.content;
    expect(output.at(-1)).toMatchObject({ type: "error", content: { ename: name, evalue: message, traceback } });
  });

  test("a proxy that refuses everything", async () => {
    const { reply } = await run('throw new Proxy(new Error("m"), { get() { throw new Error("trap") } })');
    expect(reply.content).toMatchObject({ status: "error", evalue: expect.stringMatching(/cannot be read.*trap/) });
  });

  test.each(BROKEN)("in a timer and a promise: %s", async (code) => {
    const wait = "await new Promise((resolve) => setTimeout(resolve, 30));";
    const { output } = await run(`{ ${code} setTimeout(() => { throw e }, 1); void Promise.reject(e); ${wait} }\n"on"`);
    expect(printed(output, "stderr").match(/Uncaught /g)).toHaveLength(2);
    expect(result({ output } as Execution)).toEqual({ "text/plain": "'on'" });
  });

  test("in a warning", async () => {
    const { output } = await run(
      `{ ${unreadable("message")} process.emitWarning(e) } await new Promise(setImmediate); 0`,
    );
    expect(printed(output, "stderr")).toMatch(/^Error: \[Error whose message cannot be read/);
  });

  test("in a cell that has replaced JSON.stringify", async () => {
    const { output } = await run(
      `{ const { stringify } = JSON; JSON.stringify = () => { throw new Error("no") };
      setTimeout(() => { JSON.stringify = stringify; console.log("restored") }, 300); }\n"x"`,
    );
    expect(result({ output } as Execution)).toEqual({ "text/plain": "'x'" });
    await kernel.broadcast(({ content }) => content.text === "restored\n");
  });

  test("of many causes is told in part, with a count", async () => {
    const { reply } = await run(
      'throw new AggregateError(Array.from({ length: 60 }, (_, i) => new Error("n" + i)), "agg")',
    );
    const text = reply.content.traceback.join("\n");
    expect(text).toContain("n49");
    expect(text).not.toContain("n50");
    expect(text).toContain("[and 10 more errors]");
  });

  test.each(["(_: any, sites: any) => sites", "() => { throw 5 }", "() => 7"])(
    "with Error.prepareStackTrace = %s, and still says where",
    async (prepare) => {
      const { reply } = await run(
        `const before = Error.prepareStackTrace;\nError.prepareStackTrace = ${prepare};\nthrow new Error("m")`,
      );
      expect(reply.content).toMatchObject({ ename: "Error", evalue: "m" });
      expect(reply.content.traceback.join("\n")).toMatch(/Cell \[\d+\]:3:7/);
      await run("Error.prepareStackTrace = before; undefined");
    },
  );
});

describe("what cannot be shown is said, the rest is shown", () => {
  test.each([
    ["'hello'", "hello"],
    ["undefined", "undefined"],
    ["null", "null"],
    ["5n", "5n"],
    ["new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"],
    ["[1]", "[ 1 ]"],
    ["cycle()", "<ref *1> { me: [Circular *1] }"],
    ["{ a: 1 }", "{ a: 1 }"],
    ["new Map([['text/plain', 'x']])", "Map(1) { 'text/plain' => 'x' }"],
  ])("a display that returns %s", async (value, text) => {
    const execution = await run(
      `{ function cycle() { const it: any = {}; it.me = it; return it } globalThis.shown = { ${DISPLAY}: () => (${value}) } as any }\n(globalThis as any).shown`.replace(
        "globalThis.shown",
        "(globalThis as any).shown",
      ),
    );
    expect(result(execution)).toEqual({ "text/plain": text });
    expect(printed(execution.output, "stderr")).toMatch(/^A display was to be an object of texts by their MIME types/);
  });

  test("parts of a bundle", async () => {
    const bundle =
      "{ 'text/html': ['<b>', 'x'], 'text/plain': 7, 'image/png': new Uint8Array([1, 2, 3]), 'application/json': new Float32Array([1, 2]), " +
      "'application/vnd.x+json': { big: 5n }, 'text/latex': { a: 1 }, 'text/markdown': undefined, nothing: 'x', get 'text/css'() { throw 1 } }";
    const execution = await run(`({ ${DISPLAY}: () => (${bundle}) }) as any`);
    expect(result(execution)).toEqual({
      "text/html": "<b>x",
      "text/plain": "7",
      "image/png": "AQID",
      "application/json": [1, 2],
    });
    const said = printed(execution.output, "stderr");
    for (const type of ["application/vnd\\.x\\+json", "text/latex", "nothing", "text/css"])
      expect(said).toMatch(new RegExp(`^The ${type} of a display is left out: .`, "m"));
    expect(said).toMatch(/BigInt/);
    expect(said.split("\n")).toHaveLength(5);
  });

  test("a value whose inspection throws", async () => {
    const execution = await run(`({ ${INSPECT}() { throw new Error("no") } })`);
    expect(result(execution)).toEqual({
      "text/plain": "[Object that cannot be inspected: its inspection threw Error: no]",
    });
  });

  test("a value that is a revoked proxy", async () => {
    const execution = await run("const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); [proxy]");
    expect(result(execution)).toEqual({ "text/plain": "[ <Revoked Proxy> ]" });
  });

  test("the front end's other methods", async () => {
    const { output, reply } = await run(
      `import { ambient } from "glmlab"; const front = ambient().frontend as any;
      front.display("x", { id: 5 }); front.update(Symbol("q"), { "text/plain": "y" }); front.write({ a: 1 }, "nowhere");
      front.clear({ wait: 1 }); front.page({ "text/plain": 5n }); undefined`,
    );
    expect(
      output
        .filter(({ content }) => content.name !== "stderr")
        .slice(1)
        .map(({ content }) => content),
    ).toEqual([
      { data: { "text/plain": "x" }, metadata: {}, transient: { display_id: "5" } },
      { data: { "text/plain": "y" }, metadata: {}, transient: { display_id: "Symbol(q)" } },
      { name: "stdout", text: "{ a: 1 }" },
      { wait: true },
    ]);
    expect(reply.content.payload).toEqual([{ source: "page", data: { "text/plain": "5" }, start: 0 }]);
  });
});

describe("text is well formed", () => {
  const HALF = "'🎂'.slice(0, 1)";

  test("in streams, results, displays, errors and questions", async () => {
    const { output } = await run(
      `console.log("祝你生日快乐🎂".slice(0, 7)); await display({ ${DISPLAY}: () => ({ "text/html": ${HALF}, "application/json": { [${HALF}]: ${HALF} } }) })`,
    );
    expect(printed(output)).toBe("祝你生日快乐\ufffd\n");
    expect(output.at(-1)?.content.data).toEqual({ "text/html": "\ufffd", "application/json": { "\ufffd": "\ufffd" } });
    const { reply } = await run(`throw new Error("a\\\\ud83c" + ${HALF})`);
    expect(reply.content.evalue).toBe("a\\ud83c\ufffd");
    const id = kernel.begin(`await input(${HALF})`);
    await kernel.question(id, "\ufffd");
    kernel.send("stdin", "input_reply", { value: "" });
    await kernel.ended(id);
  });

  test("in what was sent with halves: input, history, completions and inspections", async () => {
    const { output, reply } = await run("// \ud83c\n'x'");
    expect(output[0]?.content.code).toBe("// \ufffd\n'x'");
    expect(reply.content.status).toBe("ok");
    const asked = { hist_access_type: "tail", n: 1, output: true, raw: true };
    const { content } = await kernel.request("shell", "history_request", asked);
    expect(content.history[0][2]).toEqual(["// \ufffd\n'x'", "'x'"]);
    await run('const halved = { "\ud83c": 1 }; undefined');
    const [complete, inspect] = await Promise.all([
      kernel.request("shell", "complete_request", { code: "halved.", cursor_pos: 7 }),
      kernel.request("shell", "inspect_request", { code: "halved", cursor_pos: 3, detail_level: 0 }),
    ]);
    for (const { content } of [complete, inspect]) expect(JSON.stringify(content)).not.toMatch(/\\ud[89a-f]/);
    expect(inspect.content.found).toBe(true);
  });

  test("halves that are written one after the other join, also with the other stream between them", async () => {
    const { output } = await run(
      'process.stdout.write("\\ud83c"); process.stderr.write("e"); process.stdout.write("\\udf82!"); process.stdout.write("\\ud83c"); undefined',
    );
    expect(printed(output)).toBe("🎂!\ufffd");
  });
});

describe("bytes are decoded as a stream", () => {
  test("byte by byte, for each stream, to the end of the cell", async () => {
    const { output } = await run(
      `for (const byte of Buffer.from("你")) { process.stdout.write(Buffer.from([byte])); process.stderr.write(Uint8Array.of(byte)); }
      process.stdout.write("a"); process.stdout.write("e4bd", "hex"); process.stdout.write("oA==", "base64"); process.stdout.write(Buffer.from([0xe4]));`,
    );
    expect(printed(output)).toBe("你a你\ufffd");
    expect(printed(output, "stderr")).toBe("你");
    expect(printed((await run("process.stdout.write('next'); undefined")).output)).toBe("next");
  });

  test("of a child process", async () => {
    const { output } = await run(
      `import { spawn } from "node:child_process";
      const child = spawn(process.execPath, ["-e", "process.stdout.write(Buffer.from([0xe4])); setTimeout(() => process.stdout.write(Buffer.from([0xbd, 0xa0])), 200)"]);
      child.stdout.pipe(process.stdout); await new Promise((resolve) => child.on("close", resolve)); undefined`,
    );
    expect(printed(output)).toBe("你");
  });
});

test("all of it is a notebook that Jupyter can save", () => {
  const input = JSON.stringify({ cells: notebook, metadata: {}, nbformat: 4, nbformat_minor: 5 });
  const script = fileURLToPath(new URL("outgoing.py", import.meta.url));
  const { stdout, stderr } = spawnSync(python, [script], { input, encoding: "utf8" });
  expect(stdout, stderr).toBe("notebook ok\n");
  expect(notebook.length).toBeGreaterThan(50);
});
