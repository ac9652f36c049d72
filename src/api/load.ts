/** @file `load`: from a model's name to a model that can be asked. */
import { resolve } from "node:path";
import { ambient } from "../ambient.ts";
import { shownJson } from "../describe.ts";
import type { DeviceChoice, LoadEvent, LoadParams, ModelInfo } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { type Family, families } from "../models/family.ts";
import { complete, type Given, invalid } from "../options.ts";
import { ADDRESS_FORMS, isRuntimeAddress } from "../runtime/address.ts";
import { suggestion } from "../suggestion.ts";
import { optionalTokenizer } from "../text/optional.ts";
import { ChatGLM } from "./chatglm.ts";
import { faultsOf } from "./checks.ts";
import { type HandleContext, refOf } from "./context.ts";
import * as defaults from "./defaults.ts";
import { type Lease, leaseEngine } from "./engines.ts";
import { readGeneration } from "./generation.ts";
import { type Abortable, cellSignal } from "./signal.ts";
import { type SourceOptions, sourceOf } from "./source.ts";

export interface LoadProgress {
  /** What is being done, in a word or two. */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** What is counted, when it is no number of steps. */
  readonly unit?: "bytes";
}

export interface LoadOptions extends Given<Omit<LoadParams, "name" | "hub" | "family">>, SourceOptions, Abortable {
  /**
   * Which generation it is, where its files leave that open or are wrong about it: ChatGLM2, ChatGLM3 and GLM-4 share an
   * architecture, and differ in their prompts and in what ends an answer. The files decide when it is left out.
   */
  readonly family?: Family | undefined;
  /**
   * Where the model runs. "auto" (the default in notebooks): in this user's runtime, which other notebooks share and
   * which is started when there is none. "none" (the default in scripts): in this process. Else a runtime's address.
   */
  readonly runtime?: string | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Loads a model, or finds it in a runtime that has it already.
 * @param name "tiny", a folder with config.json, weights and tokenizer, or the id of a model on a hub ("owner/name"), which is
 * downloaded when it is not in the hub's cache. Without a tokenizer it computes with token ids, and says what is missing where
 * there is text. A folder that holds a model is taken before an id of the same name.
 * @throws GlmError "model-not-found", "model-invalid", "option-invalid", "runtime-unreachable", "hub-unreachable", "hub-denied",
 * "download-corrupt", "disk"
 */
export async function load(name: string, options: LoadOptions = {}): Promise<ChatGLM> {
  const { runtime, onProgress, signal, hub, revision, family } = options ?? {};
  const others = ["runtime", "onProgress", "signal", "hub", "revision", "family"];
  const found = [...familyFaults(family), ...faultsOf({ onProgress, signal })];
  const settings = complete("load", { ...defaults.load, device: deviceRule(options?.device) }, options, others, found);
  const { notebook } = ambient();
  const place = placeOf(runtime, notebook);
  const source = await sourceOf(name, { hub, revision }, place);
  const params = { ...source, ...settings, ...(family === undefined ? {} : { family }) };
  const lease = await leaseEngine(place);
  const isOfEverybody = options?.device === undefined && settings.device !== defaults.load.device.default;
  try {
    const info = await loaded(lease, params, onProgress, signal);
    // At once: whoever disposes of the last other handle meanwhile must not unload it.
    lease.hold(info.key);
    const tokenizer = await optionalTokenizer(info.folder, info.family);
    const said = await readGeneration(info.folder, info.family, tokenizer.found);
    const generation = { ...said, maxLength: Math.min(said.maxLength, info.config.contextLength) };
    const owner = notebook ?? resolve(process.argv[1] ?? ".");
    const own = await lease.call("adapters", { model: info.key, owner }, cellSignal(signal));
    const merged = own.filter((adapter) => adapter.merged && adapter.owner === owner).map(refOf);
    const context: HandleContext = {
      ...{ engine: lease, info, generation, owner, merged, isInThisProcess: place === "none" },
      get tokenizer() {
        return tokenizer.get();
      },
    };
    return new ChatGLM(context, () => lease.close());
  } catch (error) {
    await lease.close();
    // Whoever did not name a device is told who did.
    if (!isOfEverybody || !(error instanceof GlmError) || !/device|webgpu/.test(error.message)) throw error;
    throw new GlmError(error.code, `${error.message} (GLMLAB_DEVICE is ${settings.device}.)`, { cause: error });
  }
}

/** What is wrong with a generation's name, if it is given. */
export function familyFaults(family: unknown): string[] {
  if (family === undefined || families.includes(family as Family)) return [];
  const hint = typeof family === "string" ? suggestion(family, families) : "";
  return [`family: expected ${families.join(" or ")}, got ${shownJson(family)}.${hint}`];
}

async function loaded(
  engine: Lease,
  params: LoadParams,
  onProgress: LoadOptions["onProgress"],
  signal: AbortSignal | undefined,
): Promise<ModelInfo> {
  for await (const event of engine.stream("load", params, cellSignal(signal)) as AsyncIterable<LoadEvent>) {
    if (event.type === "ready") return event.model;
    const { type, ...progress } = event;
    onProgress?.(progress);
  }
  throw new Error(`${params.name}: loading ended without a model`);
}

/** The device, by default that which `GLMLAB_DEVICE` names for everyone. */
function deviceRule(asked: unknown): typeof defaults.load.device {
  const rule = defaults.load.device;
  const named = process.env.GLMLAB_DEVICE;
  if (asked !== undefined || named === undefined || named === "") return rule;
  if (!rule.allows(named)) {
    throw invalid("load", [`the variable GLMLAB_DEVICE: expected ${rule.expected}, got ${shownJson(named)}.`]);
  }
  return { ...rule, default: named as DeviceChoice };
}

function placeOf(runtime: string | undefined, notebook: string | undefined): string {
  // Windows has no private sockets that ZeroMQ could use.
  const canShare = notebook !== undefined && process.platform !== "win32";
  if (runtime === undefined) return canShare ? "auto" : "none";
  const isPlace =
    typeof runtime === "string" && (runtime === "auto" || runtime === "none" || isRuntimeAddress(runtime));
  if (isPlace) return runtime;
  throw invalid("load", [`runtime: expected "auto", "none" or ${ADDRESS_FORMS}, got ${shownJson(runtime)}.`]);
}
