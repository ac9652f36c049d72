/** @file `glmlab params`: PEFT's line from a config.json alone, and what is said of words that make no sense. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publishedChatglm6b, publishedGlm } from "../published-config.ts";

const cli = fileURLToPath(new URL("../../dist/kernel/cli.js", import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-params-"));
  const write = (name: string, config: object): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "config.json"), JSON.stringify(config));
  };
  write("glm", { ...publishedGlm, torch_dtype: "float16" });
  write("int4", { ...publishedChatglm6b, quantization_bit: 4 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function params(...args: string[]) {
  return spawnSync(process.execPath, [cli, "params", ...args], { encoding: "utf8", cwd: folder });
}

describe("prints the line", () => {
  test.each([
    [["glm"], "trainable params: 1,949,696 || all params: 6,245,533,696 || trainable%: 0.031217444255383614"],
    [
      ["./glm/config.json", "--method", "adalora", "--init-r", "12"],
      "trainable params: 2,924,880 || all params: 6,246,508,908 || trainable%: 0.04682423483386154",
    ],
    [
      ["int4", "--method=freeze", "--match", "layers.27.,layers.26.,layers.25.,layers.24.,layers.23.,"],
      "trainable params: 81,920 || all params: 3,355,746,304 || trainable%: 0.0024411857327341037",
    ],
    [
      ["int4", "--method", "ptuning", "--length", "16", "--projection"],
      "trainable params: 956,600,320 || all params: 4,312,346,624 || trainable%: 22.1828253479468",
    ],
  ])("of %j", (args, line) => {
    expect(params(...args)).toMatchObject({ stdout: `${line}\n`, stderr: "", status: 0 });
  });
});

test("a layer's number without a dot at its end is pointed out", () => {
  const { stderr, status } = params("int4", "--method", "freeze", "--match", "layers.2");
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(/^layers\.2 is in the names of layers 2, 20, .* and 27, which/),
  ]);
});

test("--all prints the table, --json what is in it", () => {
  const { stdout } = params("glm", "--all");
  expect(stdout).toMatch(/^trainable params: 1,949,696 /);
  expect(stdout).toMatch(/\ntransformer\.encoder\.layers\.0–27\.self_attention\.query_key_value\n {2}weight +28 × \[/);
  const told = JSON.parse(params("glm", "--all", "--json", "--r", "4").stdout);
  expect(told).toMatchObject({
    model: "glm",
    method: { method: "lora", r: 4, targets: ["query_key_value"] },
    trainable: 974_848,
    all: 6_244_558_848,
    percent: (100 * 974_848) / 6_244_558_848,
    memory: { gradients: 4 * 974_848, optimizer: 8 * 974_848 },
  });
  expect(told.groups).toContainEqual({
    module: "transformer.encoder.layers.0–27.self_attention.query_key_value",
    tensor: "lora_A.weight",
    times: 28,
    shape: [4, 4096],
    dtype: "float32",
    trains: true,
    count: 28 * 4 * 4096,
    values: 4 * 28 * 4 * 4096,
    gradients: 4 * 28 * 4 * 4096,
    optimizer: 8 * 28 * 4 * 4096,
  });
  expect(JSON.parse(params("glm", "--json").stdout)).not.toHaveProperty("groups");
});

test("--help lists the methods' options with their defaults", () => {
  const { stdout, status } = params("--help");
  expect(status).toBe(0);
  expect(stdout).toMatch(/--method lora\|adalora\|ptuning\|freeze\|embeddings\|full\n.*Default: lora/);
  expect(stdout).toMatch(/--init-r N .*Default: 12\./);
});

describe("refuses", () => {
  test.each([
    [[], 2, /expected a MODEL/],
    [["glm", "int4"], 2, /int4 is one word too many/],
    [["glm", "--method", "lara"], 2, /--method: expected one of lora, .*, got lara\. Did you mean lora\?/],
    [["glm", "--length", "4"], 2, /--length belongs to --method ptuning, and the method is lora/],
    [["glm", "--freeze_module_name", "layers.27."], 2, /it names what trains.*--method freeze --match/],
    [["glm", "--r", "0"], 2, /--r: expected a whole number from 1, got 0/],
    [["glm", "--r", "x"], 2, /--r: expected a whole number from 1, got x/],
    [["glm", "--method", "--all"], 2, /--method expects a value/],
    [["glm", "--r", "4", "--r", "8"], 2, /--r is given twice/],
    [["glm", "--targets", "a,,b"], 2, /--targets: expected a list/],
    [["glm", "--targets", "no_such"], 1, /no_such: .*It has|no_such/],
    [["glm", "--method", "freeze", "--layers", "29"], 1, /from 1 to 28, the model's, got 29/],
    [["int4", "--quantize", "int8"], 2, /published in int4/],
    [["nothing"], 1, /there is no folder/],
    [["THUDM/chatglm3-6b"], 1, /HF_HUB_OFFLINE/],
    [["glm", "--jsn"], 2, /there is no option --jsn\. Did you mean --json\?/],
  ])("%j", (args, code, message) => {
    const { status, stderr, stdout } = params(...args);
    expect([status, stdout]).toEqual([code, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("    at ");
  });
});
