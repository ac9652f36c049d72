/** @file What %params does. */
import type { ParameterInfo } from "../../src/index.ts";
import { show, write } from "../live.ts";
import { parameterTable } from "../render/parameter-table.ts";
import { renderRankTable } from "../render/rank-table.ts";
import { renderTable } from "../render/table.ts";
import { grouped } from "../render/text.ts";
import { currentModel, sessionOf } from "../session.ts";
import type { OfModel } from "./chat.ts";
import { countingNote } from "./weights.ts";

export interface ParamsOptions extends OfModel {
  /** Shows every parameter by module, and the memory of training. */
  readonly all?: boolean;
}

/**
 * Shows the summary of trainable parameters of an adapter: the one in use when no name is given; null is the base.
 * Returns the parameters that the summary is about.
 */
export async function params(name?: string | null, options: ParamsOptions = {}): Promise<readonly ParameterInfo[]> {
  const model = currentModel(options.model);
  const chosen = name === undefined ? sessionOf(model).adapter : name;
  const adapter = chosen === null ? undefined : await model.adapter(chosen);
  const base = model.info.parameters;
  const all = base.reduce((sum, { count }) => sum + count, 0);
  const summary = adapter?.summary();
  const caption = summary?.toString() ?? `trainable params: 0 || all params: ${grouped(all)} || trainable%: 0`;
  if (options.all) {
    const own = adapter ? { adapter: adapter.parameters() } : {};
    const counted = { base, ...own, all: summary?.all ?? all, caption: caption + countingNote(model) };
    show(renderTable(parameterTable(counted)));
  } else write(`${caption}\n`);
  const ranks = (await adapter?.info())?.ranks;
  if (ranks) show(renderRankTable(ranks));
  return adapter?.parameters() ?? base;
}
