/** @file What can go wrong with a hub, said so that it can be put right. */
import { GlmError } from "../errors.ts";
import { nearest } from "../suggestion.ts";
import type { ModelRef } from "./hub.ts";
import { type HubName, hubNames, hubTitles, publishedIds } from "./names.ts";
import type { TransientError } from "./retry.ts";
import type { HubSettings } from "./settings.ts";

const TOKENS: Readonly<Record<HubName, { readonly variable: string; readonly page: string }>> = {
  huggingface: { variable: "HF_TOKEN", page: "https://huggingface.co/settings/tokens" },
  modelscope: { variable: "MODELSCOPE_API_TOKEN", page: "https://modelscope.cn/my/myaccesstoken" },
};

const ENDPOINTS: Readonly<Record<HubName, string>> = {
  huggingface: "set HF_ENDPOINT to a mirror (for example https://hf-mirror.com)",
  modelscope: "set MODELSCOPE_ENDPOINT to a mirror",
};

/** Models are on both hubs; data sets are fetched from one. */
const OTHER_HUBS: Readonly<Record<HubName, string>> = {
  huggingface: " or try ModelScope (--hub modelscope)",
  modelscope: " or try the Hugging Face hub (--hub huggingface)",
};

/** What it is, as messages name it. */
const nounOf = ({ kind }: ModelRef): string => (kind === "dataset" ? "data set" : "model");

const codeOf = ({ kind }: ModelRef): "data-invalid" | "model-not-found" =>
  kind === "dataset" ? "data-invalid" : "model-not-found";

/** No such model, or one that is kept private; hubs do not say which. */
export function unknownModel(model: ModelRef, settings: HubSettings): GlmError {
  const { id } = model;
  const { hub, endpoint, token } = settings;
  const { variable } = TOKENS[hub];
  const secret = token === undefined ? `or it is private: then set ${variable}` : `or your ${variable} may not read it`;
  const remedy =
    model.kind === "dataset"
      ? " Check the spelling: hub:owner/name."
      : `${elsewhere(id, hub)} A local folder needs a config.json to be taken for a model.`;
  return new GlmError(
    codeOf(model),
    `${id}: ${hubTitles[hub]} (${endpoint}) has no such ${nounOf(model)}, ${secret}.${remedy}`,
  );
}

function elsewhere(id: string, hub: HubName): string {
  for (const other of hubNames) {
    if (other !== hub && publishedIds[other].includes(id)) return ` Did you mean ${id} with --hub ${other}?`;
  }
  const near = nearest(id, publishedIds[hub]);
  if (near !== undefined && near !== id) return ` Did you mean ${near}?`;
  return " Check the spelling: owner/name.";
}

export function unknownRevision(model: ModelRef, settings: HubSettings): GlmError {
  const { id, revision } = model;
  return new GlmError(
    codeOf(model),
    `${id}: ${hubTitles[settings.hub]} (${settings.endpoint}) has no version ${JSON.stringify(revision)} of it. ` +
      "Give a branch, tag or commit that its page names, or leave --revision out.",
  );
}

/** The hub knows the model and does not give it to this user. */
export function denied(model: ModelRef, settings: HubSettings, status: number): GlmError {
  const { id } = model;
  const { hub, endpoint, token } = settings;
  const { variable, page: tokens } = TOKENS[hub];
  const page = `${endpoint}/${model.kind === "dataset" ? "datasets/" : ""}${id}`;
  const remedy =
    token === undefined
      ? `Accept its conditions on its page (${page}), make a token at ${tokens} and set ${variable} to it.`
      : `Your ${variable} is not accepted: is it valid, may it read this ${nounOf(model)}, and have its owner's conditions been accepted on its page (${page})?`;
  return new GlmError(
    "hub-denied",
    `${id}: ${hubTitles[hub]} asks who you are before it gives this ${nounOf(model)} (status ${status}). ${remedy}`,
  );
}

export function unreachable(model: ModelRef, settings: HubSettings, cause: TransientError): GlmError {
  const { id } = model;
  const { hub, endpoint, cache } = settings;
  const elsewhere = model.kind === "dataset" ? "" : OTHER_HUBS[hub];
  return new GlmError(
    "hub-unreachable",
    `${id} could not be fetched from ${hubTitles[hub]} (${endpoint}${throughProxy(settings)}): ${cause.message}. Ask again to go on where it stopped. ` +
      `If the network does not reach it, ${ENDPOINTS[hub]}${elsewhere}, or fetch the ${nounOf(model)} on another machine and give its folder ` +
      `(or copy it into ${cache}).`,
    { cause },
  );
}

/** Without a password that its address may have. */
function throughProxy({ proxy }: HubSettings): string {
  const addresses = [proxy?.https, proxy?.http].flatMap((address) =>
    address ? [address.replace(/\/\/[^@/]*@/, "//")] : [],
  );
  return addresses.length === 0 ? "" : `, through the proxy ${[...new Set(addresses)].join(" or ")}`;
}

export function notDownloaded(model: ModelRef, settings: HubSettings, found: string | undefined): GlmError {
  const { id, revision } = model;
  const had = found === undefined ? "nothing of it is there" : `it is not all there (${found})`;
  return new GlmError(
    codeOf(model),
    `${id} (${revision}): expected in ${settings.cache}, since offline mode is on (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE), but ${had}. ` +
      `Unset it to download the ${nounOf(model)}, or give a folder that has it.`,
  );
}

/** The hub has something of that name that is no model for us. */
export function unusable(
  { id, revision }: ModelRef,
  settings: HubSettings,
  names: readonly string[],
  missing: string,
): GlmError {
  const has = names.length === 0 ? "nothing" : names.slice(0, 12).join(", ") + (names.length > 12 ? ", ..." : "");
  return new GlmError(
    "unsupported",
    `${id} (${revision}) on ${hubTitles[settings.hub]}: expected ${missing}, got ${has}. ` +
      "Give the id of a ChatGLM checkpoint as transformers loads it (other formats, such as GGUF and ONNX, are not read).",
  );
}

export function noRoom(
  { id }: ModelRef,
  { cache }: HubSettings,
  variable: string,
  needed: string,
  free: string,
  cause?: unknown,
): GlmError {
  return new GlmError(
    "disk",
    `${id} needs ${needed} more on the disk of ${cache}, and ${free} are free. Free some space, or set ${variable} to a folder on another disk. What was downloaded before is kept.`,
    { cause },
  );
}
