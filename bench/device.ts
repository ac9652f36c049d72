/**
 * @file This machine's devices: what they can do at best, and how much of that models get. The processor, and the GPU if there is one.
 *
 *   npm run bench -- device [--device cpu|webgpu] [--shape tiny|small|6b] [--layers N] [--form int4,int8,...] [--seconds 3]
 *   npm run bench -- device --kernels
 *
 * Weights are random and take no more disk than two files of the size of the largest (2.2 GB at 6b shape). Fewer layers than the shape has
 * are measured twice, with half as many, too, and the rest is extrapolated. A software driver is only used when it is asked
 * for: --device webgpu. It takes minutes for a LoRA step; --shape tiny --layers 2 --form float32 is all that one can wait for.
 * --kernels only counts those that a GPU is told to start, on whatever driver there is.
 */
import { availableParallelism, cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { Device, DeviceName } from "../src/backend/device.ts";
import { machine } from "../src/backend/machine.ts";
import { byteSize } from "../src/byte-size.ts";
import type { ChatGLMConfig } from "../src/models/config.ts";
import { extrapolated } from "./device/extrapolate.ts";
import { countKernels } from "./device/kernels.ts";
import { type Figures, type Measured, measure } from "./device/measure.ts";
import { measurePeaks } from "./device/peaks.ts";
import { figuresTable, kernelTable, peakLines } from "./device/report.ts";
import { exitWhenTold, type Scratch, scratchFiles } from "./device/scratch.ts";
import { measuredLayers, shapeOf } from "./device/shapes.ts";
import { type FormName, forms, largestWeight, planOf } from "./device/weights.ts";
import { wholeNumber } from "./whole.ts";

interface Wanted {
  readonly config: ChatGLMConfig;
  /** Those that are measured. */
  readonly layers: readonly number[];
  readonly forms: readonly FormName[];
  readonly seconds: number;
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
  };
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
  if (columns.size > 0) console.log(figuresTable(config, columns, peaks, device.can.ownMemory));
  if (notes.length > 0) console.log(`\n${notes.map((note) => `- ${note}`).join("\n")}`);
}

async function figuresOf(
  device: Device,
  form: FormName,
  { config, layers, seconds }: Wanted,
  scratch: Scratch,
): Promise<Measured> {
  const seen: (Measured & { readonly layers: number })[] = [];
  for (const some of layers) {
    seen.push({
      layers: some,
      ...(await measure({ config: { ...config, layers: some }, form, device, scratch }, seconds)),
    });
  }
  const [few, more] = seen as [(typeof seen)[number], (typeof seen)[number] | undefined];
  if (!more) return few;
  const failed = few.trainingFailed ?? more.trainingFailed;
  const figures = extrapolated<keyof Figures>(
    { layers: few.layers, figures: { ...few.figures } },
    { layers: more.layers, figures: { ...more.figures } },
    config.layers,
  );
  return failed === undefined ? { figures } : { figures, trainingFailed: failed };
}

function formOf(name: string): FormName {
  if (name in forms) return name as FormName;
  throw new Error(
    `--form: expected some of ${Object.keys(forms).join(", ")}, with commas, got ${JSON.stringify(name)}`,
  );
}
