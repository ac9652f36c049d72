/** @file `glmlab train` as a program: in its own words and in those of others, interrupted, refused. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ownHome } from "../home.ts";
import { glmlab, startGlmlab } from "./glmlab.ts";

ownHome();
let folder: string;
const triples = ["张三生于北京。", "李四生于上海。", "王五生于广州。"].map((input) => ({
  instruction: "抽取三元组：",
  input,
  output: input.replace("生于", "_出生地_").replace("。", ""),
}));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-train-"));
  writeFileSync(join(folder, "spo.json"), triples.map((row) => `${JSON.stringify(row)}\n`).join(""));
  mkdirSync(join(folder, "data"));
  const conversations = triples.map(({ instruction, input, output }) => ({
    conversations: [
      { role: "user", content: instruction + input },
      { role: "assistant", content: output },
    ],
  }));
  for (const name of ["train.json", "dev.json"]) {
    writeFileSync(join(folder, "data", name), JSON.stringify(conversations));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const train = (...args: string[]) => glmlab(folder, ["train", ...args]);
const split = (text: string): string[] => text.trim().split(/\s+/);
const saved = (name: string): unknown => JSON.parse(readFileSync(join(folder, name, "adapter_config.json"), "utf8"));
/** Losses of the steps that a log has. */
const losses = (log: string): number[] => [...log.matchAll(/^step .* loss ([\d.]+)/gm)].map(([, loss]) => Number(loss));

describe("trains", () => {
  test("a command of ChatGLM-Finetuning, and says what each flag became", () => {
    const { status, stderr, stdout } = train(
      ...split(`deepspeed --master_port 520 train.py --train_path spo.json --model_name_or_path tiny --mode glm2
        --per_device_train_batch_size 1 --gradient_accumulation_steps 3 --max_len 128 --max_src_len 96 --learning_rate 1e-2
        --warmup_ratio 0.1 --num_train_epochs 6 --train_type lora --lora_dim 4 --lora_alpha 16 --lora_dropout 0 --seed 1234
        --lora_module_name query_key_value,dense --show_loss_step 1 --ds_file ds_zero2_no_offload.json --output_dir out-lora`),
    );
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^--lora_dim 4 -> --r 4$/m)]);
    expect(stdout).toMatch(/^trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%: /);
    expect(stdout).toMatch(/^out-lora: 6 steps in .* loss .* → /m);
    const seen = losses(stderr);
    expect(seen).toHaveLength(6);
    expect(seen.at(-1)).toBeLessThan((seen[0] as number) - 2);
    expect(saved("out-lora")).toMatchObject({ r: 4, lora_alpha: 16, target_modules: ["query_key_value", "dense"] });
    expect(stderr).toMatch(/^Time: .* measured, .* estimated after 3 steps$/m);
    expect(stderr).toMatch(/^Memory: .* measured at most, beside the program's .* estimated$/m);
  });

  test("the same again gives the same losses, and what was trained before is kept", () => {
    const command = split("spo.json --adapter again --new --epochs 2 --lr 1e-2 --seed 3 --no-check --log-every 1");
    const [first, second] = [train("tiny", ...command), train("tiny", ...command)];
    expect(losses(first.stderr)).toHaveLength(2);
    expect(losses(second.stderr)).toEqual(losses(first.stderr));
    expect(second.stdout).toMatch(/The again that was trained before is now again\.1\./);
    // Without --new it trains on.
    const { stdout, stderr } = train("tiny", ...command.filter((one) => one !== "--new"));
    expect(stdout).toMatch(/again exists and trains on/);
    expect(losses(stderr)[0]).toBeLessThan(losses(first.stderr).at(-1) as number);
    const other = train("tiny", "spo.json", "--adapter", "again", "--r", "2");
    expect([other.status, other.stderr]).toEqual([2, expect.stringMatching(/--r: again has 8, given is 2/)]);
  });

  test.each([
    ["freeze", "--freeze_module_name layers.3."],
    ["ptuning", "--pre_seq_len 4 --prefix_projection True"],
    ["all", ""],
  ])("--train_type %s", (type, more) => {
    const { status, stdout, stderr } = train(
      ...split(`train.py --train_path spo.json --model_name_or_path tiny --train_type ${type} ${more}
        --max_len 128 --max_src_len 96 --output_dir out-${type}`),
    );
    expect([status, stderr]).toEqual([0, expect.stringContaining(`--train_type ${type} -> --method`)]);
    expect(stdout).toMatch(new RegExp(`^out-${type}: 1 step in`, "m"));
    expect(existsSync(join(folder, `out-${type}`, "adapter_config.json"))).toBe(true);
  });

  test("a configuration of finetune_demo, by steps", () => {
    writeFileSync(
      join(folder, "lora.yaml"),
      `data_config: { train_file: train.json, val_file: dev.json }
max_input_length: 64
max_output_length: 63
training_args:
  { output_dir: ./out-yaml, max_steps: 4, learning_rate: 5e-3, per_device_train_batch_size: 2, logging_steps: 1, evaluation_strategy: steps, eval_steps: 2 }
peft_config: { peft_type: LORA, task_type: CAUSAL_LM, r: 2, lora_alpha: 8, lora_dropout: 0.1 }
`,
    );
    const { status, stdout, stderr } = train("finetune_hf.py", "data/", "tiny", "lora.yaml");
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^r: 2 -> --r 2$/m)]);
    expect(stdout).toMatch(/^out-yaml: 4 steps in .*, validation [\d.]+ at step 4, whose values are kept\.$/m);
    expect(stderr.match(/^step \d .*validation/gm)).toHaveLength(2);
    expect(saved("out-yaml")).toMatchObject({ r: 2, lora_alpha: 8, peft_type: "LORA" });
  });

  test("--dry-run says what trains, memory and time, and leaves nothing", () => {
    const { status, stdout } = train(
      ...split("tiny spo.json --adapter dry --save out-dry --epochs 50 --batch-size 2 --dry-run"),
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^trainable params: 30,720 \|\| all params: 6,319,616 /);
    expect(stdout).toMatch(/^3 rows, \d+ tokens, of which \d+ are learnt; the longest row has \d+$/m);
    expect(stdout).toMatch(
      /^Memory, estimated: .*: weights 25\.2 MB, trained values 123 kB, their gradients 123 kB, AdamW 246 kB, a step /m,
    );
    const stepBytes = (text: string): string => / a step ([\d.]+) MB$/m.exec(text)?.[1] ?? "";
    const checkpointed = train(
      ...split("tiny spo.json --adapter dry --batch-size 2 --dry-run --gradient-checkpointing"),
    );
    expect(Number(stepBytes(checkpointed.stdout))).toBeLessThan(0.6 * Number(stepBytes(stdout)));
    expect(stdout).toMatch(/^100 steps \(50 epochs\), [\d.]+ .* estimated from 3 steps$/m);
    expect(existsSync(join(folder, "out-dry"))).toBe(false);
    const { status: missing, stderr } = glmlab(folder, ["evaluate", "tiny", "spo.json", "--adapters", "dry"]);
    expect([missing, stderr]).toEqual([1, expect.stringMatching(/there is no adapter dry/)]);
  });
});

