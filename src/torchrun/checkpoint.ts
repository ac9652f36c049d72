/** @file The checkpoint that a job trains: whether transformers can load it, with the code that is published beside it. */
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { namesIn, readText } from "../regular-file.ts";

export interface Checkpoint {
  readonly folder: string;
  /** `model_type` of its config.json. */
  readonly modelType: string;
  /** The token that rows are filled up with. */
  readonly pad: number;
}

/**
 * @throws GlmError "model-invalid" without its code, "unsupported" for one that is quantised, or whose generation transformers does not have
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const path = join(folder, "config.json");
  const config = await readText(path)
    .then((text) => JSON.parse(text) as Record<string, unknown>)
    .catch((cause: Error) => {
      throw new GlmError(
        "model-invalid",
        `${path}: expected the configuration of a published checkpoint, but it cannot be read (${cause.message}). Name the checkpoint's folder (checkpoint, --checkpoint).`,
      );
    });
  const modelType = String(config.model_type ?? "chatglm");
  if (Number(config.quantization_bit ?? 0) > 0) {
    throw new GlmError(
      "unsupported",
      `${folder}: expected a checkpoint in float32, float16 or bfloat16, got one in ${config.quantization_bit} bits, which the published code ` +
        'does not train on several processes. Name the checkpoint that it was made of (checkpoint, --checkpoint), or train on this machine (engine: "local").',
    );
  }
  if (modelType === "chatglm") mustHaveCode(folder, config, await namesIn(folder));
  else if (modelType !== "glm") {
    throw new GlmError(
      "unsupported",
      `${folder}: expected model_type chatglm or glm, got ${JSON.stringify(modelType)}. Name a ChatGLM checkpoint.`,
    );
  }
  const pad = Number(config.pad_token_id ?? 0);
  return { folder, modelType, pad: Number.isInteger(pad) && pad >= 0 ? pad : 0 };
}

function mustHaveCode(folder: string, config: Record<string, unknown>, names: readonly string[]): void {
  const map = Object.values((config.auto_map ?? {}) as Record<string, unknown>).flat();
  const files = map.flatMap((entry) => {
    const [module] = typeof entry === "string" ? (entry.split("--").pop() as string).split(".") : [];
    return module ? [`${module}.py`] : [];
  });
  const missing = [...new Set(files)].filter((name) => !names.includes(name));
  if (files.length > 0 && missing.length === 0) return;
  const what = files.length === 0 ? "an auto_map in config.json and modeling_chatglm.py" : missing.join(", ");
  throw new GlmError(
    "model-invalid",
    `${folder}: expected the published code of the model beside its weights, but ${what} ${missing.length > 1 ? "are" : "is"} not there: glmlab ` +
      "itself downloads no code. Download the whole checkpoint (huggingface-cli download THUDM/chatglm3-6b --local-dir FOLDER) and name it " +
      "(checkpoint: FOLDER, --checkpoint FOLDER); a model without published code trains on this machine only.",
  );
}
