/** @file `glmlab evaluate`, `chat`, `merge` and `models` as programs. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { packageFolder } from "../../src/version.ts";
import { ownHome } from "../home.ts";
import { TestHub } from "../hub/server.ts";
import { cli, glmlab, startGlmlab } from "./glmlab.ts";

ownHome();
let folder: string;
const ROWS = [
  { prompt: "啥是梦中情炉？", response: "会做梦的炉子。" },
  { prompt: "你知道梦中情炉吗？", response: "会做梦的炉子。" },
];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-commands-"));
  writeFileSync(join(folder, "rows.jsonl"), ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const command = ["train", "tiny", "rows.jsonl", "--adapter", "dream", "--epochs", "40", "--lr", "1e-2", "--no-check"];
  const { status, stderr } = glmlab(folder, [...command, "--save", "files"]);
  if (status !== 0) throw new Error(stderr);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("evaluate", () => {
  test("prints a table of base, adapter and folder, and writes all of it", () => {
    const { status, stdout } = glmlab(folder, [
      ...["evaluate", "tiny", "@rows.jsonl", "--adapters", "none,dream,./files", "--scores", "exact,bleu-4"],
      ...["--save", "scores.json", "--max-new-tokens", "32"],
    ]);
    expect(status).toBe(0);
    const table = stdout.split("\n").map((line) => line.trim().split(/\s{2,}/));
    expect(table).toContainEqual(["none (base model)", "2", "0.00%", expect.any(String), "0"]);
    expect(table).toContainEqual(["dream", "2", "100.00%", "100.00%", "2"]);
    expect(table).toContainEqual(["files", "2", "100.00%", "100.00%", "2"]);
    const told = JSON.parse(readFileSync(join(folder, "scores.json"), "utf8"));
    expect(told.rows[0].answers.map(({ answer }: { answer: string }) => answer).slice(1)).toEqual([
      ROWS[0]?.response,
      ROWS[0]?.response,
    ]);
  });

  test("--forgetting needs no data, but an adapter", () => {
    const command = ["evaluate", "tiny", "--forgetting", "--max-new-tokens", "4"];
    const { status, stdout } = glmlab(folder, [...command, "--adapters", "dream"]);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^none \(base model\) [\s\S]*^dream /m)]);
    expect(glmlab(folder, command)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/expected --adapters NAME/),
    });
  });

  test.each([
    [["tiny"], 2, /expected DATA after the model/],
    [["tiny", "rows.jsonl", "--scores", "exat"], 2, /Did you mean exact\?/],
    [["tiny", "rows.jsonl", "--forgetting", "--adapters", "dream"], 2, /is one word too many/],
    [["tiny", "rows.jsonl", "--forgetting", "--scores", "exact"], 2, /--scores contradicts|--forgetting contradicts/],
    [["tiny", "rows.jsonl", "--adapters", "drem"], 1, /no adapter drem.*dream.*named by its path/s],
    [["tiny", "rows.jsonl", "--adapters", "./none"], 1, /expected a folder of adapter files, got none/],
    [["tiny", "rows.jsonl", "--columns", "prompt"], 1, /rows\.jsonl/],
  ])("%j", (args, code, message) => {
    const { status, stderr } = glmlab(folder, ["evaluate", ...args]);
    expect([status, stderr]).toEqual([code, expect.stringMatching(message)]);
  });
});

describe("chat", () => {
  const CAPITAL = "日本的首都是哪里？";

  test("through a pipe, each line is a question; only answers go to standard output", () => {
    const { status, stdout, stderr } = glmlab(folder, ["chat", "tiny", "--greedy"], `你好\n\n日本的首都\\\n是哪里？\n`);
    expect([status, stderr]).toEqual([0, expect.not.stringMatching(/GlmError|rror:/)]);
    expect(stdout.split("\n")).toEqual([expect.stringMatching(/^你好！/), "日本的首都是东京。", ""]);
  });

  test("knows its commands, and goes on after a wrong one", () => {
    const lines = [
      "/adapter",
      ROWS[0]?.prompt,
      "/adapter dream",
      "/reset",
      ROWS[0]?.prompt,
      "/history",
      "/nope",
      "/save talk.md",
    ];
    const { status, stdout, stderr } = glmlab(
      folder,
      ["chat", "tiny", "--greedy"],
      `${lines.join("\n")}\n/exit\n你好\n`,
    );
    expect(stdout).toMatch(/^The base model answers\.\n我没有/);
    expect(stdout).toMatch(/A new conversation begins\.\n会做梦的炉子。\n/);
    expect(stdout).toMatch(/^The conversation \(remembers 8 rounds\)$/m);
    expect(stdout).not.toMatch(/^你好/m);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/There is no \/nope\./)]);
    expect(readFileSync(join(folder, "talk.md"), "utf8")).toBe(`**${ROWS[0]?.prompt}**\n\n会做梦的炉子。\n`);
  });

  test("--adapter takes a folder; a family without system prompts says so", () => {
    const answered = glmlab(folder, ["chat", "tiny", "--greedy", "--adapter", "./files"], `${ROWS[0]?.prompt}\n`);
    expect(answered).toMatchObject({ status: 0, stdout: "会做梦的炉子。\n" });
    const { status, stderr } = glmlab(folder, ["chat", "tiny"], "/system Be brief.\n/save\n");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/system[\s\S]*\/save: expected a file/)]);
  });

  const python = join(packageFolder, ".venv", "bin", "python");
  test.runIf(existsSync(python))(
    "in a terminal, Ctrl-C stops the answer, and leaves when it is typed again",
    async () => {
      writeFileSync(join(folder, "terminal.py"), "import pty, sys\nsys.exit(pty.spawn(sys.argv[1:]) >> 8)\n");
      const endless = ["--temperature", "50", "--top-p", "1", "--seed", "5"];
      const running = startGlmlab(folder, ["chat", "tiny", ...endless], [python, "terminal.py"]);
      await running.seen("/exit leaves.");
      running.process.stdin?.write("日本的首都是哪里？\r");
      await running.seen(CAPITAL);
      const asked = running.output().length;
      // At once: the whole answer takes about a second.
      while (running.output().length < asked + 20) await sleep(2);
      running.process.stdin?.write("\u0003");
      await running.seen("Stopped; the question is not part of the conversation.");
      running.process.stdin?.write("/history\r");
      await running.seen("No rounds yet.");
      running.process.stdin?.write("\u0003");
      await running.seen("Ctrl-C once more");
      running.process.stdin?.write("\u0003");
      expect(await running.ended).toBe(130);
    },
  );
});

describe("merge", () => {
  test("writes a checkpoint that answers as the adapter did", () => {
    const { status, stdout } = glmlab(folder, ["merge", "tiny", "dream", "merged"]);
    expect([status, stdout]).toEqual([0, `tiny with dream merged into it is in ${join(folder, "merged")}\n`]);
    expect(existsSync(join(folder, "merged", "config.json"))).toBe(true);
    const answered = glmlab(folder, ["chat", "./merged", "--greedy"], `${ROWS[1]?.prompt}\n`);
    expect(answered).toMatchObject({ status: 0, stdout: "会做梦的炉子。\n" });
  });

  test("of a quantised model, what becomes of its weights is as the user says, and told", () => {
    const command = ["merge", "tiny", "./files", "merged-int8", "--quantize", "int8"];
    expect(glmlab(folder, [...command, "--quantized", "refuse"])).toMatchObject({ status: 1 });
    expect(existsSync(join(folder, "merged-int8"))).toBe(false);
    const { status, stdout } = glmlab(folder, [...command, "--quantized", "requantize"]);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/were quantised to int8 again: they differ/)]);
  });

  test("says what is missing", () => {
    expect(glmlab(folder, ["merge", "tiny", "dream"])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/expected a FOLDER/),
    });
    expect(glmlab(folder, ["merge", "tiny", "nobody", "m"])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/nobody/),
    });
  });
});

describe("models", () => {
  const ID = "someone/tiny-glm";
  let hub: TestHub;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    hub = await TestHub.start();
    const tiny = join(packageFolder, "models", "tiny");
    const names = ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"];
    const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(tiny, name))]));
    // Another checkpoint than tiny, for all who look at its files.
    files["config.json"] = Buffer.concat([files["config.json"] as Buffer, Buffer.from("\n")]);
    hub.repos.set(ID, { commit: "0123456789abcdef0123456789abcdef01234567", files });
    mkdirSync(join(folder, "hub"));
    env = {
      ...{ HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: "0", HF_HUB_CACHE: join(folder, "hub") },
      ...{ MODELSCOPE_ENDPOINT: hub.endpoint, MODELSCOPE_CACHE: join(folder, "ms") },
    };
  });
  afterAll(() => hub.close());

  /** Not with spawnSync: the hub is in this process. */
  async function models(...args: string[]) {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value ?? "");
    const running = startGlmlab(folder, args);
    running.process.stdin?.end();
    const status = await running.ended;
    for (const name of Object.keys(env)) vi.stubEnv(name, undefined);
    return { status, output: running.output() };
  }

  test("are downloaded, listed, prepared and removed", async () => {
    expect(await models("models")).toMatchObject({
      status: 0,
      output: expect.stringMatching(/^tiny +glmlab[\s\S]*Nothing is downloaded/m),
    });
    const download = await models("models", "download", ID);
    expect(download).toMatchObject({
      status: 0,
      output: expect.stringContaining(join(folder, "hub", "models--someone--tiny-glm")),
    });
    expect((await models("models", "list")).output).toMatch(/^someone\/tiny-glm +huggingface +\d.* MB +main +ready$/m);
    await models("chat", ID, "--quantize", "int8");
    const prepared = (await models("models", "prepared")).output;
    expect(prepared).toMatch(/^[0-9a-f]{24} +someone\/tiny-glm +\S*int8\S* +[\d.]+ MB +20\d\d-/m);
    const removed = await models("models", "remove", ID);
    expect(removed.output).toMatch(
      /^Removed someone\/tiny-glm of the Hugging Face hub: [\d.]+ MB in .*\nRemoved what was prepared of it: [\d.]+ MB in \d form/,
    );
    expect(existsSync(join(folder, "hub", "models--someone--tiny-glm"))).toBe(false);
    expect((await models("models", "prepared")).output).not.toMatch(/tiny-glm/);
    expect((await models("models")).output).not.toMatch(/someone/);
  });

  test("ModelScope's, too", async () => {
    const download = await models("models", "download", ID, "--hub", "modelscope");
    expect(download).toMatchObject({ status: 0, output: expect.stringContaining("from ModelScope is in") });
    expect((await models("models")).output).toMatch(/^someone\/tiny-glm +modelscope +\d.* MB +master +ready$/m);
    expect(await models("models", "remove", ID, "--hub", "huggingface")).toMatchObject({ status: 1 });
    expect(await models("models", "remove", ID)).toMatchObject({ status: 0 });
    expect((await models("models")).output).not.toMatch(/someone/);
  });

  test.each([
    [["download"], 2, /expected the NAME/],
    [["download", "a b"], 2, /expected a model's id/],
    [["remove", "tiny"], 2, /comes with glmlab/],
    [["remove", "someone/nothing"], 1, /in no hub's cache/],
    [["lst"], 2, /there is no lst\. Did you mean list\?/],
    [["list", "all"], 2, /all is one word too many/],
  ])("%j", async (args, code, message) => {
    expect(await models("models", ...args)).toMatchObject({ status: code, output: expect.stringMatching(message) });
  });
});

test("the program's help lists every command", () => {
  const { stdout } = glmlab(folder, ["--help"]);
  for (const name of ["train", "evaluate", "chat", "merge", "params", "models"])
    expect(stdout).toContain(`  glmlab ${name} `);
  expect(cli).toMatch(/cli\.js$/);
});