test.each(["SIGINT", "SIGTERM"] as const)("%s finishes the step, keeps it and writes it", async (signal) => {
  const out = `out-${signal}`;
  const running = startGlmlab(folder, [
    "train",
    "tiny",
    ...split(`spo.json --epochs 100000 --batch-size 1 --log-every 1 --save ${out}`),
  ]);
  await running.seen("step 3/300000");
  running.process.kill(signal);
  expect(await running.ended).toBe(signal === "SIGINT" ? 130 : 143);
  const [, steps] = /keeps the values of step (\d+) of 300000/.exec(running.output()) ?? [];
  expect(Number(steps)).toBe(losses(running.output()).length);
  expect(running.output()).toContain(`${out} saved to ${join(folder, out)}`);
  const { stdout } = glmlab(folder, [
    "evaluate",
    "tiny",
    "spo.json",
    "--adapters",
    `none,${out},./${out}`,
    "--max-new-tokens",
    "4",
  ]);
  // The same answers by name and from its files.
  const rows = stdout.split("\n").filter((line) => line.startsWith(out));
  expect(rows.slice(0, 2).map((line) => line.trim().split(/\s+/))).toEqual([
    [out, "3", expect.any(String), expect.any(String), expect.any(String)],
    [`${out}.2`, "3", expect.any(String), expect.any(String), expect.any(String)],
  ]);
  const [named, filed] = rows.map((line) => line.trim().split(/\s+/).slice(2));
  expect(named).toEqual(filed);
});

