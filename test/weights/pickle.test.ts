import { describe, expect, test } from "vitest";
import { call, op, pickled, pickledDict, rebuiltTensor, storage, tupleOf } from "../../scripts/fuzz/pickle-writer.ts";
import { readStateDict } from "../../src/weights/torch-pickle.ts";

type Found = ReturnType<typeof readStateDict>;
const read = (pickle: Buffer): Found => readStateDict(pickle, "model.bin");
const dict = (...entries: readonly (readonly [string, string])[]): Found => read(pickledDict(...entries));
const key = op.text("a");
const tensor = rebuiltTensor({ key: "0", elements: 6, shape: [2, 3] });
const view = {
  type: "view",
  storage: { type: "storage", key: "0", dtype: "float32", elements: 6 },
  offset: 0,
  shape: [2, 3],
  strides: [3, 1],
};

test("tensors, Parameters and attributes of the dictionary", () => {
  const parameter = call("torch._utils", "_rebuild_parameter", tensor, op.no, call("collections", "OrderedDict"));
  expect([...dict([key, tensor], [op.text("b"), parameter])]).toEqual([
    ["a", view],
    ["b", view],
  ]);
  const ordered = call("collections", "OrderedDict");
  const attributes = [op.emptyDict, op.text("_metadata"), op.none, op.setItem, op.build];
  expect([...read(pickled(ordered, key, tensor, op.setItem, ...attributes))]).toEqual([["a", view]]);
});

describe("names are compared, never looked up", () => {
  const marker = op.text("touch /tmp/harm");
  test.each([
    ["posix.system", call("posix", "system", marker)],
    ["os.system", call("os", "system", marker)],
    ["builtins.eval", call("builtins", "eval", marker)],
    ["builtins.getattr", call("builtins", "getattr", marker)],
    ["subprocess.Popen", call("subprocess", "Popen", marker)],
    ["torch.load", call("torch", "load", marker)],
    ["torch._utils._rebuild_tensor", call("torch._utils", "_rebuild_tensor", marker)],
    ["torch.nn.modules.linear.Linear", call("torch.nn.modules.linear", "Linear")],
    ["collections.OrderedDict.__init__", call("collections", "OrderedDict.__init__")],
    ["Object.constructor", call("Object", "constructor", marker)],
    ["__proto__.toString", call("__proto__", "toString")],
    [".constructor", call("", "constructor")],
    ["os.system", op.text("os") + op.text("system") + op.stackGlobal + tupleOf(marker) + op.reduce],
  ])("%s", (name, value) => {
    expect(() => dict([key, value])).toThrow(
      expect.objectContaining({
        code: "model-invalid",
        message: expect.stringContaining(`asks for "${name}". Nothing`),
      }),
    );
    // A name alone is enough, wherever it stands.
    expect(() => read(pickled(value))).toThrow(`asks for "${name}"`);
  });

  test.each([
    ["i", "INST"],
    ["o", "OBJ"],
    ["\x81", "NEWOBJ"],
    ["\x92", "NEWOBJ_EX"],
    ["\x82", "EXT1"],
    ["P", "PERSID"],
    ["\x97", "NEXT_BUFFER"],
  ])("operation %j", (opcode, name) => {
    expect(() => read(pickled(op.mark, `${opcode}posix\nsystem\n`))).toThrow(`its pickle uses ${name}`);
  });

  test("keys cannot reach a prototype", () => {
    const found = dict(
      [op.text("__proto__"), tensor],
      [op.text("constructor"), tensor],
      [op.text("toString"), op.none],
    );
    expect([...found]).toEqual([
      ["__proto__", view],
      ["constructor", view],
      ["toString", undefined],
    ]);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain("dtype");
  });
});

