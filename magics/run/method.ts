/** @file The fine-tuning method that %%train is told, and what it means for an adapter that exists. */

import { differences, type GivenMethod } from "../../src/api/methods.ts";
import { GlmError } from "../../src/errors.ts";
import { faultLines } from "../../src/fault-list.ts";
import type { AdapterConfig } from "../../src/index.ts";
import type { ModuleSpec } from "../../src/models/context.ts";
import { optionOf } from "../option.ts";

/**
 * An adapter that trains on keeps its configuration, so that whatever is given of another must not be passed over.
 * @throws GlmError "option-invalid" with every given option that differs
 */
export function mustMatch(
  title: string,
  name: string,
  choice: GivenMethod,
  config: AdapterConfig,
  modules: readonly ModuleSpec[],
): void {
  const faults = differences(choice, config, modules).map(
    ({ option, wanted, actual }) =>
      `--${optionOf(option)}: ${name} has ${show(option, actual)}, given is ${show(option, wanted)}`,
  );
  if (faults.length === 0) return;
  throw new GlmError(
    "option-invalid",
    `${title}: the adapter exists and would train on, but it is made otherwise:${faultLines(faults)}\n` +
      "Leave these options out to train it on, or add --new to start again with them.",
  );
}

/** What an option is that an adapter's configuration leaves out. */
const unset: Readonly<Record<string, string>> = {
  match: "all of them",
  rankStabilized: "off",
  dora: "off",
  init: "kaiming",
};

function show(key: string, value: unknown): string {
  if (value === undefined) return unset[key] ?? "none";
  if (value === true) return "on";
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
