/** @file What %model does. */

import { modelForm } from "../../src/engine/model-form.ts";
import { type ChatGLM, type LoadOptions, load } from "../../src/index.ts";
import { parameterCount } from "../../src/models/architectures.ts";
import { isInterrupt } from "../interrupt.ts";
import { write } from "../live.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { duration, short } from "../render/text.ts";
import { currentModel as current, loadedModel, sessionOf, setCurrentModel } from "../session.ts";
import { refreshAdapters } from "./adapter.ts";

/** Loads a model, makes it the current one and says so. */
export async function model(name: string, options: Omit<LoadOptions, "onProgress"> = {}): Promise<ChatGLM> {
  const start = performance.now();
  const bar = new ProgressBar({ title: `Loading ${name}`, delay: PATIENCE });
  try {
    const loaded = await load(name, {
      ...options,
      onProgress: ({ stage, ...progress }) => bar.update({ ...progress, title: `Loading ${name}: ${stage}` }),
    });
    bar.update({ done: 1, total: 1, title: `Loading ${name}` });
    bar.finish();
    await greet(loaded, (performance.now() - start) / 1000);
    return loaded;
  } catch (error) {
    bar.finish(isInterrupt(error) ? "stopped" : "failed");
    const still = loadedModel();
    // Its variable still holds it, too: who goes on without looking should know with what.
    if (still) write(`${name} is not loaded. The model in use is still ${describe(still)}.\n`, "stderr");
    throw error;
  }
}

/** Makes a model that a cell has loaded the current one. */
export async function useModel(loaded: ChatGLM): Promise<ChatGLM> {
  await greet(loaded);
  return loaded;
}

/** Says which model is loaded, and returns it. */
export async function currentModel(): Promise<ChatGLM> {
  const loaded = current();
  write(`${describe(loaded)}\n`);
  return loaded;
}

async function greet(loaded: ChatGLM, seconds?: number): Promise<void> {
  setCurrentModel(loaded);
  const names = [...new Set((await refreshAdapters(loaded)).map(({ name }) => name))];
  const took =
    seconds === undefined ? "" : loaded.info.resident ? ", in memory already" : `, loaded in ${duration(seconds)}`;
  const adapters = names.length === 0 ? "" : ` Adapters: ${names.join(", ")}.`;
  const note = loaded.info.note === undefined ? "" : `\n${loaded.info.note}`;
  write(`${describe(loaded)}${took}.${adapters}${note}\n`);
}

function describe(loaded: ChatGLM): string {
  const { name, family, device, deviceReason } = loaded.info;
  const { adapter } = sessionOf(loaded);
  const inUse = adapter === null ? "" : `, answering with ${adapter}`;
  return `${name}: ${family}, ${short(parameterCount(loaded.config))} parameters, ${device}${deviceReason === undefined ? "" : ` (${deviceReason})`}, ${modelForm(loaded.info)}${inUse}`;
}
