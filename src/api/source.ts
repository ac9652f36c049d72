/** @file Where a model comes from: with the package, from a folder, or from a hub. */
import { shownJson } from "../describe.ts";
import type { LoadParams } from "../engine/engine.ts";
import { isEmbedded, modelFolder } from "../hub/model-folder.ts";
import { type HubName, hubNames, isHubId, isRevision } from "../hub/names.ts";
import { hubSettings } from "../hub/settings.ts";
import { invalid } from "../options.ts";
import { suggestion } from "../suggestion.ts";

export interface SourceOptions {
  /**
   * The hub to fetch the model from: "huggingface" (the default for an id that is no folder with a model) or "modelscope".
   * Naming one means that the name is an id there, whatever folders there are.
   */
  readonly hub?: HubName | undefined;
  /** The branch, tag or commit of a model from a hub; its main branch by default. */
  readonly revision?: string | undefined;
}

/**
 * Finds out what a name means here. A runtime shares neither this process's folder nor its environment: it gets absolute
 * paths, and with a hub how to reach it; unless it is on another machine, where that would mean nothing.
 * @param place where the model is to run: "auto", "none" or a runtime's address
 * @throws GlmError "model-not-found", "option-invalid"
 */
export async function sourceOf(
  name: string,
  { hub, revision }: SourceOptions,
  place: string,
): Promise<Pick<LoadParams, "name" | "hub">> {
  const faults = faultsOf(name, hub, revision);
  if (faults.length > 0) throw invalid("load", faults);
  const folder = hub === undefined ? await modelFolder(name) : undefined;
  if (folder === undefined) {
    const chosen = hub ?? "huggingface";
    const settings = place.startsWith("tcp://") ? {} : { settings: hubSettings(chosen) };
    return { name, hub: { hub: chosen, ...(revision === undefined ? {} : { revision }), ...settings } };
  }
  if (revision !== undefined) {
    const remedy = isHubId(name)
      ? 'Leave it out, or name the hub, too: hub: "huggingface" (--hub huggingface).'
      : "Leave it out.";
    throw invalid("load", [`revision: ${name} is loaded from ${folder}, which has one version. ${remedy}`]);
  }
  return { name: isEmbedded(name) ? name : folder };
}

function faultsOf(name: unknown, hub: unknown, revision: unknown): string[] {
  if (typeof name !== "string" || name === "") return [`expected a model's name or folder, got ${shownJson(name)}.`];
  const faults: string[] = [];
  if (hub !== undefined && !hubNames.includes(hub as HubName)) {
    faults.push(
      `hub: there is none that is called ${shownJson(hub)}.${typeof hub === "string" ? suggestion(hub, hubNames) : ""}`,
    );
  } else if (hub !== undefined && !isHubId(name)) {
    faults.push(`hub: expected a model's id there (owner/name), got ${shownJson(name)}.`);
  }
  if (revision !== undefined && !isRevision(revision)) {
    faults.push(`revision: expected a branch, tag or commit, got ${shownJson(revision)}.`);
  }
  return faults;
}
