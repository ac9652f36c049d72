/** @file What is told of an adapter: how many parameters it has and trains, how far it is trained, where it is from. */
import type { Adapter, BaseModel, ModuleRank } from "../adapters/adapter.ts";
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
  const baseNames = new Set(base.parameters.map(({ name }) => name));
  const trainableCount = parameters.reduce((sum, { count }) => sum + count, 0);
  const own = parameters.reduce((sum, { name, count }) => sum + (baseNames.has(name) ? 0 : count), 0);
  const added = own + (adapter.counters ?? 0);
  const baseCount = base.count ?? base.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    ...ref,
    config: adapter.config,
    parameters,
    allCount: baseCount + added,
    trainableCount,
    steps,
    revision,
    documents: Object.keys(documents),
    ...(source === undefined ? {} : { source }),
    ...(note === undefined ? {} : { note }),
    ...(ranks === undefined ? {} : { ranks }),
    merged,
    ...(unkept ? { unkept } : {}),
  };
}
