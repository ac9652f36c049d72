import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readRows } from "../../src/data/read-files.ts";
import { parseRows, toRows } from "../../src/data/rows.ts";
import { GlmError } from "../../src/errors.ts";
import { randomStream } from "../../src/random.ts";

const turn = (role: string, content: string) => ({ role, content });

describe("shapes of published data", () => {
  const row = { prompt: "q", response: "a" };
  test.each([
    ["prompt, response", { prompt: "q", response: "a", id: 7 }, row],
    ["instruction, output", { instruction: "q", output: "a" }, row],
    ["instruction, input, output", { instruction: "q", input: "x", output: "a" }, { prompt: "q\nx", response: "a" }],
    ["an empty input", { instruction: "q", input: "", output: "a" }, row],
    ["content, summary", { content: "q", summary: "a" }, row],
    ["context, target", { context: "q", target: "a" }, row],
    [
      "history and system",
      { prompt: "q", response: "a", history: [["p", "b"]], system: "s" },
      { ...row, system: "s", history: [["p", "b"]] },
    ],
    ["nothing before", { prompt: "q", response: "a", history: [], system: null }, row],
    [
      "messages",
      { messages: [turn("system", "s"), turn("user", "q"), turn("assistant", "a")] },
      { ...row, system: "s" },
    ],
    [
      "ShareGPT",
      {
        conversations: [
          { from: "human", value: "q" },
          { from: "gpt", value: "a" },
        ],
      },
      row,
    ],
  ])("%s", (_, value, expected) => {
    expect(toRows([value])).toEqual([expected]);
  });

  test("what stands beside a conversation counts, what says nothing does not matter", () => {
    const turns = [turn("user", "q"), turn("assistant", "a")];
    const before = { system: "S", history: [["p", "b"]] };
    expect(toRows([{ ...before, conversations: turns }])).toEqual([{ ...before, prompt: "q", response: "a" }]);
    expect(toRows([{ ...before, messages: [turn("system", "S"), ...turns] }])).toEqual([
      { ...before, prompt: "q", response: "a" },
    ]);
    const empty = { tools: [], metadata: "", system: null, history: null, conversations: null, id: "x", source: "y" };
    expect(toRows([{ ...empty, messages: turns }])).toEqual([{ prompt: "q", response: "a" }]);
    expect(toRows([{ messages: [turns[0], { ...turns[1], metadata: "", tools: null }] }])).toEqual([
      { prompt: "q", response: "a" },
    ]);
  });

  test("histories of every generation", () => {
    const row = { prompt: "q", response: "a" };
    const expected = [{ ...row, history: [["p", "b"]] }];
    expect(toRows([{ ...row, history: [["p", "b"]] }])).toEqual(expected);
    expect(toRows([{ ...row, history: [turn("user", "p"), turn("assistant", "b")] }])).toEqual(expected);
    for (const history of [[turn("assistant", "b"), turn("user", "p")], [turn("user", "p")], [["p", null]], "p"]) {
      expect(() => toRows([{ ...row, history }])).toThrow(/row 1: history: /);
    }
  });

  test("an answer that is not to be learnt is only read", () => {
    const conversations = [
      turn("user", "1"),
      { ...turn("assistant", "2"), loss: false },
      { ...turn("user", "3"), loss: false },
      { ...turn("assistant", "4"), loss: true },
    ];
    expect(toRows([{ conversations }])).toEqual([{ prompt: "3", response: "4", history: [["1", "2"]] }]);
  });

  test("tools, calls and what they gave, as ChatGLM3's own data have them", () => {
    const tools = [{ name: "track", description: "d", parameters: {} }];
    const row = {
      tools,
      conversations: [
        turn("system", "s"),
        turn("user", "股价"),
        turn("assistant", "我来查"),
        {
          role: "tool",
          name: "track",
          parameters: { symbol: "10'111", n: 3, x: null },
          observation: { price: 1.5, ok: true },
        },
        { ...turn("assistant", "贵"), loss: false },
        turn("user", "q"),
        { role: "tool", name: "track", parameters: {}, observation: "", loss: false },
        turn("assistant", "a"),
      ],
    };
    expect(toRows([row])).toEqual([
      {
        prompt: "q",
        response: "a",
        turns: [
          { role: "system", content: "", tools },
          turn("system", "s"),
          turn("user", "股价"),
          turn("assistant", "我来查"),
          { role: "assistant", metadata: "track", content: '```python\ntool_call(symbol="10\'111", n=3, x=None)\n```' },
          turn("observation", '{"price": 1.5, "ok": true}'),
          { ...turn("assistant", "贵"), loss: false },
          turn("user", "q"),
          { role: "assistant", metadata: "track", content: "```python\ntool_call()\n```", loss: false },
          turn("observation", ""),
          turn("assistant", "a"),
        ],
      },
    ]);
    expect(toRows([{ ...row, tools: JSON.stringify(tools) }])).toEqual(toRows([row]));
  });

  test("GLM-4's: tools in the system's turn, calls by metadata; what came before is read only", () => {
    const turns = [
      { role: "system", content: "", tools: [{ name: "f" }] },
      turn("user", "q"),
      { ...turn("assistant", "{}"), metadata: "f" },
      turn("observation", "5"),
      turn("assistant", "a"),
    ];
    expect(toRows([{ messages: turns, history: [["p", "b"]], system: "" }])).toEqual([
      {
        prompt: "q",
        response: "a",
        turns: [turns[0], turn("user", "p"), { ...turn("assistant", "b"), loss: false }, ...turns.slice(1)],
      },
    ]);
    expect(toRows([{ messages: turns.slice(0, 4) }], { unanswered: true })[0]).toMatchObject({
      prompt: "q",
      response: "",
    });
  });

  test("a conversation as one row, where that is wanted", () => {
    const messages = [turn("user", "1"), turn("assistant", "2"), turn("user", "3"), turn("assistant", "4")];
    expect(toRows([{ messages, system: "s" }], { whole: true })).toEqual([
      { prompt: "3", response: "4", turns: [turn("system", "s"), ...messages] },
    ]);
  });

  test("chosen columns, and no others", () => {
    const columns = { prompt: "query", response: "answer" };
    const row = { query: "q", answer: "a", context: "c", score: 5 };
    expect(toRows([row], { columns })).toEqual([{ prompt: "q", response: "a" }]);
    expect(toRows([{ i: "q", o: "a" }], { columns: { instruction: "i", input: "x", output: "o" } })).toEqual([
      { prompt: "q", response: "a" },
    ]);
    const history = JSON.stringify([["p", "b"]]);
    expect(toRows([{ ...row, h: history }], { columns: { ...columns, history: "h" } })).toEqual([
      { prompt: "q", response: "a", history: [["p", "b"]] },
    ]);
    expect(() => toRows([row], { columns: { prompt: "qeury", response: "answer" } })).toThrow(
      /row 1: expected the column qeury, got the columns query, answer, context, score. Did you mean query\?/,
    );
    expect(() => toRows([row], { columns: { promt: "query" } as object })).toThrow(
      /no promt in a row. Did you mean prompt/,
    );
    expect(() => toRows([row], { columns: {} })).toThrow(/columns: expected which column is what/);
  });

  test("every answer of a conversation is learned", () => {
    const conversations = [turn("user", "1"), turn("assistant", "2"), turn("user", "3"), turn("assistant", "4")];
    expect(toRows([{ conversations }])).toEqual([
      { prompt: "1", response: "2" },
      { prompt: "3", response: "4", history: [["1", "2"]] },
    ]);
  });
});