test("a folder with another adapter's files is refused before anything is trained, unless they shall go", () => {
  const first = split("train tiny spo.json --epochs 1 --no-check --adapter one --save shared-place");
  expect(glmlab(folder, first)).toMatchObject({ status: 0 });
  // Its own files may be replaced.
  expect(glmlab(folder, first)).toMatchObject({ status: 0 });
  const other = split("train tiny spo.json --epochs 1 --no-check --adapter two --save shared-place");
  const { status, stderr } = glmlab(folder, other);
  expect([status, stderr]).toEqual([2, expect.stringMatching(/shared-place, which holds the adapter one.*--replace/s)]);
  expect(stderr).not.toContain("step 1/");
  expect(glmlab(folder, [...other, "--replace"])).toMatchObject({ status: 0 });
});

test("what was interrupted goes on with --resume, to the losses of a run that was not", async () => {
  const command = split(
    "train tiny spo.json --epochs 20 --batch-size 1 --lr 1e-3 --seed 9 --log-every 1 --no-check --new",
  );
  const whole = glmlab(folder, [...command, "--adapter", "whole"]);
  expect(losses(whole.stderr)).toHaveLength(60);
  const running = startGlmlab(folder, [...command, "--adapter", "halves"]);
  await running.seen("step 3/60");
  running.process.kill("SIGINT");
  expect(await running.ended).toBe(130);
  expect(running.output()).toMatch(/The same command with --resume in place of --new goes on\./);
  const again = command.map((one) => (one === "--new" ? "--resume" : one));
  const { status, stderr } = glmlab(folder, [...again, "--adapter", "halves"]);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^Training halves goes on after step \d+ of 60$/m)]);
  expect([...losses(running.output()), ...losses(stderr)]).toEqual(losses(whole.stderr));
  // Of other rows or options it is refused, and what is there stays as it is.
  const other = glmlab(folder, [...again, "--adapter", "halves", "--batch-size=2"]);
  expect([other.status, other.stderr]).toEqual([2, expect.stringMatching(/given twice|batchSize was 1 and is 2/)]);
});

describe("refuses, before anything is trained", () => {
  test.each([
    [[], 2, /expected a MODEL and DATA, got nothing/],
    [["tiny"], 2, /expected DATA after the model/],
    [["tiny", "spo.json"], 2, /expected --adapter NAME or --save FOLDER, got neither/],
    [["tiny", "spo.json", "--adapter", "a", "more"], 2, /more is one word too many/],
    [["tiny", "spo.json", "--adapter", "a", "--epoch", "3"], 2, /there is no option --epoch\. Did you mean --epochs\?/],
    [
      ["tiny", "spo.json", "--adapter", "a", "--lora_dm", "3"],
      2,
      /there is no option --lora_dm\. Did you mean --lora_dim\?/,
    ],
    [["tiny", "spo.json", "--adapter", "a", "--lr", "-1"], 2, /--lr: expected a number from 0, got -1/],
    [["tiny", "spo.json", "--adapter", "a", "--length", "4"], 2, /--length belongs to --method ptuning/],
    [["tiny", "spo.json", "--adapter", "a", "--val", "1.5"], 2, /--val: expected a share of the rows/],
    [["tiny", "spo.json", "--adapter", "a", "--is_skip"], 2, /--is_skip: leaving out rows/],
    [["tiny", "none.json", "--adapter", "a"], 1, /none\.json: .*there is none/],
    [["./none", "spo.json", "--adapter", "a"], 1, /there is no folder/],
    [["tiny", "spo.json", "--save", "spo.json/out"], 1, /cannot be written/],
    [["tiny", "spo.json", "--adapter", "a", "--targets", "nothing"], 1, /nothing/],
  ])("%j", (args, code, message) => {
    const { status, stderr, stdout } = train(...args);
    expect([status, stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(stdout).toBe("");
  });

  test("--help has the options of %%train, and none that need a notebook", () => {
    const { stdout, status } = train("--help");
    expect(status).toBe(0);
    for (const option of ["--epochs N", "--r N", "--val SHARE|FILE", "--rehearse FILE", "--device auto|"]) {
      expect(stdout).toContain(`  ${option}`);
    }
    expect(stdout).not.toMatch(/^ {2}--(to|as|model|use) /m);
  });
});
