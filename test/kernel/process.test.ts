/** @file The built kernel as a process, over real sockets: what jupyter_kernel_test leaves out. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { printed, type StartOptions, TestKernel } from "./client.ts";
import { aSecond, lateness } from "./lateness.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const opened: TestKernel[] = [];

async function start(options?: StartOptions): Promise<TestKernel> {
  const kernel = await TestKernel.start(options);
  opened.push(kernel);
  return kernel;
}

function closeAll(): void {
  for (const kernel of opened.splice(0)) kernel.dispose();
}

describe("one kernel", () => {
  let kernel: TestKernel;
  beforeAll(async () => {
    kernel = await start();
  });
  afterAll(closeAll);

  test("tells what it is", async () => {
    const { content, version } = await kernel.request("shell", "kernel_info_request", {});
    expect(version).toBe("5.5");
    expect(content).toMatchObject({ status: "ok", protocol_version: "5.5", implementation: "glmlab" });
    expect(content.language_info).toMatchObject({
      name: "typescript",
      file_extension: ".ts",
      codemirror_mode: "typescript",
    });
    expect(content.language_info.version).toMatch(/^5\.\d+\.\d+$/);
    expect((await kernel.request("control", "kernel_info_request", {})).content).toEqual(content);
  });

  test("a cell: busy, its input, its result, idle", async () => {
    const { reply, output } = await kernel.execute("const answer: number = 6 * 7;\nanswer");
    expect(reply.content).toMatchObject({ status: "ok", payload: [], user_expressions: {} });
    const count = reply.content.execution_count;
    expect(output.map(({ type, content }) => [type, content])).toEqual([
      ["execute_input", { code: "const answer: number = 6 * 7;\nanswer", execution_count: count }],
      [
        "execute_result",
        { execution_count: count, data: expect.objectContaining({ "text/plain": "42" }), metadata: {} },
      ],
    ]);
    const states = kernel.broadcasts.filter(({ type, parentId }) => type === "status" && parentId === reply.parentId);
    expect(states.map(({ content }) => content.execution_state)).toEqual(["busy", "idle"]);
  });

  test("stdout and stderr arrive whole and in order, before idle", async () => {
    const { output } = await kernel.execute(
      'for (let i = 0; i < 5000; i++) console.log("line", i);\nconsole.error("done");',
    );
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}\n`);
    expect(printed(output)).toBe(lines.join(""));
    expect(printed(output, "stderr")).toBe("done\n");
    expect(output.length).toBeLessThan(50);
    expect(output.at(-1)?.content.name).toBe("stderr");
  });

  test("a print shows at once although its cell blocks afterwards", async () => {
    const id = kernel.begin(
      'console.log("first"); console.log("second"); const until = Date.now() + 3000; while (Date.now() < until);',
    );
    await kernel.broadcast(({ parentId, content }) => parentId === id && /second/.test(content.text ?? ""));
    expect(
      kernel.broadcasts.some(({ parentId, content }) => parentId === id && content.execution_state === "idle"),
    ).toBe(false);
    await kernel.ended(id);
  });

  test("a long print is cut into messages below 2 MB", async () => {
    const { output } = await kernel.execute('process.stdout.write("é".repeat(2_500_000));');
    expect(printed(output)).toBe("é".repeat(2_500_000));
    for (const { content } of output) expect(Buffer.byteLength(content.text ?? "")).toBeLessThan(2_000_000);
  });

  test("output after the end of a cell names that cell", async () => {
    const { reply } = await kernel.execute('setTimeout(() => console.log("late"), 300); undefined');
    await kernel.execute("1 + 1");
    const late = await kernel.broadcast(({ content }) => content.text === "late\n");
    expect(late.parentId).toBe(reply.parentId);
  });

  test("an error is shown and replied, and leaves the kernel as it was", async () => {
    const { reply, output } = await kernel.execute('let kept = 1;\nkept = 2;\nthrow new RangeError("too far");');
    expect(reply.content).toMatchObject({ status: "error", ename: "RangeError", evalue: "too far" });
    const { type, content } = output.at(-1)!;
    expect(type).toBe("error");
    expect(content).toEqual({ ename: "RangeError", evalue: "too far", traceback: reply.content.traceback });
    expect(content.traceback.join("\n")).toMatch(/:3:7/);
    expect((await kernel.execute("kept")).output.at(-1)?.content.data["text/plain"]).toBe("2");
  });

  test("an error in a timer after the cell is shown and kills nothing", async () => {
    const { reply } = await kernel.execute('setTimeout(() => { throw new Error("too late") }, 50); undefined');
    const shown = await kernel.broadcast(({ content }) => /too late/.test(content.text ?? ""));
    expect(shown).toMatchObject({ parentId: reply.parentId, content: { name: "stderr" } });
    expect((await kernel.execute("1")).reply.content.status).toBe("ok");
  });

  test("a warning is shown, but for that about the experiment of Node which the kernel stands on", async () => {
    const { output } = await kernel.execute(
      'process.emitWarning("new", "ExperimentalWarning"); process.emitWarning("careful"); await new Promise(setImmediate); 1',
    );
    expect(printed(output, "stderr")).toBe("ExperimentalWarning: new\nWarning: careful\n");
    // The first import is what Node warns of.
    const { output: imported } = await kernel.execute(
      'const { sep } = await import("node:path"); await new Promise(setImmediate); 1',
    );
    expect(printed(imported, "stderr")).toBe("");
    expect(kernel.stderr).not.toContain("Experimental");
  });

  test("an error aborts the cells that were sent with it, not those sent later", async () => {
    const ids = ['throw new Error("stop")', "globalThis.ran = true", "2"].map((code) => kernel.begin(code));
    const replies = await Promise.all(ids.map((id) => kernel.ended(id)));
    expect(replies.map(({ reply }) => reply.content.status)).toEqual(["error", "aborted", "aborted"]);
    const { output } = await kernel.execute('"ran" in globalThis');
    expect(output.at(-1)?.content.data["text/plain"]).toBe("false");
  });

  test("with stop_on_error = false the next cells run", async () => {
    const ids = ["throw 1", "2"].map((code) => kernel.begin(code, { stop_on_error: false }));
    const replies = await Promise.all(ids.map((id) => kernel.ended(id)));
    expect(replies.map(({ reply }) => reply.content.status)).toEqual(["error", "ok"]);
  });

  test("what only asks is answered while a cell waits, and the kernel still looks busy", async () => {
    const id = kernel.begin("await new Promise((resolve) => setTimeout(resolve, 2000)); 5");
    await kernel.broadcast(({ type, parentId }) => type === "execute_input" && parentId === id);
    const { content } = await kernel.request("shell", "complete_request", { code: "Math.ma", cursor_pos: 7 });
    expect(content.matches).toContain("max");
    const { parentId: asked } = await kernel.request("shell", "kernel_info_request", {});
    const idle = await kernel.broadcast(
      ({ parentId, content }) => parentId === asked && content.execution_state === "idle",
    );
    const next = await kernel.broadcast(
      (message) => kernel.broadcasts.indexOf(message) > kernel.broadcasts.indexOf(idle),
    );
    expect(next).toMatchObject({ type: "status", parentId: id, content: { execution_state: "busy" } });
    expect((await kernel.ended(id)).output.at(-1)?.content.data["text/plain"]).toBe("5");
  });

  test("completion and inspection count code points", async () => {
    const code = '"😀😀"; Math.ma';
    const { content } = await kernel.request("shell", "complete_request", { code, cursor_pos: [...code].length });
    expect(content).toMatchObject({ status: "ok", cursor_start: [...code].length - 2, cursor_end: [...code].length });
    expect(content.matches).toEqual(expect.arrayContaining(["max"]));
    const asked = { code: '"😀😀"; Math.max(', cursor_pos: 15, detail_level: 0 };
    const inspected = await kernel.request("shell", "inspect_request", asked);
    expect(inspected.content).toMatchObject({ status: "ok", found: true });
    expect(inspected.content.data["text/plain"]).toMatch(/max/);
    const nothing = await kernel.request("shell", "inspect_request", { code: "   ", cursor_pos: 1, detail_level: 0 });
    expect(nothing.content).toEqual({ status: "ok", found: false, data: {}, metadata: {} });
  });

  test("is_complete", async () => {
    const ask = async (code: string) => (await kernel.request("shell", "is_complete_request", { code })).content.status;
    expect(await ask("1 + 1")).toBe("complete");
    expect(await ask("function f() {")).toBe("incomplete");
  });

  test("silent and unstored cells leave no trace in count and history", async () => {
    const before = (await kernel.execute("1")).reply.content.execution_count;
    const silent = await kernel.execute('console.log("quiet"); 3', { silent: true });
    expect(silent.output).toEqual([]);
    const unstored = await kernel.execute("4", { store_history: false });
    expect(unstored.output.at(-1)?.content.data["text/plain"]).toBe("4");
    const after = await kernel.execute("5");
    expect(after.reply.content.execution_count).toBe(before + 1);
    const history = { hist_access_type: "tail", n: 2, output: true, raw: true };
    const { content } = await kernel.request("shell", "history_request", history);
    expect(content.history).toEqual([
      [0, before, ["1", "1"]],
      [0, before + 1, ["5", "5"]],
    ]);
  });

  test("asks the user, and again after an answer", async () => {
    const id = kernel.begin(
      'const [a, b] = [await input("name? "), await input("word? ", { password: true })];\nb + a',
    );
    for (const [prompt, password, value] of [
      ["name? ", false, "dream"],
      ["word? ", true, "my "],
    ] as const) {
      const question = await kernel.question(id, prompt);
      expect(question.content).toEqual({ prompt, password });
      kernel.send("stdin", "input_reply", { value });
    }
    expect((await kernel.ended(id)).output.at(-1)?.content.data["text/plain"]).toBe("'my dream'");
  });

  test("a front end that cannot ask makes input() an error", async () => {
    const { reply } = await kernel.execute('await input("?")', { allow_stdin: false });
    expect(reply.content).toMatchObject({ status: "error", evalue: expect.stringContaining("allow_stdin") });
  });

  test("a comm to an unknown target is closed; comm_info lists none", async () => {
    const id = kernel.send("shell", "comm_open", { comm_id: "c1", target_name: "nobody", data: {} });
    const closed = await kernel.broadcast(({ type, parentId }) => type === "comm_close" && parentId === id);
    expect(closed.content).toMatchObject({ comm_id: "c1" });
    kernel.send("shell", "comm_msg", { comm_id: "c1", data: {} });
    kernel.send("shell", "comm_close", { comm_id: "c1", data: {} });
    expect((await kernel.request("shell", "comm_info_request", {})).content).toEqual({ status: "ok", comms: {} });
  });

  test("malformed, forged and unknown messages change nothing", async () => {
    kernel.sendRaw("shell", ["hello"]);
    kernel.sendRaw("shell", ["<IDS|MSG>", "", "{", "{}", "{}", "{}"]);
    kernel.send("shell", "execute_request", { code: "globalThis.forged = true" }, "another key");
    kernel.send("control", "shutdown_request", {}, "another key");
    kernel.send("shell", "no_such_request", {});
    kernel.send("control", "no_such_request", {});
    const { content } = await kernel.request("shell", "execute_request", { code: 5 });
    expect(content).toMatchObject({ status: "error", evalue: expect.stringMatching(/code.*string.*5/) });
    const { output } = await kernel.execute('"forged" in globalThis');
    expect(output.at(-1)?.content.data["text/plain"]).toBe("false");
    expect(kernel.stderr).toMatch(/signature/);
  });

  test("heartbeat and kernel_info are answered while a cell blocks its thread", async () => {
    const id = kernel.begin("const end = Date.now() + 5000; while (Date.now() < end);");
    await kernel.broadcast(({ type, parentId }) => type === "execute_input" && parentId === id);
    const asked = performance.now();
    const late = lateness();
    expect(await kernel.heartbeat()).toBe("ping");
    await kernel.request("control", "kernel_info_request", {});
    expect(performance.now() - asked).toBeLessThan(aSecond(await late));
    await kernel.ended(id);
  });
});

describe("an interrupt", () => {
  let kernel: TestKernel;
  beforeAll(async () => {
    kernel = await start();
    await kernel.execute("let kept = 1;");
  });
  afterAll(closeAll);

  /** Interrupts once the cell has printed; milliseconds until it was idle. */
  async function interrupt(code: string): Promise<{ ms: number; late: number; status: string; name: string }> {
    const id = kernel.begin(code);
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    const started = performance.now();
    const late = lateness();
    expect((await kernel.request("control", "interrupt_request", {})).content).toEqual({ status: "ok" });
    const { reply } = await kernel.ended(id);
    const ms = performance.now() - started;
    return { ms, late: await late, status: reply.content.status, name: reply.content.ename };
  }

  test.each([
    ["a busy loop", "while (true) {}"],
    ["a busy loop after an await", "await null; while (true) {}"],
    ["a busy loop after a timer", "await new Promise((resolve) => setTimeout(resolve, 20)); while (true) {}"],
    ["a busy loop inside a timer", "setTimeout(() => { while (true) {} }, 20); await new Promise(() => {});"],
    ["an endless chain of microtasks", "for (;;) await null;"],
    ["an awaiting loop", "for (;;) await new Promise((resolve) => setTimeout(resolve, 5));"],
    ["a promise that never settles", "await new Promise(() => {});"],
    ["a loop that prints", "for (;;) console.log(kept);"],
    ["a question to the user", 'await input("?");'],
    [
      "an error that describes itself for ever",
      'throw { [Symbol.for("nodejs.util.inspect.custom")]() { for (;;); } };',
    ],
  ])("stops %s within a second and keeps the variables", async (what, code) => {
    const { ms, late, status, name } = await interrupt(
      `kept++; let of${what.replace(/\W/g, "")} = kept; console.log("started"); ${code}`,
    );
    expect({ status, name }).toEqual({ status: "error", name: "Interrupted" });
    expect(ms).toBeLessThan(aSecond(late));
    const { output } = await kernel.execute(`kept === of${what.replace(/\W/g, "")}`);
    expect(output.at(-1)?.content.data["text/plain"]).toBe("true");
  });

  test("ends a cell whose microtasks get stuck while it ends, wherever in its end that is", async () => {
    for (let turns = 0; turns < 24; turns += 1) {
      const stuck = `void (async () => { for (let i = 0; i < ${turns}; i++) await null; for (;;); })(); 1`;
      const { ms, late } = await interrupt(`console.log("started"); ${stuck}`);
      expect(ms).toBeLessThan(aSecond(late));
      expect((await kernel.execute("2")).reply.content.status).toBe("ok");
    }
  }, 120_000);

  test("aborts the cells that wait", async () => {
    const first = kernel.begin('console.log("on"); await new Promise(() => {});');
    const second = kernel.begin("1");
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === first);
    await kernel.request("control", "interrupt_request", {});
    expect((await kernel.ended(first)).reply.content.ename).toBe("Interrupted");
    expect((await kernel.ended(second)).reply.content.status).toBe("aborted");
    expect((await kernel.execute("2")).reply.content.status).toBe("ok");
  });

  test("without a running cell does nothing", async () => {
    await kernel.request("control", "interrupt_request", {});
    expect((await kernel.execute("3")).reply.content.status).toBe("ok");
  });

  test("by SIGINT does the same", async () => {
    const id = kernel.begin('console.log("on"); await new Promise(() => {});');
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    kernel.process.kill("SIGINT");
    expect((await kernel.ended(id)).reply.content.ename).toBe("Interrupted");
  });

  test("stops a child process that the cell waits for", async () => {
    const id = kernel.begin(
      'const { execSync } = await import("node:child_process"); console.log("on"); execSync("sleep 30");',
    );
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    const started = performance.now();
    await kernel.request("control", "interrupt_request", {});
    expect((await kernel.ended(id)).reply.content.status).toBe("error");
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("the process", () => {
  afterEach(closeAll);

  test("answers kernel_info while the language is still loading", async () => {
    const kernel = await start();
    const asked = performance.now();
    expect((await kernel.execute("1 + 1")).output.at(-1)?.content.data["text/plain"]).toBe("2");
    expect(kernel.startup).toBeLessThan((kernel.startup + performance.now() - asked) / 2);
  });

  test("works over ipc, and without a key", async () => {
    const kernel = await start({ transport: "ipc", key: "" });
    expect((await kernel.execute("2 + 2")).output.at(-1)?.content.data["text/plain"]).toBe("4");
    expect(await kernel.heartbeat()).toBe("ping");
    expect((await kernel.shutdown()).code).toBe(0);
  });

  test("ends on shutdown_request, with its reply, and quietly", async () => {
    const kernel = await start();
    await kernel.execute("1");
    const { reply, code } = await kernel.shutdown();
    expect(reply.content).toEqual({ status: "ok", restart: false });
    expect(code).toBe(0);
    expect(kernel.stderr).toBe("");
  });

  test("ends on shutdown_request also in the middle of a busy loop", async () => {
    const kernel = await start();
    const id = kernel.begin('console.log("on"); while (true) {}');
    await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
    const started = performance.now();
    const late = lateness();
    await kernel.shutdown();
    expect(performance.now() - started).toBeLessThan(3 * aSecond(await late));
  });

  test("can be started again on the same ports: a restart", async () => {
    const first = await start();
    await first.execute("globalThis.old = 1");
    await first.shutdown();
    const second = await start({ like: first });
    expect((await second.execute('"old" in globalThis')).output.at(-1)?.content.data["text/plain"]).toBe("false");
  });

  test("ends in order when a cell says process.exit: the cell has its reply, the process the code", async () => {
    const kernel = await start();
    const ended = new Promise((resolve) => kernel.process.once("exit", (...how) => resolve(how)));
    const { reply } = await kernel.execute("process.exit(3)");
    expect(reply.content).toMatchObject({
      status: "error",
      evalue: expect.stringContaining("process.exit(3) was called"),
    });
    expect(await ended).toEqual([3, null]);
  });

  test("goes on after an interrupt while it starts, however long that takes", async () => {
    const { spawn } = await import("node:child_process");
    // Others have the processors: what is asked for before the language is there waits for more than an interrupt's patience.
    const busy = Array.from({ length: 4 }, () => spawn(process.execPath, ["-e", "for (;;);"]));
    try {
      const kernel = await start();
      const cell = kernel.execute("1 + 1");
      await kernel.request("control", "interrupt_request", {});
      const { reply } = await cell;
      expect(reply.content).toMatchObject({ status: "error", ename: "Interrupted" });
      expect((await kernel.execute("2 + 2")).output.at(-1)?.content.data["text/plain"]).toBe("4");
    } finally {
      for (const child of busy) child.kill("SIGKILL");
    }
  });

  test("ends when the Jupyter that started it is gone", async () => {
    const { spawn } = await import("node:child_process");
    const parent = spawn("sleep", ["60"]);
    const kernel = await start({ env: { JPY_PARENT_PID: String(parent.pid) } });
    await kernel.execute("1");
    const ended = new Promise((resolve) => kernel.process.once("exit", resolve));
    parent.kill("SIGKILL");
    await ended;
  });

  test("tells its cells which notebook they belong to", async () => {
    const kernel = await start({ env: { JPY_SESSION_NAME: "/home/ada/dream.ipynb" } });
    const module = new URL("../../dist/src/ambient.js", import.meta.url).href;
    const { output } = await kernel.execute(
      `const module: string = ${JSON.stringify(module)};\n(await import(module)).ambient().notebook`,
    );
    expect(output.at(-1)?.content.data["text/plain"]).toBe("'/home/ada/dream.ipynb'");
  });
});
