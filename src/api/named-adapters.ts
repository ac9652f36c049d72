/** @file Adapters by name, as a notebook sees them: its own first, then the shared ones. */
import { shownJson } from "../describe.ts";
import type { AdapterInfo, EngineOptions } from "../engine/engine.ts";
import { invalid } from "../options.ts";
import { AdapterHandle } from "./adapter.ts";
import { isSum } from "./adapter-sum.ts";
import type { HandleContext } from "./context.ts";

/** @throws GlmError "option-invalid" for what is no name, or means the base model */
export function checkedName(name: string): string {
  const isName = typeof name === "string" && name.trim() !== "" && name !== "none";
  if (isName && !isSum(name)) return name;
  const meant = isName ? "the name of one adapter" : 'a name ("none" means the base model)';
  throw invalid("adapter", [`expected ${meant}, got ${shownJson(name)}.`]);
}

/** All that are seen. */
export function adaptersSeen(
  { engine, info, owner }: HandleContext,
  options: EngineOptions,
): Promise<readonly AdapterInfo[]> {
  return engine.call("adapters", { model: info.key, owner }, options);
}

/** @throws GlmError "adapter-not-found" that names the nearest one */
export async function adapterNamed(
  context: HandleContext,
  name: string,
  options: EngineOptions,
): Promise<AdapterHandle> {
  const params = { model: context.info.key, adapter: { owner: context.owner, name: checkedName(name) } };
  return new AdapterHandle(context, await context.engine.call("adapterInfo", params, options));
}
