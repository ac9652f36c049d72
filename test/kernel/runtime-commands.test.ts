/** @file Commands that work through a runtime, as programs: shared by address, begun to go by themselves, and where there is none. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { runtimeFolder } from "../../src/runtime/folder.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel as writeJobModel } from "../torchrun/small-model.ts";
import { standInPython } from "../torchrun/stand-ins.ts";
import { cli, glmlab, type RunningCommand, startGlmlab } from "./glmlab.ts";

const LONG = 120_000;
/** A command waits so long for a runtime to answer, in milliseconds. */
const PATIENCE_MS = 30_000;
const home = ownHome();
let folder: string;
/** Waits for its patience while other tests run. */
let unanswered: RunningCommand;
const ROWS = [
  { prompt: "啥是梦中情炉？", response: "会做梦的炉子。" },
  { prompt: "你知道梦中情炉吗？", response: "会做梦的炉子。" },
];
const BASE = ["train", "tiny", "rows.jsonl", "--lr", "1e-2", "--no-check"];
const ENDLESS = [...BASE, "--epochs", "100000"];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-runtime-"));
  writeFileSync(join(folder, "rows.jsonl"), ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
  unanswered = startGlmlab(folder, [
    "evaluate",
    "tiny",
    "rows.jsonl",
    "--runtime",
    `ipc://${join(home, "nobody.sock")}`,
  ]);
});
afterAll(() => {
  unanswered.process.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** The last step of a run, as `glmlab train runs` tells it. */
function stepOf(name: string): number {
  const { stdout } = glmlab(folder, ["train", "runs", "tiny"]);
  return Number(new RegExp(`^${name} +local +\\w+ +(\\d+)/`, "m").exec(stdout)?.[1]);
}

describe("through a runtime", { timeout: LONG }, () => {
  test("train, evaluate and chat share one, by name and by its address, and others find what it trained", () => {
    const trained = glmlab(folder, [...BASE, "--adapter", "dream", "--epochs", "40", "--runtime", "auto"]);
    expect([trained.status, trained.stdout]).toEqual([0, expect.stringMatching(/^dream: 40 steps in .* loss .* → /m)]);
    // What this process took says nothing of what the runtime did.
    expect(trained.stderr).not.toContain("measured at most");
    const { address } = runtimeFolder();
    const exact = [
      "evaluate",
      "tiny",
      "rows.jsonl",
      "--adapters",
      "none,dream",
      "--scores",
      "exact",
      "--max-new-tokens",
      "32",
    ];
    for (const runtime of ["auto", address, "none"]) {
      const { status, stdout } = glmlab(folder, [...exact, "--runtime", runtime]);
      const table = stdout.split("\n").map((line) => line.trim().split(/\s{2,}/));
      expect([runtime, status]).toEqual([runtime, 0]);
      expect(table).toContainEqual(["none (base model)", "2", "0.00%", "0"]);
      expect(table).toContainEqual(["dream", "2", "100.00%", "2"]);
    }
    const chat = ["chat", "tiny", "--greedy", "--adapter", "dream", "--runtime", address];
    expect(glmlab(folder, chat, `${ROWS[0]?.prompt}\n`)).toMatchObject({ status: 0, stdout: "会做梦的炉子。\n" });
    const { stdout } = glmlab(folder, ["runtime", "status"]);
    expect(stdout.match(/^ {2}tiny .* 1 adapter, /gm)).toHaveLength(1);
    expect(stdout).toMatch(/ 0 clients,/);
  });

  test("a folder of files is an adapter for as long as the command runs", () => {
    expect(glmlab(folder, [...BASE, "--save", "filed", "--epochs", "40", "--runtime", "auto"])).toMatchObject({
      status: 0,
    });
    const chat = ["chat", "tiny", "--greedy", "--adapter", "./filed", "--runtime", "auto"];
    expect(glmlab(folder, chat, `${ROWS[0]?.prompt}\n`)).toMatchObject({ status: 0, stdout: "会做梦的炉子。\n" });
    const merged = glmlab(folder, ["merge", "tiny", "./filed", "merged", "--runtime", "auto"]);
    expect([merged.status, existsSync(join(folder, "merged", "config.json"))]).toEqual([0, true]);
  });

  test("Ctrl-C finishes the step, keeps it and writes it, and the runtime stays", async () => {
    const running = startGlmlab(folder, [...ENDLESS, "--save", "cut", "--log-every", "1", "--runtime", "auto"]);
    await running.seen("step 3/100000");
    running.process.kill("SIGINT");
    expect(await running.ended).toBe(130);
    const [, kept] = /cut keeps the values of step (\d+) of 100000\./.exec(running.output()) ?? [];
    expect(stepOf("cut")).toBe(Number(kept));
    expect(existsSync(join(folder, "cut", "adapter_model.safetensors"))).toBe(true);
    expect((await runtimeStatus())?.models).toHaveLength(1);
  });
});

describe("a run with --detach", { timeout: LONG }, () => {
  test("goes on when its terminal is gone, is shown from its start, left, listed and stopped", async () => {
    const begun = await untilHungUp([...ENDLESS, "--adapter", "alone", "--detach", "--save", "the files"]);
    const files = join(folder, "the files");
    expect(begun).toMatch(/^alone trains in the runtime, 100000 steps, and goes on when this terminal is closed\.$/m);
    expect(begun).toContain(`\nglmlab train attach tiny alone --save '${files}'\n`);
    expect(begun).toContain("\nglmlab train stop tiny alone\n");
    const [, metrics = ""] = /^Metrics and checkpoints: (.+)$/m.exec(begun) ?? [];
    await vi.waitFor(() => expect(readFileSync(join(metrics, "metrics.jsonl"), "utf8")).toContain('"step":5,'), {
      timeout: 30_000,
    });

    const watching = startGlmlab(folder, ["train", "attach", "tiny", "alone", "--log-every", "1"]);
    await watching.seen("step 20/100000");
    watching.process.kill("SIGINT");
    expect(await watching.ended).toBe(130);
    expect(watching.output()).toMatch(/^Training alone: 100000 steps over 2 rows\nstep 1\/100000 .*\nstep 2\/100000 /m);
    expect(watching.output()).toContain(
      "alone trains on; only this view of it has ended. To end it: glmlab train stop tiny alone\n",
    );

    // Those that hold the model themselves leave the run to the runtime.
    expect(glmlab(folder, ["chat", "tiny", "--greedy"], "你好\n")).toMatchObject({ status: 0 });
    const again = glmlab(folder, [...BASE, "--adapter", "alone"]);
    expect([again.status, again.stderr]).toEqual([
      1,
      expect.stringMatching(/adapter alone is being trained by process \d+/),
    ]);
    const before = stepOf("alone");
    await vi.waitFor(() => expect(stepOf("alone")).toBeGreaterThan(before), { timeout: 30_000 });
    expect(glmlab(folder, ["train", "runs", "tiny"]).stdout).toMatch(
      new RegExp(`^alone +local +running +\\d+/100000 .* by itself +${metrics}$`, "m"),
    );

    const stopped = glmlab(folder, ["train", "stop", "tiny", "alone", "--save", "the files"]);
    const [, step] = /^alone: stopped after step (\d+) of 100000 steps\. .*--resume/.exec(stopped.stdout) ?? [];
    expect([stopped.status, Number(step)]).toEqual([0, stepOf("alone")]);
    expect(stopped.stdout).toContain(`alone saved to ${files}`);
    expect(readdirSync(files)).toEqual(expect.arrayContaining(["adapter_config.json", "metrics.jsonl"]));
    expect(glmlab(folder, ["train", "stop", "tiny", "alone"])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/expected a run of training that runs, got none/),
    });
    const attached = glmlab(folder, ["train", "attach", "tiny", "alone"]);
    expect([attached.status, attached.stderr]).toEqual([1, expect.stringMatching(/alone: stopped after step \d+/)]);
  });

  test("comes to what a run of the command itself comes to, and says so to who attaches later", () => {
    const options = ["--epochs", "6", "--val", "0.5", "--validate-every", "2", "--seed", "4"];
    const whole = glmlab(folder, [...BASE, ...options, "--adapter", "whole"]);
    const begun = glmlab(folder, [...BASE, ...options, "--adapter", "short", "--detach", "--quantize", "none"]);
    const [, command = ""] = /^glmlab (train attach .*)$/m.exec(begun.stdout) ?? [];
    expect(command).toBe("train attach tiny short --quantize none");
    const { status, stdout, stderr } = glmlab(folder, [...command.split(" "), "--save", "short", "--log-every", "1"]);
    const lossesOf = (text: string): string[] =>
      [...text.matchAll(/ (?:loss|validation) ([\d.e-]+)/g)].map(([, loss]) => loss ?? "");
    const summary = (text: string): string => / steps? in [^,]+, (.*)$/m.exec(text)?.[1] ?? text;
    expect([status, summary(stdout)]).toEqual([0, summary(whole.stdout)]);
    expect(lossesOf(stderr)).toEqual(lossesOf(whole.stderr));
    expect(stdout).toContain(`short saved to ${join(folder, "short")}`);
  });

  test("is taken up by the next runtime when its own was killed, and shown from its start", async () => {
    expect(glmlab(folder, [...ENDLESS, "--adapter", "killed", "--detach"])).toMatchObject({ status: 0 });
    await vi.waitFor(() => expect(stepOf("killed")).toBeGreaterThan(10), { timeout: 30_000 });
    process.kill((await runtimeStatus())?.pid ?? 0, "SIGKILL");
    const watching = startGlmlab(folder, ["train", "attach", "tiny", "killed", "--log-every", "1"]);
    await watching.seen("step 1/100000");
    await watching.seen(`step ${stepOf("killed") + 10}/100000`);
    watching.process.kill("SIGINT");
    expect(await watching.ended).toBe(130);
    expect(glmlab(folder, ["train", "stop", "tiny", "killed"])).toMatchObject({ status: 0 });
  });

  test("that is interrupted as it begins is ended", async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({
      prompt: `第${i}个问题是什么？`,
      response: `答案是${i}。`,
    }));
    writeFileSync(join(folder, "many.jsonl"), many.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const running = startGlmlab(folder, ["train", "tiny", "many.jsonl", "--adapter", "many", "--detach"]);
    await running.seen("Memory, estimated");
    running.process.kill("SIGINT");
    expect(await running.ended).toBe(130);
    expect(running.output()).toMatch(
      /the run is ended as soon as it has begun\.\n(many keeps the values of step|many: nothing was trained)/,
    );
    expect(glmlab(folder, ["train", "runs", "tiny"]).stdout).toMatch(/^many +local +stopped /m);
  });

  test("of processes of their own is shown, listed and stopped as one of the runtime", async () => {
    await writeJobModel(join(home, "model"));
    writeFileSync(join(folder, "letters.jsonl"), `${JSON.stringify({ prompt: "what is 1?", response: "1" })}\n`);
    const python = await standInPython(join(home, "place"), { step: 50 });
    const job = join(home, "place", "job");
    const model = join(home, "model");
    const begun = glmlab(folder, [
      ...["train", model, "letters.jsonl", "--adapter", "jobbed", "--detach", "--max-steps", "3000"],
      ...["--engine", "torchrun", "--python", python, "--job", job],
    ]);
    expect([begun.status, begun.stdout]).toEqual([0, expect.stringMatching(/^jobbed trains as a job, 3000 steps, /m)]);
    expect(begun.stdout).toContain(`\nMetrics and checkpoints: ${job}\nglmlab train attach ${model} jobbed\n`);
    const watching = startGlmlab(folder, ["train", "attach", model, "jobbed", "--log-every", "1"]);
    await watching.seen("step 3/3000");
    watching.process.kill("SIGINT");
    expect(await watching.ended).toBe(130);
    expect(glmlab(folder, ["train", "runs", model]).stdout).toMatch(/^jobbed +torchrun +running +\d+\/3000 /m);
    const stopped = glmlab(folder, ["train", "stop", model, "jobbed"]);
    const [, step] =
      /^jobbed: stopped after step (\d+) of 3000 steps\. jobbed has its values\./.exec(stopped.stdout) ?? [];
    expect(stopped.status).toBe(0);
    expect(Number(step)).toBeGreaterThan(2);
    const attached = glmlab(folder, ["train", "attach", model, "jobbed"]);
    expect([attached.status, attached.stderr]).toEqual([1, expect.stringMatching(/jobbed: stopped after step \d+/)]);
  });

  test.each([
    [[...BASE, "--adapter", "a", "--detach", "--runtime", "none"], /--detach: expected --runtime auto or an address/],
    [[...BASE, "--adapter", "a", "--detach", "--dry-run"], /--dry-run contradicts --detach/],
    [["train", "attach", "tiny", "a", "--runtime", "none"], /train attach: expected --runtime auto or an address/],
    [["train", "attach"], /expected a MODEL and the NAME of an adapter, got nothing/],
    [["train", "attach", "tiny"], /expected the NAME of an adapter after the model/],
    [["train", "stop", "tiny", "a", "b"], /b is one word too many\. Usage: glmlab train stop MODEL NAME/],
    [["train", "runs"], /train runs: expected a MODEL/],
    [["train", "stop", "tiny", "a", "--epochs", "3"], /train stop: there is no option --epochs/],
  ])("%j is not understood", (args, message) => {
    const { status, stdout, stderr } = glmlab(folder, args);
    expect([status, stdout, stderr]).toEqual([2, "", expect.stringMatching(message)]);
  });

  test("of an adapter that is not there cannot be shown, and rows that cannot be learnt make none", async () => {
    // Its tokenizer knows ASCII.
    const model = join(home, "model");
    await writeJobModel(model);
    const unlearnt = glmlab(folder, ["train", model, "rows.jsonl", "--adapter", "nobody", "--detach"]);
    expect([unlearnt.status, unlearnt.stderr]).toEqual([
      1,
      expect.stringMatching(/row 1 .*got none that could be learned/),
    ]);
    const nobody = glmlab(folder, ["train", "attach", model, "nobody"]);
    expect([nobody.status, nobody.stderr]).toEqual([1, expect.stringMatching(/there is no adapter nobody/)]);
  });
});

