/** @file What is wanted from a hub, as plain data: it travels with a request to whoever holds the models. */
import { type FetchOptions, fetchConfig, fetchModel } from "./fetch.ts";
import type { HubName } from "./names.ts";
import { type HubSettings, hubSettings } from "./settings.ts";

export interface HubRequest {
  readonly hub: HubName;
  /** Branch, tag or commit; the hub's main branch by default. */
  readonly revision?: string;
  /**
   * How the one who asks reaches the hub and where it keeps files. A runtime of the same machine may have been started with
   * other variables; one elsewhere has folders of its own, and is asked without.
   */
  readonly settings?: HubSettings;
}

/** The folder of the model that was asked for, downloaded when it is not there; see `fetchModel`. */
export async function requestedModel(
  id: string,
  { hub, revision, settings = hubSettings(hub) }: HubRequest,
  options: Pick<FetchOptions, "onProgress" | "signal">,
): Promise<string> {
  return fetchModel(id, { settings, revision, ...options });
}

/** A folder with the config.json of the model that was asked for; see `fetchConfig`. */
export async function requestedConfig(
  id: string,
  { hub, revision, settings = hubSettings(hub) }: HubRequest,
): Promise<string> {
  return fetchConfig(id, { settings, revision });
}

/** What tells requests apart: the token does not. */
export function requestKey({ hub, revision, settings }: HubRequest): readonly unknown[] {
  return [hub, revision ?? null, settings?.endpoint ?? null, settings?.cache ?? null];
}
