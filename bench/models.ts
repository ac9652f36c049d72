/**
 * @file A model of ChatGLM3-6B's shape in 4 and 8 bits: speed, accuracy, loading and memory, beside llama.cpp.
 *
 *   npm run bench -- models [--form int4|int8|both] [--layers 28] [--rounds 5] [--folder F] [--keep] [--install]
 *
 * Weights are random, all tensors different, the same for both engines; each engine has a process of its own. For the
 * speed both stay loaded and take turns within each round, and ratios are taken within a round. All 28 layers take some
 * 30 GB of disk, which are freed at the end unless --keep, and half an hour; --layers 2 takes a few minutes.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorsOf } from "./models/accuracy.ts";
import { type Form, forms } from "./models/forms.ts";
import { hasLlama, installLlama } from "./models/llama-package.ts";
import { reloading } from "./models/loading.ts";
import { chatglm3 } from "./models/random-model.ts";
import { accuracyTable, gigabytes, loadingTable, memoryTable, speedTable } from "./models/report.ts";
import { answering, preparing, together, training } from "./models/residence.ts";
import { race } from "./models/speed.ts";
import { Workspace } from "./models/workspace.ts";
import { wholeNumber } from "./whole.ts";

/** Layers of the model whose logits are compared with float32's, which would not fit the memory with 28. */
const COMPARED_LAYERS = 4;
const LOADS = 3;

export async function models(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      form: { type: "string", default: "both" },
      layers: { type: "string", default: String(chatglm3.layers) },
      rounds: { type: "string", default: "5" },
      folder: { type: "string" },
      keep: { type: "boolean", default: false },
      install: { type: "boolean", default: false },
    },
  });
  const chosen = formsOf(values.form);
  const rounds = wholeNumber("rounds", values.rounds);
  const shape = { ...chatglm3, layers: wholeNumber("layers", values.layers) };
  if (values.install) installLlama();
  if (!hasLlama()) throw new Error("node-llama-cpp is not there yet: --install gets it (90 MB from the npm registry)");
  const threads = availableParallelism();
  console.log(`${cpus()[0]?.model}, ${threads} cores, ${gigabytes(totalmem())}, Node ${process.version}`);
  const folder = values.folder ? resolve(values.folder) : await mkdtemp(join(tmpdir(), "glmlab-models-"));
  const few = { ...shape, layers: Math.min(shape.layers, COMPARED_LAYERS) };
  await within(new Workspace(join(folder, `${few.layers}-layers`), few, threads), values.keep, async (workspace) => {
    console.log(`\n## Accuracy, ${few.layers} layers\n`);
    for (const form of chosen) console.log(await accuracy(workspace, form));
  });
  await within(
    new Workspace(join(folder, `${shape.layers}-layers`), shape, threads),
    values.keep,
    async (workspace) => {
      for (const form of chosen) {
        console.log(`\n## ${form}, ${shape.layers} layers\n`);
        await measure(workspace, form, rounds);
        if (!values.keep) await workspace.drop(form);
      }
    },
  );
  // A folder that was given may hold other things.
  if (!values.keep && !values.folder) await rm(folder, { recursive: true, force: true });
}

async function within(
  workspace: Workspace,
  keep: boolean,
  use: (workspace: Workspace) => Promise<void>,
): Promise<void> {
  try {
    await use(workspace);
  } finally {
    if (!keep) await workspace.dispose();
  }
}

async function accuracy(workspace: Workspace, form: Form): Promise<string> {
  await workspace.prepare(form);
  const errors = await errorsOf(workspace, form);
  return accuracyTable(form, errors);
}

/** Prints each table as soon as it is measured: a whole run takes long. */
async function measure(workspace: Workspace, form: Form, rounds: number): Promise<void> {
  await workspace.prepare(form);
  const start = () => workspace.ours(form);
  const first = await preparing(start());
  const [ours, llama] = [start(), workspace.llama(form)];
  try {
    await ours.load();
    await llama.load();
    console.log(speedTable(form, await race(ours, llama, rounds)), "\n");
  } finally {
    await Promise.all([ours.dispose(), llama.dispose()]);
  }
  const again = await reloading(start, workspace.folder, LOADS);
  const theirs = await reloading(() => workspace.llama(form), workspace.folder, LOADS);
  console.log(loadingTable(first, again, theirs), "\n");
  const memory = {
    mapped: again.bytes,
    llamaFile: (await stat(workspace.llamaFile(form))).size,
    first: first.peak,
    answering: await answering(start()),
    llama: await answering(workspace.llama(form)),
    together: await together(start),
    training: await training(start()),
  };
  console.log(memoryTable(memory));
}

function formsOf(name: string): readonly Form[] {
  if (name === "both") return ["int4", "int8"];
  if (name in forms) return [name as Form];
  throw new Error(`--form: expected ${Object.keys(forms).join(", ")} or both, got ${name}`);
}
