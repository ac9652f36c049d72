/** @file A knowledge book by its name: opened where there is one, else made. */
import { SHARED } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { modulesOf } from "../models/architectures.ts";
import { invalid, refuseUnknown } from "../options.ts";
import { AdapterHandle } from "./adapter.ts";
import { factsOf, noFacts } from "./book-facts.ts";
import type { KnowledgeOptions } from "./chatglm-options.ts";
import { faultsOf } from "./checks.ts";
import { type HandleContext, refOf } from "./context.ts";
import { KnowledgeBook } from "./knowledge.ts";
import { bookConfig, mustMatchBook } from "./knowledge-method.ts";
import { adapterNamed, adaptersSeen, checkedName } from "./named-adapters.ts";
import { cellSignal } from "./signal.ts";

/** The book of a name; what can be wrong with it, `ChatGLM.knowledge` says. */
export async function openBook(
  context: HandleContext,
  name: string,
  options: KnowledgeOptions,
): Promise<KnowledgeBook> {
  const { signal, share = false, create = true, ...choice } = options ?? {};
  const config = bookConfig(choice);
  const names = Object.keys(choice);
  refuseUnknown("knowledge", options, ["signal", "share", "create", ...names], faultsOf({ signal, share, create }));
  const own = checkedName(name);
  const known = (await adaptersSeen(context, cellSignal(signal))).find((one) => one.name === own);
  // Without one, this says which names there are.
  const handle = known || !create ? await adapterNamed(context, name, cellSignal(signal)) : undefined;
  if (handle) {
    const facts = await factsOf(context, refOf(handle));
    mustMatchBook(name, choice, handle.config, modulesOf(context.info.config));
    if (share && handle.owner !== SHARED) {
      throw invalid("knowledge", [
        `share: the book ${name} belongs to this notebook and cannot be shared any more. Choose another name.`,
      ]);
    }
    return new KnowledgeBook(context, handle, facts);
  }
  const adapter = { owner: share ? SHARED : context.owner, name };
  const target = { model: context.info.key, adapter, existing: "refuse" as const };
  const params = { ...target, config, seed: 0, documents: noFacts };
  try {
    const made = await context.engine.call("createAdapter", params, cellSignal(signal));
    return new KnowledgeBook(context, new AdapterHandle(context, made), []);
  } catch (error) {
    // Somebody made it at the same time.
    if (error instanceof GlmError && error.code === "adapter-exists") return openBook(context, name, options);
    throw error;
  }
}
