/** @file What a model on a hub is called, which hubs there are, and the ids of the family for hints. */

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

const family = [
  "chatglm-6b",
  "chatglm2-6b",
  "chatglm3-6b",
  "chatglm3-6b-base",
  "chatglm3-6b-32k",
  "glm-4-9b",
  "glm-4-9b-chat",
];
const quantized = ["chatglm-6b-int4", "chatglm-6b-int8", "chatglm2-6b-int4"];

/** Where each hub has the published models of the family: for "did you mean", never for anything else. */
export const publishedIds: Readonly<Record<HubName, readonly string[]>> = {
  huggingface: [...family, ...quantized, "glm-4-9b-hf", "glm-4-9b-chat-hf"].map((name) => `THUDM/${name}`),
  modelscope: [...family, ...quantized].map((name) => `ZhipuAI/${name}`),
};
