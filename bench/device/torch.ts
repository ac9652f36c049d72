/** @file The same figures of a model in PyTorch, in a process of its own that takes what it holds along when it ends. */
import { z } from "zod";
import type { DeviceName } from "../../src/backend/device.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { LEARNING_RATE, LORA } from "../lora-model.ts";
import { PythonScript } from "../python-script.ts";
import { lowerQuartile, median } from "../timing.ts";
import { ANSWER, CONTEXT, type Figures, LEAST, PROMPT, TOGETHER, WARM } from "./measure.ts";
import { BATCH } from "./training.ts";

/** Those of ours that PyTorch has, too. */
export type TorchFigures = Pick<Figures, "alone" | "together" | "prompt" | "train">;

export interface TorchMeasured {
  /** "PyTorch 2.15.0, cuda, float16" */
  readonly name: string;
  /** Which GPU it is, or how many threads. */
  readonly title: string;
  readonly figures: TorchFigures;
}

/** The first with grouped queries in its attention. */
const OLDEST = [2, 5] as const;

const begun = z.union([z.object({ version: z.string() }), z.object({ missing: z.string() })]);
const seconds = z.array(z.number().positive()).min(1);
const report = z.object({
  device: z.enum(["cpu", "cuda", "mps"]),
  title: z.string(),
  dtype: z.enum(["float16", "float32"]),
  seconds: z.object({ alone: seconds, together: seconds, prompt: seconds, train: seconds }),
});

/** @throws Error that names the option, unless that Python has a torch that will do */
export async function checkTorch(python: string): Promise<void> {
  const { script } = await started(python);
  script.dispose();
}

/**
 * On a GPU where ours is on one and torch has one; else on the processor.
 * @param wanted seconds for each figure, about
 */
export async function measureTorch(
  python: string,
  config: ChatGLMConfig,
  device: DeviceName,
  wanted: number,
): Promise<TorchMeasured> {
  const { script, version } = await started(python);
  try {
    script.send({
      ...{ kind: device === "cpu" ? "cpu" : "gpu", shape: config, seconds: wanted },
      ...{ context: CONTEXT, answer: ANSWER, warm: WARM, least: LEAST, together: TOGETHER, prompt: PROMPT },
      ...{ batch: BATCH, lora: LORA, optimizer: adamWConfig({ lr: LEARNING_RATE }) },
    });
    return torchMeasured(version, await script.next());
  } finally {
    script.dispose();
  }
}

/**
 * What the process says of itself, by the statistics that ours are reported with.
 * @throws Error that says what is wrong with it
 */
export function torchMeasured(version: string, answer: unknown): TorchMeasured {
  const { success, data, error } = report.safeParse(answer);
  if (!success) throw new Error(`bench/device_torch.py: its figures cannot be read.\n${z.prettifyError(error)}`);
  const { device, title, dtype, seconds } = data;
  return {
    name: `PyTorch ${version}, ${device}, ${dtype}`,
    title,
    figures: {
      alone: median(seconds.alone),
      together: median(seconds.together),
      prompt: median(seconds.prompt),
      train: lowerQuartile(seconds.train),
    },
  };
}

async function started(python: string): Promise<{ readonly script: PythonScript; readonly version: string }> {
  const script = new PythonScript(python, "device_torch.py");
  try {
    const answer = await script.next().catch((error: Error) => {
      throw new Error(`${expectedOf(python)}: ${error.message}`);
    });
    return { script, version: versionOf(python, answer) };
  } catch (error) {
    script.dispose();
    throw error;
  }
}

const expectedOf = (python: string): string =>
  `--python: expected a Python with torch ${OLDEST.join(".")} or newer, got ${JSON.stringify(python)}`;

/** Without what comes after a plus: "2.15.0+cu132" is 2.15.0. */
export function versionOf(python: string, answer: unknown): string {
  const { success, data } = begun.safeParse(answer);
  const expected = expectedOf(python);
  const remedy = `${python} -m pip install --upgrade torch`;
  if (!success) throw new Error(`${expected}, which answers ${JSON.stringify(answer)}`);
  if ("missing" in data) throw new Error(`${expected}, which says: ${data.missing}. Get it with ${remedy}`);
  const [version = ""] = data.version.split("+");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return version;
  throw new Error(`${expected}, which has ${version}. Get it with ${remedy}`);
}
