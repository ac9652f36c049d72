/** @file The fine-tuning method that %%train is told, and what it means for an adapter that exists. */
import { isDeepStrictEqual } from "node:util";
import { GlmError } from "../../src/errors.ts";
import { type AdapterConfig, type FullOptions, full, type LoraOptions, lora } from "../../src/index.ts";
import { optionOf } from "../option.ts";

/** A method with those of its options that are given. An adapter's whole configuration is one, too. */
export type MethodChoice = (LoraOptions & { readonly method: "lora" }) | (FullOptions & { readonly method: "full" });

/**
 * The choice with the defaults of what is left out.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function completed(choice: MethodChoice): AdapterConfig {
  if (choice.method === "full") {
    const { method: _, ...options } = choice;
    return full(options);
  }
  const { method: _, ...options } = choice;
  return lora(options);
}

/**
 * An adapter that trains on keeps its configuration, so that whatever is given of another must not be passed over.
 * @throws GlmError "option-invalid" with every given option that differs
 */
export function mustMatch(name: string, choice: MethodChoice, config: AdapterConfig): void {
  const wanted: Settings = { ...completed(choice) };
  const actual: Settings = { ...config };
  const given = Object.entries(choice).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  // Another method's options have nothing to be compared with.
  const names = choice.method === config.method ? given : ["method"];
  const faults = names.flatMap((key) =>
    isSame(wanted[key], actual[key])
      ? []
      : [`--${optionOf(key)}: ${name} has ${show(key, actual[key])}, given is ${show(key, wanted[key])}`],
  );
  if (faults.length === 0) return;
  throw new GlmError(
    "option-invalid",
    `%%train ${name}: the adapter exists and would train on, but it is made otherwise:\n- ${faults.join("\n- ")}\n` +
      "Leave these options out to train it on, or add --new to start again with them.",
  );
}

type Settings = Readonly<Record<string, unknown>>;

/** Lists here are sets of names; a switch that is left out is off. */
function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(normal(one), normal(other));
}

function normal(value: unknown): unknown {
  return Array.isArray(value) ? [...new Set(value)].sort() : value === false ? undefined : value;
}

function show(key: string, value: unknown): string {
  if (value === undefined) return key === "match" ? "all of them" : key === "rankStabilized" ? "off" : "none";
  if (value === true) return "on";
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
