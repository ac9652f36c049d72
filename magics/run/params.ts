/** @file What %params does. */
import type { ParameterInfo } from "../../src/index.ts";
import { show, write } from "../live.ts";
import { renderRankTable } from "../render/rank-table.ts";
import { renderTable } from "../render/table.ts";
import { grouped } from "../render/text.ts";
import { currentModel, sessionOf } from "../session.ts";
import type { OfModel } from "./chat.ts";
import { countingNote } from "./weights.ts";

export interface ParamsOptions extends OfModel {
  /** Lists every parameter. */
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
  const parameters = adapter ? adapter.parameters() : model.info.parameters;
  const all = parameters.reduce((sum, { count }) => sum + count, 0);
  const caption =
    adapter?.summary().toString() ?? `trainable params: 0 || all params: ${grouped(all)} || trainable%: 0`;
  if (options.all) show(parameterTable(parameters, caption + countingNote(model)));
  else write(`${caption}\n`);
  const ranks = (await adapter?.info())?.ranks;
  if (ranks) show(renderRankTable(ranks));
  return parameters;
}

function parameterTable(parameters: readonly ParameterInfo[], caption: string) {
  const columns = [
    { title: "parameter", whole: true },
    { title: "shape" },
    { title: "dtype" },
    { title: "count", align: "right" as const },
    { title: "trains" },
  ];
  const rows = parameters.map(({ name, shape, dtype, count, trainable }) => [
    name,
    `[${shape.join(", ")}]`,
    dtype,
    grouped(count),
    trainable ? "yes" : "",
  ]);
  return renderTable({ columns, rows, caption });
}
