/** @file How a command loads its model, and whose adapters it sees. */
import { randomUUID } from "node:crypto";
import { LOAD_OPTIONS } from "../../magics/define/model.ts";
import { isInterrupt } from "../../magics/interrupt.ts";
import type { OptionTable } from "../../magics/option.ts";
import { PATIENCE, ProgressBar } from "../../magics/progress.ts";
import { withAmbient } from "../../src/ambient.ts";
import { type SourceOptions, sourceOf } from "../../src/api/source.ts";
import { type ChatGLM, type LoadOptions, load } from "../../src/index.ts";
import { UsageError, type Values } from "./command.ts";
import { InterruptedError, Interrupts } from "./interrupts.ts";
import { withoutNotebook } from "./settings.ts";

/** Whose adapters are: of all commands together, wherever they run, so that what one has trained another finds. */
const OWNER = "glmlab";

export const MODEL_OPTIONS: OptionTable = withoutNotebook(LOAD_OPTIONS, ["as", "use"], {
  runtime: {
    default: "none",
    help: "none keeps the weights in this process, auto shares them with notebooks, an address is another runtime's.",
  },
});

/** Those of commands that need a runtime. */
export const RUNTIME_OPTIONS: OptionTable = {
  ...MODEL_OPTIONS,
  runtime: {
    ...LOAD_OPTIONS.runtime,
    ...{ kind: "text", value: "auto|URL", help: "auto is the runtime of this user's notebooks, an address another." },
  },
};

/**
 * The options, with this user's runtime where none is named.
 * @throws UsageError when there shall be none
 */
export function inRuntime(subject: string, values: Values): Values {
  const { runtime = "auto" } = values;
  if (runtime !== "none") return { ...values, runtime };
  throw new UsageError(
    `${subject}: expected --runtime auto or an address, since a run in this process would end with it, got none. Leave --runtime out.`,
  );
}

/** The words that name the same model as these options in another command that needs a runtime. */
export const modelWords = (values: Values): readonly string[] =>
  Object.keys(RUNTIME_OPTIONS).flatMap((option) => {
    const value = values[option];
    const isUsual = option === "runtime" && (value === "auto" || value === "none");
    return value === undefined || isUsual ? [] : [`--${option}`, String(value)];
  });

/** A model's name as it is understood in whatever folder. */
export async function namedAnywhere(name: string, { hub, revision }: Values): Promise<string> {
  return (await sourceOf(name, { hub, revision } as SourceOptions, "auto")).name;
}

/** What a command works with. */
export interface Workplace {
  readonly model: ChatGLM;
  readonly interrupts: Interrupts;
  /** Memory of the process before the model was loaded, in bytes. */
  readonly programBytes: number;
  /** The same model for adapters that nobody shall find afterwards; its own are deleted in the end. */
  aside(): Promise<ChatGLM>;
}

/** @throws UsageError when a word is missing */
export function word(subject: string, words: readonly string[], place: number, what: string): string {
  const found = words[place];
  if (found !== undefined && found !== "") return found;
  throw new UsageError(`${subject}: expected ${what}. \`${subject} --help\` tells more.`);
}

/**
 * Loads a model, does the work with it, and lets go of it.
 * @param values of MODEL_OPTIONS, and maybe of others
 * @param interrupted said when it is aborted; empty where the work says so itself
 * @throws InterruptedError when that is how the work ended
 */
export async function withModel(
  name: string,
  values: Values,
  work: (place: Workplace) => Promise<number>,
  interrupted = "Interrupted.",
): Promise<number> {
  const programBytes = process.memoryUsage.rss();
  const interrupts = new Interrupts();
  const { signal } = interrupts;
  let scratch: Promise<ChatGLM> | undefined;
  let model: ChatGLM | undefined;
  const aside = (): Promise<ChatGLM> => {
    const notebook = `${OWNER} ${process.pid} ${randomUUID().slice(0, 8)}`;
    scratch ??= withAmbient({ notebook }, () => load(name, loadOptions(values)));
    return scratch;
  };
  try {
    return await withAmbient({ notebook: OWNER, signal }, async () => {
      try {
        model = await loaded(name, values);
        return await work({ model, interrupts, programBytes, aside });
      } catch (error) {
        if (!interrupts.isInterrupted || !isInterrupt(error) || error instanceof InterruptedError) throw error;
        if (interrupted !== "") console.error(interrupted);
        throw new InterruptedError(interrupts.status);
      }
    });
  } finally {
    await withAmbient({ notebook: OWNER }, async () => {
      const other = await scratch?.catch(() => undefined);
      for (const adapter of (await other?.adapters()) ?? []) {
        if (adapter.owner.startsWith(`${OWNER} `)) await other?.deleteAdapter(adapter.name);
      }
      await other?.dispose();
      await model?.dispose();
    });
    interrupts.end();
  }
}

async function loaded(name: string, values: Values): Promise<ChatGLM> {
  const bar = new ProgressBar({ title: `Loading ${name}`, delay: PATIENCE });
  try {
    const model = await load(name, {
      ...loadOptions(values),
      onProgress: ({ stage, ...progress }) => bar.update({ ...progress, title: `Loading ${name}: ${stage}` }),
    });
    bar.update({ done: 1, total: 1, title: `Loading ${name}` });
    bar.finish();
    if (model.info.note !== undefined) console.error(model.info.note);
    return model;
  } catch (error) {
    bar.finish(isInterrupt(error) ? "stopped" : "failed");
    throw error;
  }
}

/** As scripts load models: in this process, unless a runtime is named. */
function loadOptions(values: Values): LoadOptions {
  const given = Object.keys(MODEL_OPTIONS).map((option) => [option, values[option]]);
  return { runtime: "none", ...Object.fromEntries(given.filter(([, value]) => value !== undefined)) } as LoadOptions;
}

/** Whether the model is in this process. */
export const isLocal = ({ runtime = "none" }: Values): boolean => runtime === "none";
