/** @file display() in cells: what it shows, in which forms, and how it is replaced. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellProcess } from "./cell-process.ts";

let cells: CellProcess;
beforeAll(async () => {
  cells = await CellProcess.start();
});
afterAll(() => cells.stop());

test("a value is shown as a result would be, and is not shown twice", async () => {
  const { output, outcome } = await cells.run("await display({ a: 1 })");
  expect(output.shown).toEqual([{ kind: "display", id: expect.any(String), bundle: { "text/plain": "{ a: 1 }" } }]);
  expect(outcome).toEqual({ status: "ok" });
  expect((await cells.run("display.html('<b>1</b>')")).outcome).toEqual({ status: "ok" });
});

describe("a display is replaced", () => {
  test("by its handle, also from a later cell, with a value or a form of its own", async () => {
    const first = await cells.run("const shown = await display(1); await shown.update([2])");
    const [display, update] = first.output.shown;
    expect(update).toEqual({ kind: "update", id: display?.id, bundle: { "text/plain": "[ 2 ]" } });
    const later = await cells.run("await shown.html('<i>3</i>'); shown.display_id");
    expect(later.output.shown).toEqual([
      { kind: "update", id: display?.id, bundle: { "text/html": "<i>3</i>", "text/plain": "<i>3</i>" } },
    ]);
    expect(later.text).toBe(`'${display?.id}'`);
  });

  test("by its name", async () => {
    const { output } = await cells.run(
      "await display.markdown('*a*', { display_id: 'mine' }); await display(1, { display_id: 'mine' }); await display.update('mine', 2)",
    );
    expect(output.shown.map(({ kind, id, bundle }) => [kind, id, bundle["text/plain"]])).toEqual([
      ["display", "mine", "*a*"],
      ["display", "mine", "1"],
      ["update", "mine", "2"],
    ]);
  });

  test("each by its own", async () => {
    const { output } = await cells.run(
      "const one = await display(1); const two = await display(2); await two.update(3)",
    );
    const [first, second, third] = output.shown;
    expect(first?.id).not.toBe(second?.id);
    expect(third).toMatchObject({ kind: "update", id: second?.id });
  });
});

test.each([
  ["text('a')", { "text/plain": "a" }],
  ["html('<b>a</b>')", { "text/html": "<b>a</b>", "text/plain": "<b>a</b>" }],
  ["markdown('*a*')", { "text/markdown": "*a*", "text/plain": "*a*" }],
  ["latex('$a$')", { "text/latex": "$a$", "text/plain": "$a$" }],
  ["javascript('alert(1)')", { "application/javascript": "alert(1)", "text/plain": "alert(1)" }],
  ["svg('<svg/>')", { "image/svg+xml": "<svg/>", "text/plain": "<svg/>" }],
  ["json({ a: [1, 2n] })", { "application/json": { a: [1, "2"] }, "text/plain": "{ a: [ 1, 2n ] }" }],
  ["json(null)", { "application/json": null, "text/plain": "null" }],
  ["png(new Uint8Array([1, 2]))", { "image/png": "AQI=", "text/plain": "image/png, 2 bytes" }],
  ["png(new Uint8Array([0, 1, 2, 0]).subarray(1, 3))", { "image/png": "AQI=", "text/plain": "image/png, 2 bytes" }],
  ["jpeg(new Uint8Array([1, 2]).buffer)", { "image/jpeg": "AQI=", "text/plain": "image/jpeg, 2 bytes" }],
  ["gif('AQI=')", { "image/gif": "AQI=", "text/plain": "image/gif, 2 bytes" }],
  ["pdf('A\\nQI')", { "application/pdf": "AQI=", "text/plain": "application/pdf, 2 bytes" }],
  ["mime({ 'text/x': 'a' })", { "text/x": "a" }],
])("display.%s", async (call, bundle) => {
  const { output, outcome } = await cells.run(`await display.${call}`);
  expect(outcome).toEqual({ status: "ok" });
  expect(output.shown.map((shown) => shown.bundle)).toEqual([bundle]);
});

test.each([
  ["html(5)", /display\.html: expected a string, got 5\. .*display\(value\)/],
  ["png('not base64!')", /display\.png: expected .*base64, got 'not base64!'.*readFileSync/],
  ["json(() => 1)", /display\.json: expected a value that JSON has, got \[Function/],
  ["mime({ html: 'a' })", /display\.mime: expected contents by MIME type.*got \{ html: 'a' \}/],
  ["text('a', { display_id: 5 })", /display_id to be a string that is not empty, got 5/],
])("what cannot be shown is refused with what would be right: display.%s", async (call, message) => {
  const { name, message: told } = await cells.failure(`await (display as any).${call}`);
  expect(name).toBe("TypeError");
  expect(told).toMatch(message);
});

test("all of it has types", async () => {
  expect((await cells.failure("display.html(5)")).plain).toContain("TS2345");
  expect((await cells.failure("(await display(1)).updat(2)")).plain).toContain("TS2551");
  expect((await cells.complete("display.mark")).matches).toContain("markdown");
});
