/**
 * @file This machine's devices: what they can do at best, and how much of that models get. The processor, and the GPU if there is one.
 *
 *   npm run bench -- device [--device cpu|webgpu] [--shape tiny|small|6b] [--layers N] [--form int4,int8,...] [--seconds 3]
 *                           [--python PATH]
 *   npm run bench -- device --kernels
 *
 * Weights are random and take no more disk than twice the largest in float32 (2.2 GB at 6b shape). Fewer layers than the shape has
 * are measured twice, with half as many, too, and the rest is extrapolated. A software driver is only used when it is asked
 * for: --device webgpu. It takes minutes for a LoRA step; --shape tiny --layers 2 --form float32 is all that one can wait for.
 * --python names a Python with torch, in which the same is measured beside: random weights of the same shape, run eagerly, in float16 on
 * a GPU (CUDA or Metal) where ours run on one and torch has one, else in float32 on the processor. Its threads wait for each other: where
 * a processor has other work, they take up to a hundred times as long, and the ratio says nothing.
 * --kernels only counts those that a GPU is told to start, on whatever driver there is.
 */
import { availableParallelism, cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { Device, DeviceName } from "../src/backend/device.ts";
import { machine } from "../src/backend/machine.ts";
import { byteSize } from "../src/byte-size.ts";
import type { ChatGLMConfig } from "../src/models/config.ts";
import { acrossLayers } from "./device/extrapolate.ts";
import { countKernels } from "./device/kernels.ts";
import { type Figures, type Measured, measure } from "./device/measure.ts";
import { measurePeaks } from "./device/peaks.ts";
import { figuresTable, kernelTable, peakLines } from "./device/report.ts";
import { exitWhenTold, type Scratch, scratchFiles } from "./device/scratch.ts";
import { measuredLayers, shapeOf } from "./device/shapes.ts";
import { checkTorch, measureTorch, type TorchFigures, type TorchMeasured } from "./device/torch.ts";
import { type FormName, forms, largestWeight, planOf } from "./device/weights.ts";
import { wholeNumber } from "./whole.ts";

interface Wanted {
  readonly config: ChatGLMConfig;
  /** Those that are measured. */
  readonly layers: readonly number[];
  readonly forms: readonly FormName[];
  readonly seconds: number;
  /** One with torch, to measure beside. */
  readonly python: string | undefined;
}

export async function devices(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      device: { type: "string" },
      shape: { type: "string", default: "6b" },
      layers: { type: "string" },
      form: { type: "string", default: Object.keys(forms).join() },
      seconds: { type: "string", default: "3" },
      python: { type: "string" },
      kernels: { type: "boolean", default: false },
    },
  });
  exitWhenTold();
  if (values.kernels) return reportKernels();
  const config = shapeOf(values.shape);
  const wanted: Wanted = {
    config,
    layers: measuredLayers(config.layers, values.layers),
    forms: values.form.split(",").map(formOf),
    seconds: wholeNumber("seconds", values.seconds),
    python: values.python,
  };
  // Before what takes minutes.
  if (wanted.python !== undefined) await checkTorch(wanted.python);
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, ${byteSize(totalmem())}, Node ${process.version}. ` +
      `Shape ${values.shape}: ${config.layers} x ${config.hidden}.`,
  );
  if (wanted.layers.length > 1) {
    const some = wanted.layers.join(" and ");
    console.log(`**Extrapolated**: ${some} layers were measured; figures are what ${config.layers} would take.`);
  }
  const names = await usable(values.device);
  if (names.length === 0) return;
  const scratch = await scratchFiles(largestWeight(config));
  try {
    for (const name of names) await report(await machine.open(name), wanted, scratch);
  } finally {
    await scratch.dispose();
  }
  if (names.includes("webgpu")) await reportKernels();
}

async function reportKernels(): Promise<void> {
  console.log("\n## Kernels\n\nCounted with small models of one and of three layers, in onnxruntime's log.\n");
  console.log(kernelTable(await countKernels()));
}

/** The one that is asked for; else all that can be used and that do not only pretend to be one. */
async function usable(asked: string | undefined): Promise<DeviceName[]> {
  const names: DeviceName[] = [];
  for (const { name, title, obstacle, isSoftware } of await machine.report()) {
    if (asked === name) return [name];
    if (asked !== undefined) continue;
    const reason = obstacle ?? (isSoftware ? `it is ${title}; --device ${name} measures it nevertheless` : undefined);
    if (reason === undefined) names.push(name);
    else console.log(`Without ${name}: ${reason}.`);
  }
  if (asked === undefined) return names;
  throw new Error(`--device: expected cpu or webgpu, got ${JSON.stringify(asked)}`);
}

async function report(device: Device, wanted: Wanted, scratch: Scratch): Promise<void> {
  const { title } = (await machine.report()).find(({ name }) => name === device.name) ?? {};
  const { config, seconds } = wanted;
  console.log(`\n## ${device.name}: ${title}\n`);
  const peaks = await measurePeaks(device, seconds);
  console.log(`${peakLines(peaks)}\n`);
  const columns = new Map<string, Figures>();
  const notes: string[] = [];
  for (const form of wanted.forms) {
    if (form === "float16" && !device.can.float16) {
      notes.push("float16 is left out: this device has no such numbers.");
      continue;
    }
    if (planOf(config, form, device.can).packs) {
      notes.push(`${form} is left out: here kernels want its weights packed, which \`npm run bench -- models\` does.`);
      continue;
    }
    try {
      const { figures, trainingFailed } = await figuresOf(device, form, wanted, scratch);
      columns.set(form, figures);
      // For those who cannot wait for the table, or whose time is up before.
      console.error(`${form}: ${JSON.stringify(figures)}`);
      if (trainingFailed !== undefined) notes.push(`${form}, LoRA step: ${trainingFailed}`);
    } catch (error) {
      notes.push(`${form}: ${String(error)}`);
    }
  }
  const torch =
    columns.size === 0
      ? undefined
      : await inTorch(device, wanted).catch((error: Error) => void notes.push(`PyTorch: ${error.message}`));
  if (torch) console.log(`${torch.name}: ${torch.title}\n`);
  if (columns.size > 0) console.log(figuresTable(config, columns, peaks, device.can.ownMemory, torch));
  if (notes.length > 0) console.log(`\n${notes.map((note) => `- ${note}`).join("\n")}`);
}

