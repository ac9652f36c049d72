/** @file Whose form an adapter's files may have, where a method has more than its usual one. */
export const adapterFormats = ["peft", "published"] as const;

/** `peft`: as PEFT writes them. `published`: as the scripts write them that are published with ChatGLM. */
export type AdapterFormat = (typeof adapterFormats)[number];
