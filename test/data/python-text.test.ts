/** @file Calls and JSON as Python writes them: the expected texts are what ast.unparse and json.dumps of Python 3 printed. */
import { expect, test } from "vitest";
import { pythonCall, pythonJson } from "../../src/data/python-text.ts";

const value = JSON.parse(
  String.raw`{"a": "it's", "b": "say \"x\"", "c": "both ' and \"", "d": "line\nbreak\ttab\\", "e": "\u5317\u4eac\ud83c\udf82\u3000\u200b\u007f\u00a0\u00ad", "f": [1, 2.5, true, null, {"k": "v"}], "g": 1e-05, "h": 1.5e-10, "i": 0.0001, "j": 1.23e+20, "k": -3, "l": "\udb40\udc01", "m": 123456.789}`,
);

test("a call with every kind of value", () => {
  expect(pythonCall("tool_call", value)).toBe(
    JSON.parse(
      String.raw`"tool_call(a=\"it's\", b='say \"x\"', c='both \\' and \"', d='line\\nbreak\\ttab\\\\', e='\u5317\u4eac\ud83c\udf82\\u3000\\u200b\\x7f\\xa0\\xad', f=[1, 2.5, True, None, {'k': 'v'}], g=1e-05, h=1.5e-10, i=0.0001, j=1.23e+20, k=-3, l='\\U000e0001', m=123456.789)"`,
    ),
  );
  expect(pythonCall("tool_call", {})).toBe("tool_call()");
});

test("JSON with what Python puts between values", () => {
  expect(pythonJson(value)).toBe(
    JSON.parse(
      String.raw`"{\"a\": \"it's\", \"b\": \"say \\\"x\\\"\", \"c\": \"both ' and \\\"\", \"d\": \"line\\nbreak\\ttab\\\\\", \"e\": \"\u5317\u4eac\ud83c\udf82\u3000\u200b\u007f\u00a0\u00ad\", \"f\": [1, 2.5, true, null, {\"k\": \"v\"}], \"g\": 1e-05, \"h\": 1.5e-10, \"i\": 0.0001, \"j\": 1.23e+20, \"k\": -3, \"l\": \"\udb40\udc01\", \"m\": 123456.789}"`,
    ),
  );
  expect(["text", null, true, []].map(pythonJson)).toEqual(['"text"', "null", "true", "[]"]);
});
