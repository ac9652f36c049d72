/** @file Commands of ChatGLM-Finetuning and configurations of finetune_demo, as options of `glmlab train`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Translated, UsageError } from "../../kernel/commands/command.ts";
import { train } from "../../kernel/commands/train.ts";
import { FIT_OPTIONS } from "../../magics/define/train.ts";
import { publishedGlm } from "../published-config.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-words-"));
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data", "train.json"), "[]");
  mkdirSync(join(folder, "glm"));
  writeFileSync(join(folder, "glm", "config.json"), JSON.stringify(publishedGlm));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const translate = async (...words: string[]): Promise<Translated> =>
  (await train.foreign?.translate(words)) ?? { args: words, lines: [] };
const refusal = (...words: string[]): Promise<unknown> => translate(...words).catch((error: unknown) => error);
const split = (text: string): string[] => text.trim().split(/\s+/);

/** What the option table has by now. */
const has = (option: string): boolean => option in FIT_OPTIONS;

describe("ChatGLM-Finetuning", () => {
  const least = "--train_path d.json --model_name_or_path tiny";

  test("a command's flags become options, each with a line; its own defaults count", async () => {
    const { args, lines } = await translate(
      ...split(`CUDA_VISIBLE_DEVICES=0,1 deepspeed --master_port 520 train.py ${least} --per_device_train_batch_size 1
        --max_len 1560 --max_src_len 1024 --learning_rate 1e-4 --weight_decay 0.1 --num_train_epochs 2
        --gradient_accumulation_steps 4 --mode glm3 --train_type lora --lora_dim 16 --lora_alpha 64 --lora_dropout 0.05
        --lora_module_name query_key_value,dense --seed 7 --ds_file ds.json --show_loss_step 10 --output_dir ./out`),
    );
    expect(args.slice(0, 2)).toEqual(["tiny", "d.json"]);
    expect(args).toEqual(expect.arrayContaining(["--seed", "7"]));
    expect(new Set(args.filter((one) => one.includes("=") || /^--(?!seed)/.test(one)))).toEqual(
      new Set([
        ...["--batch-size=1", "--max-length=1560", "--max-prompt-length=1024", "--lr=1e-4", "--weight-decay=0.1"],
        ...["--epochs=2", "--accumulate=4", "--family=chatglm3-6b", "--learn-role", "--method=lora", "--r=16"],
        ...["--alpha=64", "--dropout=0.05", "--targets=query_key_value,dense", "--log-every=10", "--save=./out"],
        ...["--warmup=0.1", "--scheduler=linear", "--new", "--no-check"],
      ]),
    );
    expect(lines).toContain("--lora_dim 16 -> --r 16");
    expect(lines).toContain("--max_src_len 1024 -> --max-prompt-length 1024");
    expect(lines.find((line) => line.startsWith("--master_port 520"))).toMatch(/nothing here/);
    expect(lines.find((line) => line.startsWith("CUDA_VISIBLE_DEVICES"))).toMatch(/as --accumulate 2 does/);
    expect(lines.find((line) => line.startsWith("--ds_file ds.json"))).toMatch(/nothing here, DeepSpeed/);
    expect(lines.at(-1)).toBe("As train.py does by itself: --warmup 0.1 --scheduler linear --new --no-check");
  });

  test.each([
    ["freeze", "--freeze_module_name layers.27.,layers.26.", ["--method=freeze", "--match=layers.27.,layers.26."]],
    ["freeze", "", ["--method=freeze", "--match=layers.27."]],
    ["ptuning", "--pre_seq_len 32", ["--method=ptuning", "--length=32", "--projection"]],
    ["all", "", ["--method=full"]],
    ["lora", "", ["--method=lora", "--alpha=30", "--dropout=0.1", "--targets=query_key_value"]],
  ])("--train_type %s %s", async (type, more, expected) => {
    const { args } = await translate(...split(`python3 train.py ${least} --train_type ${type} ${more}`));
    expect(args).toEqual(expect.arrayContaining(expected));
    const others = ["--r=", "--alpha=", "--match=", "--length=", "--projection"].filter(
      (start) => !expected.some((one) => one.startsWith(start)),
    );
    expect(args.filter((one) => others.some((start) => one.startsWith(start)))).toEqual([]);
  });

  test("False is no projection, and flags of another type do nothing; both are said", async () => {
    const { args, lines } = await translate(
      ...split(`${least} --train_type ptuning --prefix_projection False --lora_dim 8`),
    );
    expect(args).not.toContain("--projection");
    expect(lines).toContain(
      "--prefix_projection False: without a projection (train.py itself takes every word for True)",
    );
    expect(lines).toContain("--lora_dim 8: nothing, it is for --train_type lora, and this is ptuning");
  });

  test("one flag among our own options brings no defaults along", async () => {
    expect(await translate("tiny", "d.json", "--adapter", "a", "--lora_dim=4")).toEqual({
      args: ["tiny", "d.json", "--adapter", "a", "--r=4"],
      lines: ["--lora_dim=4 -> --r 4"],
    });
    const { args } = await translate("tiny", "d.json", "--adapter", "a", "--pre_seq_len", "4");
    expect(args).toEqual(["tiny", "d.json", "--adapter", "a", "--length=4", "--method=ptuning"]);
  });

  test("our own options beside them win, and words of our own stay as they are", async () => {
    const { args, lines } = await translate(...split(`${least} --lora_dim 8 --r 2 --epochs 3 --output_dir o`));
    expect(args.filter((one) => /^--(r|epochs)/.test(one))).toEqual(["--r", "--epochs"]);
    expect(lines).toContain("--lora_dim 8: --r is given beside it, and counts");
    const own = ["tiny", "d.json", "--adapter", "a", "--epochs", "3"];
    expect(await translate(...own)).toEqual({ args: own, lines: [] });
  });

  test("what is not done here is refused, all of it at once", async () => {
    const error = await refusal(...split(`${least} --is_skip --mode glm9 --train_type lore --lora_dim x`));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(
      /--is_skip: [\s\S]*--mode glm9: [\s\S]*--train_type lore: [\s\S]*--lora_dim x: expected/,
    );
  });

  test.runIf(has("gradient-checkpointing"))("the command of its README, as it stands there", async () => {
    const { args } = await translate(
      ...split(`CUDA_VISIBLE_DEVICES=0 deepspeed --master_port 520 train.py --train_path data/spo_0.json
          --model_name_or_path ChatGLM3-6B/ --per_device_train_batch_size 1 --max_len 1560 --max_src_len 1024
          --learning_rate 1e-4 --weight_decay 0.1 --num_train_epochs 2 --gradient_accumulation_steps 4 --warmup_ratio 0.1
          --mode glm3 --train_type freeze --freeze_module_name layers.27.,layers.26.,layers.25.,layers.24. --seed 1234
          --ds_file ds_zero2_no_offload.json --gradient_checkpointing --show_loss_step 10 --output_dir ./output-glm3`),
    );
    expect(args).toEqual(expect.arrayContaining(["--warmup=0.1", "--gradient-checkpointing", "--save=./output-glm3"]));
  });
});

