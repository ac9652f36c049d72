/**
 * @file Writes the trained weights into models/tiny as a ChatGLM2 checkpoint in float16.
 *
 *   node dist/scripts/tiny/export.js [checkpoint] [folder]
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { toFloat16 } from "../../src/float16.ts";
import { parametersOf } from "../../src/models/architectures.ts";
import type { FloatTensor } from "../../src/tensor.ts";
import { loadTrainingState } from "../../src/train/training-state.ts";
import { writeCheckpoint } from "../../src/weights/checkpoint.ts";
import { checkpointFile, tinyConfig, tinyFolder } from "./train.ts";

const [checkpoint = checkpointFile, folder = tinyFolder] = process.argv.slice(2);
const { parameters, progress, optimizer } = await loadTrainingState(checkpoint);
const sources = parametersOf(await tinyConfig()).map(({ name, shape }) => ({
  name,
  dtype: "float16" as const,
  shape,
  read: () => toFloat16(parameters[name] as FloatTensor),
}));
await mkdir(folder, { recursive: true });
if (folder !== tinyFolder) {
  for (const file of ["config.json", "tokenizer.model", "tokenizer_config.json"]) {
    await copyFile(join(tinyFolder, file), join(folder, file));
  }
}
await writeCheckpoint(folder, sources);
console.log(`${folder}: weights after step ${optimizer?.step} of ${JSON.stringify(progress)}`);
