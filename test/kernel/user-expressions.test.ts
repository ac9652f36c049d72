/** @file `user_expressions` and updated displays on the wire, of a kernel process. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { TestKernel } from "./client.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.dispose());

const ok = (text: string) => ({ status: "ok", data: { "text/plain": text }, metadata: {} });

test("are evaluated after the cell, each with a value or an error of its own", async () => {
  const user_expressions = {
    sum: "a + b",
    awaited: "await Promise.resolve(a)",
    pending: "Promise.resolve(b)",
    object: "{ a }",
    nothing: "undefined",
    html: "({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': 'h' }) })",
    unknown: "nope",
    thrown: "(() => { throw new RangeError('far') })()",
    statement: "const c = 1",
    several: "a; b",
    escaping: "a) + (b",
    empty: "",
    number: 5,
    ["__proto__"]: "a",
  };
  const { reply } = await kernel.execute("const a = 1, b = 2;", { user_expressions });
  const { user_expressions: told, status } = reply.content;
  expect(status).toBe("ok");
  expect(Object.keys(told)).toEqual(Object.keys(user_expressions));
  expect(told).toMatchObject({
    sum: ok("3"),
    awaited: ok("1"),
    pending: ok("2"),
    object: ok("{ a: 1 }"),
    nothing: ok("undefined"),
    html: { status: "ok", data: { "text/html": "h" }, metadata: {} },
    unknown: { status: "error", ename: "TypeScript error", evalue: expect.stringContaining("'nope'") },
    thrown: { status: "error", ename: "RangeError", evalue: "far" },
    statement: { status: "error", ename: "SyntaxError", evalue: 'Expected one expression, got "const c = 1".' },
    several: { status: "error", ename: "SyntaxError" },
    escaping: { status: "error", ename: "SyntaxError" },
    empty: { status: "error" },
    number: { status: "error", ename: "TypeError", evalue: expect.stringMatching(/"number".*string, got 5/) },
  });
  expect(told.thrown.traceback.join("\n")).toContain("Expression:1:16");
  expect((await kernel.execute("typeof (globalThis as any).c + a")).reply.content.status).toBe("ok");
});

test("of a silent cell, and none after an error", async () => {
  const user_expressions = { sum: "1 + 1" };
  expect((await kernel.execute("1", { silent: true, user_expressions })).reply.content.user_expressions).toEqual({
    sum: ok("2"),
  });
  expect((await kernel.execute("throw new Error('no')", { user_expressions })).reply.content.status).toBe("error");
  const wrong = await kernel.execute("1", { user_expressions: [1] });
  expect(wrong.reply.content).toMatchObject({
    status: "error",
    evalue: expect.stringContaining("user_expressions to be an object"),
  });
});

test("print into the cell, before it is idle", async () => {
  const { output } = await kernel.execute("0", { user_expressions: { print: "console.log('printed')" } });
  expect(output.at(-1)).toMatchObject({ type: "stream", content: { text: "printed\n" } });
});

test("are interrupted as cells are", async () => {
  const id = kernel.begin("0", {
    user_expressions: { first: "(console.log('on'), await new Promise(() => {}))", second: "2" },
  });
  await kernel.broadcast(({ type, parentId }) => type === "stream" && parentId === id);
  await kernel.request("control", "interrupt_request", {});
  expect((await kernel.ended(id)).reply.content.user_expressions).toMatchObject({
    first: { status: "error", ename: "Interrupted" },
    second: { status: "error", ename: "Interrupted" },
  });
  expect((await kernel.execute("1")).reply.content.status).toBe("ok");
});

test("a display is updated under its id, by the cell that updates it", async () => {
  const first = await kernel.execute("const shown = await display(1);");
  const [display] = first.output.filter(({ type }) => type === "display_data");
  const { display_id } = display?.content.transient ?? {};
  expect(display_id).toMatch(/./);
  const second = await kernel.execute("await shown.update(2)");
  expect(
    second.output.filter(({ type }) => type !== "execute_input").map(({ type, content }) => [type, content]),
  ).toEqual([["update_display_data", { data: { "text/plain": "2" }, metadata: {}, transient: { display_id } }]]);
});
