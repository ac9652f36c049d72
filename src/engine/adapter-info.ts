/** @file What is told of an adapter: how many parameters it has and trains, how far it is trained, where it is from. */
import type { Adapter, BaseModel, ModuleRank } from "../adapters/adapter.ts";
import { parameterCounts } from "../adapters/counts.ts";
import type { AdapterDocuments } from "../adapters/documents.ts";
import { sizeOf } from "../tensor.ts";
import type { AdapterInfo, AdapterRef } from "./engine.ts";

/** How it stands. */
export interface AdapterState extends Pick<AdapterInfo, "steps" | "merged"> {
  readonly revision: number;
  readonly documents: AdapterDocuments;
  readonly source?: string | undefined;
  readonly note?: string | undefined;
  readonly ranks?: readonly ModuleRank[] | undefined;
  readonly unkept?: AdapterInfo["unkept"] | undefined;
}

export function adapterInfo(
  ref: AdapterRef,
  adapter: Adapter,
  { steps, revision, merged, documents, source, note, ranks, unkept }: AdapterState,
  base: BaseModel,
): AdapterInfo {
  const parameters = adapter.parameters.map(({ name, shape }) => {
    return { name, shape, dtype: "float32" as const, trainable: !merged, count: sizeOf(shape) };
  });
  const notes = [note, adapter.note].filter((one) => one !== undefined);
  return {
    ...ref,
    config: adapter.config,
    parameters,
    ...parameterCounts(adapter, base),
    steps,
    revision,
    documents: Object.keys(documents),
    ...(source === undefined ? {} : { source }),
    ...(notes.length === 0 ? {} : { note: notes.join("\n") }),
    ...(ranks === undefined ? {} : { ranks }),
    merged,
    ...(unkept ? { unkept } : {}),
  };
}