/** As finetune_demo's configurations are. */
const yaml = (peft: string, training = ""): string => `
data_config:
  train_file: train.json
  val_file: dev.json
  test_file: dev.json
  num_proc: 16
max_input_length: 256
max_output_length: 512
training_args:
  # see transformers.Seq2SeqTrainingArguments
  output_dir: ./output
  learning_rate: 5e-5
  per_device_train_batch_size: 4
  dataloader_num_workers: 16
  remove_unused_columns: false
  save_strategy: steps
  save_steps: 500
  log_level: info
  logging_strategy: steps
  logging_steps: 10
  per_device_eval_batch_size: 16
  predict_with_generate: true
  generation_config:
    max_new_tokens: 512
${training}
${peft}`;

const LORA = `peft_config:
  peft_type: LORA
  task_type: CAUSAL_LM
  r: 8
  lora_alpha: 32
  lora_dropout: 0.1
`;

describe("finetune_demo", () => {
  const config = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };

  test("every key of a configuration has a line", async () => {
    const file = config("lora.yaml", yaml(LORA, "  use_cpu: true\n  evaluation_strategy: epoch"));
    const { args, lines } = await translate(
      ...["--config", file, join(folder, "data"), join(folder, "glm"), "--family", "chatglm3-6b"],
    );
    expect(args.slice(0, 2)).toEqual([join(folder, "glm"), join(folder, "data", "train.json")]);
    expect(new Set(args.slice(2))).toEqual(
      new Set([
        ...[`--val=${join(folder, "data", "dev.json")}`, "--max-length=769", "--save=./output", "--lr=0.00005"],
        ...[
          "--batch-size=4",
          "--log-every=10",
          "--device=cpu",
          "--method=lora",
          "--r=8",
          "--alpha=32",
          "--dropout=0.1",
        ],
        ...[
          "--whole",
          "--family=chatglm3-6b",
          "--weight-decay=0",
          "--epochs=3",
          "--scheduler=linear",
          "--seed=42",
          "--new",
          "--no-check",
        ],
      ]),
    );
    const keys = [...yaml(LORA).matchAll(/^ {2}(\w+):/gm)].map((match) => match[1] as string);
    const told = keys.filter((key) => !lines.some((line) => line.startsWith(`${key}:`)));
    expect(told).toEqual([]);
  });

  test("finetune_hf.py's own order of words, and ours, mean the same", async () => {
    const file = config("order.yaml", yaml(LORA));
    const [data, model] = [join(folder, "data"), join(folder, "glm")];
    const { args } = await translate("--config", file, data, model);
    expect((await translate("python", "finetune_hf.py", data, model, file)).args).toEqual(args);
    expect((await translate("--config", file, model, data)).args).toEqual(args);
    expect((await translate("torchrun", "--nproc_per_node=8", "finetune_hf.py", data, model, file, "no")).args).toEqual(
      args,
    );
  });

  test.each([
    [
      "peft_config:\n  peft_type: PREFIX_TUNING\n  task_type: CAUSAL_LM\n  num_virtual_tokens: 128\n  num_attention_heads: 2\n  token_dim: 256\n",
      ["--method=ptuning", "--length=128"],
    ],
    ["", ["--method=full"]],
    [
      "peft_config:\n  peft_type: LORA\n  target_modules: [query_key_value, dense]\n",
      ["--targets=query_key_value,dense", "--alpha=8"],
    ],
  ])("peft_config %j", async (peft, expected) => {
    const file = config("peft.yaml", yaml(peft));
    const { args } = await translate("--config", file, join(folder, "data"), "tiny");
    expect(args).toEqual(expect.arrayContaining(expected));
    expect(args).not.toContain("--whole");
  });

  test("keys that mean something and are not done here are refused by name", async () => {
    const text = yaml(`${LORA}  layers_to_transform: [1]\n`, "  label_smoothing_factor: 0.1\n  max_stepss: 3");
    const error = (await refusal("--config", config("bad.yaml", text), join(folder, "data"), "tiny")) as Error;
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/label_smoothing_factor: 0\.1: not done here/);
    expect(error.message).toMatch(/training_args\.max_stepss: it is not understood\. Did you mean max_steps\?/);
    expect(error.message).toMatch(/peft_config\.layers_to_transform: it is not understood/);
  });

  test.each([
    ["none", undefined, /there is none/],
    ["broken.yaml", "a: [1", /expected a configuration of finetune_demo/],
    ["list.yaml", "- 1\n", /its whole is \[1\]/],
    ["empty.yaml", "a: 1\n", /data_config\.train_file: expected the name of a file/],
  ])("%s is no configuration", async (name, text, message) => {
    const file = text === undefined ? join(folder, name) : config(name, text);
    expect(await refusal("--config", file, join(folder, "data"), "tiny")).toMatchObject({
      code: "data-invalid",
      message: expect.stringMatching(message),
    });
  });

  test("steps instead of epochs", async () => {
    const text = yaml(LORA, "  max_steps: 3000\n  evaluation_strategy: steps\n  eval_steps: 500");
    const { args } = await translate(
      "--config",
      config("steps.yaml", text),
      join(folder, "data"),
      "tiny",
      "--max-steps",
      "2",
    );
    expect(args).toContain("--validate-every=500");
    expect(args.filter((one) => one.startsWith("--max-steps"))).toEqual(["--max-steps=2"]);
  });
});