async function figuresOf(
  device: Device,
  form: FormName,
  { config, layers, seconds }: Wanted,
  scratch: Scratch,
): Promise<Measured> {
  const { figures, seen } = await acrossLayers<keyof Figures, Measured>(config.layers, layers, (some) =>
    measure({ config: { ...config, layers: some }, form, device, scratch }, seconds),
  );
  const failed = seen.find(({ trainingFailed }) => trainingFailed !== undefined)?.trainingFailed;
  return failed === undefined ? { figures } : { figures, trainingFailed: failed };
}

/** The same in PyTorch, where that is asked for. */
async function inTorch(
  { name }: Device,
  { config, layers, seconds, python }: Wanted,
): Promise<TorchMeasured | undefined> {
  if (python === undefined) return undefined;
  const { figures, seen } = await acrossLayers<keyof TorchFigures, TorchMeasured>(config.layers, layers, (some) =>
    measureTorch(python, { ...config, layers: some }, name, seconds),
  );
  const measured = { ...(seen[0] as TorchMeasured), figures };
  console.error(`${measured.name}: ${JSON.stringify(figures)}`);
  return measured;
}

function formOf(name: string): FormName {
  if (name in forms) return name as FormName;
  throw new Error(
    `--form: expected some of ${Object.keys(forms).join(", ")}, with commas, got ${JSON.stringify(name)}`,
  );
}