describe("where no runtime is", { timeout: LONG }, () => {
  test.each(["auto2", "nothing", "http://localhost:1", "tcp://localhost", "tcp://localhost:0", "ipc://"])(
    "--runtime %s is no address",
    (runtime) => {
      const { status, stdout, stderr } = glmlab(folder, ["evaluate", "tiny", "rows.jsonl", "--runtime", runtime]);
      const message = /runtime: expected "auto", "none" or an address such as ipc:.* or tcp:\/\/host:port, got "/;
      expect([status, stdout, stderr]).toEqual([2, "", expect.stringMatching(message)]);
    },
  );

  test("an address where nobody answers is given up, and named", async () => {
    expect(await unanswered.ended).toBe(1);
    const text = `Nothing answers at ipc://${join(home, "nobody.sock")}: expected a glmlab runtime within ${PATIENCE_MS / 1000} s`;
    expect(unanswered.output()).toContain(text);
  });

  test("Ctrl-C ends the waiting at once", async () => {
    const args = ["chat", "tiny", "--runtime", `ipc://${join(home, "nobody.sock")}`];
    const waiting = startGlmlab(folder, args);
    // Interrupts are heeded from when the program has begun.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const before = performance.now();
    waiting.process.kill("SIGINT");
    expect(await waiting.ended).toBe(130);
    expect(performance.now() - before).toBeLessThan(PATIENCE_MS / 3);
    expect(waiting.output()).toContain("Interrupted.");
  });

  test("one that cannot be started says why, and how to do without", () => {
    vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "x".repeat(120)));
    try {
      const { status, stderr } = glmlab(folder, [...BASE, "--adapter", "a", "--detach"]);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/runtime cannot be used: .* Set GLMLAB_RUNTIME_DIR/)]);
    } finally {
      vi.stubEnv("GLMLAB_RUNTIME_DIR", join(home, "run"));
    }
  });
});

/** Runs a command in a group of its own, and hangs up on whatever is left of it, as a terminal does that is closed. */
async function untilHungUp(args: readonly string[]): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, [cli, ...args], { cwd: folder, detached: true });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  try {
    process.kill(-(child.pid as number), "SIGHUP");
  } catch (error) {
    // Nobody is left in it, as it should be.
    expect(error).toMatchObject({ code: "ESRCH" });
  }
  return output;
}