describe("what is no state dict is refused", () => {
  const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
  const valued = (value: string): Buffer => pickledDict([key, value]);
  const view = (...args: readonly string[]): Buffer => valued(call("torch._utils", "_rebuild_tensor_v2", ...args));
  const sized = (changes: object): Buffer =>
    valued(rebuiltTensor({ key: "0", elements: 6, shape: [2, 3], ...changes }));
  const ordered = op.global("collections", "OrderedDict");

  test.each([
    ["nothing", bytes(""), /ends in the middle of a value/],
    ["no dictionary", pickled(op.none), /holds no dictionary/],
    ["a tensor alone", pickled(tensor), /holds no dictionary/],
    ["an older protocol", bytes(`${op.proto(1)}}.`), /written in protocol 1, expected 2 to 5/],
    ["a future protocol", bytes(`${op.proto(6)}}.`), /written in protocol 6/],
    ["an unknown operation", pickled("\xff"), /unknown operation at byte 2/],
    ["no end", bytes(op.proto(2) + op.emptyDict), /ends in the middle/],
    ["a name without an end", bytes(`${op.proto(2)}cposix`), /ends in the middle of a name/],
    ["a text longer than the file", pickled("X\xff\xff\xff\xff"), /ends in the middle of a value/],
    ["a text of 2^64 bytes", pickled(`\x8d${"\xff".repeat(8)}`), /ends in the middle of a value/],
    ["a huge integer", pickled(`\x8a\xff${"\xff".repeat(255)}`), /an integer of 255 bytes/],
    ["a text that is not UTF-8", pickled("X\x01\x00\x00\x00\xff"), /not UTF-8/],
    ["an empty stack", pickled(op.reduce), /takes more than it has put down/],
    ["a group that was not begun", pickled(op.tuple), /ends a group that it has not begun/],
    ["a mark in place of a value", pickled(op.mark, op.persistent), /takes more than it has put down/],
    ["a memory that is empty", pickled(op.get(7)), /recalls 7, which it has not remembered/],
    ["an append to a dictionary", pickled(op.emptyDict, op.none, op.append), /appends to something that is no list/],
    ["an entry of a list", pickled(op.emptyList, key, op.none, op.setItem), /something that is no dictionary/],
    ["a key without a value", pickled(op.emptyDict, op.mark, key, op.setItems), /something that is no dictionary/],
    ["a tuple as a key", pickledDict([op.emptyTuple, tensor]), /a key that is neither text nor number/],
    ["a name that is no text", pickled(op.none, key, op.stackGlobal), /names something that is not a text/],
    ["attributes of a tensor", valued(tensor + op.emptyDict + op.build), /sets attributes of something/],
    ["a call of a text", valued(key + op.emptyTuple + op.reduce), /calls something that has no name/],
    [
      "a call of a storage type",
      valued(call("torch", "FloatStorage")),
      /calls torch.FloatStorage, which is no function/,
    ],
    ["arguments that are no tuple", valued(ordered + op.none + op.reduce), /calls without a tuple of arguments/],
    ["a dictionary of arguments", valued(ordered + tupleOf(op.emptyList) + op.reduce), /an OrderedDict of arguments/],
    [
      "a Parameter of nothing",
      valued(call("torch._utils", "_rebuild_parameter", op.none)),
      /Parameter without a tensor/,
    ],
    ["a tensor of nothing", view(), /a tensor that is not described/],
    ["a tensor of a tensor", view(tensor, op.integer(0), tupleOf(), tupleOf()), /a tensor that is not described/],
    ["a negative size", sized({ shape: [-2, 3] }), /a tensor that is not described/],
    ["a negative offset", sized({ offset: -1 }), /a tensor that is not described/],
    ["more sizes than strides", sized({ strides: [1] }), /a tensor that is not described/],
    ["a storage of negative size", sized({ elements: -6 }), /a storage that is not described/],
    [
      "a storage of another kind",
      valued(storage("0", 6, "ComplexFloatStorage")),
      /asks for "torch.ComplexFloatStorage"/,
    ],
    ["an id that is a text", valued(key + op.persistent), /a storage that is not described/],
    ["more values than any weights", pickled(op.none.repeat(2 ** 18 + 1)), /more than 262144 values/],
  ])("%s", (_, pickle, message) => {
    expect(() => read(pickle)).toThrow(
      expect.objectContaining({ name: "GlmError", code: "model-invalid", message: expect.stringMatching(message) }),
    );
  });

  test("a list that holds itself is not followed", () => {
    expect([...dict([key, op.emptyList + op.put(0) + op.get(0) + op.append])]).toEqual([["a", undefined]]);
  });
});