describe("text", () => {
  const rows = [
    { prompt: "一", response: "1" },
    { prompt: "二", response: "2\n" },
  ];
  test("an array, one object, JSON lines with blank lines, Windows line ends and a byte order mark", () => {
    expect(parseRows(JSON.stringify(rows, null, 2))).toEqual(rows);
    expect(parseRows(JSON.stringify(rows[0], null, 2))).toEqual([rows[0]]);
    const lines = rows.map((row) => JSON.stringify(row));
    expect(parseRows(`\uFEFF${lines[0]}\r\n\r\n${lines[1]}\r\n`)).toEqual(rows);
  });

  test("files are read and named in messages", async () => {
    const folder = await mkdtemp(join(tmpdir(), "glmlab-rows-"));
    try {
      const path = join(folder, "train.jsonl");
      await writeFile(path, '{"prompt": "q", "response": "a"}\n{"prompt": "q"}');
      await expect(readRows(path)).rejects.toMatchObject({
        code: "data-invalid",
        message: expect.stringMatching(/train\.jsonl cannot be used.*\n- line 2: /),
      });
      await expect(readRows(join(folder, "none"))).rejects.toMatchObject({
        code: "data-invalid",
        message: expect.stringMatching(/none: expected a file.*Check the path/),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("bad rows", () => {
  test("with half of a character are none: it would be learnt as U+FFFD", () => {
    const half = "🎂".slice(1);
    const refusal =
      (row: object): (() => unknown) =>
      () =>
        parseRows(JSON.stringify([row]));
    expect(refusal({ prompt: "q", response: `a${half}` })).toThrow(
      /response: expected whole characters, got half of one \(U\+DF82\) at 1/,
    );
    expect(refusal({ prompt: half, response: "a", system: half })).toThrow(/prompt: .*\n- .*system: /);
    const turns = [
      { role: "user", content: half },
      { role: "assistant", content: "a" },
      { role: "user", content: "b" },
      { role: "assistant", content: "c" },
    ];
    expect(refusal({ messages: turns })).toThrow(/history: expected whole characters/);
    expect(parseRows('[{"prompt":"🎂","response":"a"}]')).toEqual([{ prompt: "🎂", response: "a" }]);
  });

  test.each([
    ["a number", 5, 'row 1: expected an object such as {"prompt": "...", "response": "..."}, got 5'],
    ["bare text", "q", 'got "q"'],
    [
      "a misspelt key",
      { promt: "q", response: "a" },
      'row 1: promt: expected no keys but prompt, response, system, history, got "q". Did you mean prompt?',
    ],
    ["no question", { response: "a" }, "row 1: prompt: expected text that is not empty, got no such key"],
    ["null", { prompt: null, response: "a" }, "row 1: prompt: expected text that is not empty, got null"],
    [
      "a list of rows in an object",
      { version: 1, data: [{ prompt: "q", response: "a" }] },
      "got the keys version, data. If the rows are those under data, write that list into a file of its own.",
    ],
    [
      "calls in OpenAI's form",
      {
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: null, tool_calls: [{ function: { name: "f", arguments: "{}" } }] },
        ],
      },
      'turn 2: tool_calls: calls in OpenAI\'s form are not read. Write a call as {role: "assistant", metadata:',
    ],
    [
      "content in parts",
      { messages: [{ role: "user", content: [{ type: "text", text: "q" }] }] },
      "turn 1: content: expected text, got a list of 1 part. Write their text as one.",
    ],
    [
      "query for prompt",
      { query: "q", response: "a" },
      "got the keys query, response. Rename query to prompt, or choose the columns: --columns prompt=query,response=response",
    ],
    ["input and output", { input: "q", output: "a" }, "Rename input to prompt and output to response, or choose"],
    [
      "question and answer",
      { question: "q", answer: "a", id: 1 },
      "Rename question to prompt and answer to response, or choose",
    ],
    [
      "prompt and completion",
      { prompt: "q", completion: "a" },
      "Rename completion to response, or choose the columns: --columns prompt=prompt,response=completion",
    ],
    ["instruction and response", { instruction: "q", response: "a" }, "Rename instruction to prompt, or choose"],
    ["text alone", { text: "q" }, "got the keys text"],
    [
      "tools",
      { prompt: "q", response: "a", tools: [{ name: "f" }] },
      'tools: expected no keys but prompt, response, system, history, got [{"name":"f"}]. What it says would not be learnt: remove it',
    ],
    ["an input that nothing takes", { prompt: "q", input: "x", response: "a" }, "input: expected no keys but"],
    ["two answers", { prompt: "q", response: "a", output: "b" }, "output: expected no keys but"],
    [
      "tools beside turns",
      { messages: [turn("user", "q"), turn("assistant", "a")], tools: "[]x" },
      "tools: expected a list of tools such as [{name, description, parameters}], got",
    ],
    [
      "two lists of turns",
      { messages: [turn("user", "q"), turn("assistant", "a")], conversations: [turn("user", "q")] },
      "conversations: expected no keys but",
    ],
    [
      "a prompt beside turns",
      { messages: [turn("user", "q"), turn("assistant", "a")], prompt: "p" },
      "prompt: expected no keys but",
    ],
    [
      "a user's metadata",
      { messages: [{ ...turn("user", "q"), metadata: "get_weather" }, turn("assistant", "a")] },
      'turn 1: metadata: expected no keys but role, from, content, value, loss, got "get_weather"',
    ],
    [
      "metadata of two lines",
      { messages: [turn("user", "q"), { ...turn("assistant", "a"), metadata: "a\nb" }] },
      "turn 2: metadata: expected one line of text",
    ],
    [
      "an assistant's tools",
      { messages: [turn("user", "q"), { ...turn("assistant", "a"), tools: [{ name: "f" }] }] },
      "turn 2: tools: expected no keys but",
    ],
    [
      "a call without what it gave",
      { conversations: [turn("user", "q"), { role: "tool", name: "f", parameters: {} }] },
      "turn 2: expected {role: tool, name, parameters: {name: value, ...}, observation}",
    ],
    [
      "a tool's answer as OpenAI writes it",
      { messages: [turn("user", "q"), { ...turn("tool", "5"), tool_call_id: "1" }] },
      "turn 2: expected {role: tool, name, parameters",
    ],
    [
      "an observation after a question",
      { messages: [turn("user", "q"), turn("observation", "5"), turn("assistant", "a")] },
      "turns: expected observation only after assistant, got it after user",
    ],
    [
      "tools, and a question at the end",
      { tools: [{ name: "f" }], conversations: [turn("user", "q"), turn("assistant", "a"), turn("user", "r")] },
      "expected an assistant's turn at the end, got user's",
    ],
    [
      "a turn's calls",
      { messages: [turn("user", "q"), { ...turn("assistant", "a"), tool_calls: [1] }] },
      "turn 2: tool_calls:",
    ],
    [
      "a loss that is no yes or no",
      { messages: [turn("user", "q"), { ...turn("assistant", "a"), loss: 0.5 }] },
      "turn 2: loss: expected true or false, got 0.5",
    ],
    [
      "a question that is to be learnt",
      { messages: [{ ...turn("user", "q"), loss: true }, turn("assistant", "a")] },
      "turn 1: loss: expected false",
    ],
    [
      "nothing that is learnt",
      { messages: [turn("user", "q"), { ...turn("assistant", "a"), loss: false }] },
      "expected an assistant's turn that is learnt, got loss: false at each",
    ],
    [
      "two system prompts",
      { system: "S", messages: [turn("system", "s"), turn("user", "q"), turn("assistant", "a")] },
      "system: expected it beside the turns or as the first of them, got both",
    ],
    [
      "a system that is no text",
      { system: 5, messages: [turn("user", "q"), turn("assistant", "a")] },
      "system: expected text, got 5",
    ],
    [
      "no answer",
      { prompt: "q", answr: "a" },
      "expected {prompt, response}, {instruction, output}, {content, summary}, {context, target} or {messages}, got the keys prompt, answr",
    ],
    ["an empty answer", { prompt: "q", response: " \n" }, "response: expected text that is not empty"],
    ["an empty question", { content: "", summary: "a" }, "content: expected text that is not empty"],
    ["an answer that is no text", { prompt: "q", response: 5 }, "response: expected text that is not empty, got 5"],
    [
      "a history that is no list of pairs",
      { prompt: "q", response: "a", history: [["x"]] },
      'history: expected [[question, answer], ...] or {role, content} of user and assistant in turn, got [["x"]]',
    ],
    ["no turns", { messages: [] }, "expected a list of {role, content}, got []"],
    [
      "an unknown role",
      { messages: [turn("robot", "x")] },
      "turn 1: expected {role: system, user, assistant, observation or tool",
    ],
    [
      "a wrong order",
      { messages: [turn("system", "s"), turn("assistant", "x")] },
      "turn 2: expected user and assistant in turn, starting with user, got assistant",
    ],
    ["a question at the end", { messages: [turn("user", "x")] }, "expected an assistant's turn at the end"],
    ["only a system prompt", { messages: [turn("system", "x")] }, "expected a user's and an assistant's turn"],
  ])("%s", (_, value, message) => {
    expect(() => toRows([value])).toThrow(
      expect.objectContaining({ code: "data-invalid", message: expect.stringContaining(message) }),
    );
  });

  test("all of them in one report, by row or line, up to a limit", () => {
    const good = { prompt: "q", response: "a" };
    expect(() => toRows([good, {}, good, null])).toThrow(/row 2: .*\n- row 4: /);
    expect(() => parseRows('{"prompt": "q", "response": "a"}\n{oops\n\n[1]\n{"prompt": 1, "response": "a"}')).toThrow(
      /line 2: expected a JSON object, got .*oops.*\n- line 4: .*\n- line 5: prompt/s,
    );
    expect(() => toRows(Array.from({ length: 30 }, () => 0))).toThrow(/row 10: .*\n- and 20 more$/);
  });

  test("objects that are spread over lines, and a byte order mark in the midst", () => {
    const row = { prompt: "q {", response: "a" };
    const spread = [row, row, row].map((one) => JSON.stringify(one, null, 2)).join("\n");
    expect(() => parseRows(spread)).toThrow(/got 3 objects that are spread over lines.*jq -c/);
    expect(() => parseRows(`${spread},`)).toThrow(/line 1: expected a JSON object/);
    const line = JSON.stringify(row);
    expect(() => parseRows(`${line}\n\uFEFF${line}\n`)).toThrow(/line 2: .*byte order mark.*Were files joined\?/);
  });

  test("a broken array and nothing at all", () => {
    expect(() => parseRows('[{"prompt": "q"')).toThrow(/the JSON array cannot be read: /);
    for (const text of ["", "\n\n", "[]"])
      expect(() => parseRows(text)).toThrow(/The data set is empty: expected at least one row/);
  });
});

test("prompts without answers, where they are wanted", () => {
  const rules = { unanswered: true };
  expect(
    toRows(
      ["p", { prompt: "q" }, { content: "r" }, { messages: [turn("user", "s")] }, { prompt: "t", response: "a" }],
      rules,
    ),
  ).toEqual([...["p", "q", "r", "s"].map((prompt) => ({ prompt, response: "" })), { prompt: "t", response: "a" }]);
  expect(() => toRows([""], rules)).toThrow(/row 1: prompt/);
});

test("mutated text is read as rows that can be used, or refused", () => {
  const text = [
    { prompt: "q", response: "a", history: [["p", "b"]] },
    { messages: [turn("system", "s"), turn("user", "q"), turn("assistant", "a")] },
  ]
    .map((row) => JSON.stringify(row))
    .join("\n");
  const random = randomStream(1, "row mutations");
  let refused = 0;
  for (let i = 0; i < 500; i++) {
    const characters = [...text];
    for (let n = random.integer(3); n >= 0; n--) {
      const at = random.integer(characters.length);
      characters.splice(at, random.integer(3), String.fromCharCode(32 + random.integer(95)));
    }
    try {
      const rows = parseRows(characters.join(""));
      expect(rows.length).toBeGreaterThan(0);
      for (const { prompt, response, system, history } of rows) {
        for (const said of [prompt, response, system ?? "s"]) expect(said.trim()).not.toBe("");
        for (const pair of history ?? []) expect(pair.map((said) => typeof said)).toEqual(["string", "string"]);
      }
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      expect(error.message).toMatch(/(row|line) \d+: /);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(200);
});

test("takes rows that were read before as they are, whole conversations with tools, too", () => {
  const conversation = {
    tools: [{ name: "run", parameters: { query: "string" } }],
    conversations: [
      { role: "user", content: "how many?" },
      { role: "tool", name: "run", parameters: { query: "count" }, observation: "7" },
      { role: "assistant", content: "seven" },
    ],
  };
  const rows = toRows([conversation, { prompt: "a", response: "b", history: [["c", "d"]], system: "e" }]);
  expect(rows[0]).toHaveProperty("turns");
  expect(toRows(rows)).toEqual(rows);
});
