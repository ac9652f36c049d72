/** @file What a model on a hub is called, which hubs there are, and the ids of the family for hints. */
import { checkpointNames } from "../published.ts";

/** The hubs that models are fetched from. */
export type HubName = "huggingface" | "modelscope";

export const hubNames: readonly HubName[] = ["huggingface", "modelscope"];

/** How people call them. */
export const hubTitles: Readonly<Record<HubName, string>> = {
  huggingface: "the Hugging Face hub",
  modelscope: "ModelScope",
};

/** Whether a name can be a model's id on a hub, "owner/name". A path that begins with a dot or a slash never is one. */
export function isHubId(name: string): boolean {
  return name.length <= 192 && /^\w[\w.-]*\/\w[\w.-]*$/.test(name) && !/\.\.|--|[.-]\/|[.-]$/.test(name);
}

/** Whether a value can name a version: what git takes, and nothing that leads out of a folder. */
export function isRevision(value: unknown): value is string {
  return typeof value === "string" && /^[\w][^\s\\~^:?*[\]]*$/.test(value) && !/\.\.|\/\/|\/$/.test(value);
}

const names: readonly string[] = Object.values(checkpointNames).flat();

/** Where each hub has the published models of the family: for "did you mean", never for anything else. */
export const publishedIds: Readonly<Record<HubName, readonly string[]>> = {
  huggingface: names.map((name) => `THUDM/${name}`),
  // Those that were converted for transformers lie on the other hub only.
  modelscope: names.filter((name) => !name.endsWith("-hf")).map((name) => `ZhipuAI/${name}`),
};
