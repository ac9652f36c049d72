/** @file The options of the fine-tuning methods, as the magics spell them. */
import type { LoraConfig, Method } from "../../src/adapters/adapter.ts";
import { type Code, objectLiteral } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call } from "../magic.ts";
import type { Kebab, OptionSpec, OptionTable } from "../option.ts";
import { propertiesOf } from "./common.ts";

/** Ranks and alphas by module are for code: a line has no good way to write them. */
type LoraOption = Kebab<Exclude<keyof LoraConfig, "method" | "rankPattern" | "alphaPattern">>;

const LORA_OPTIONS = {
  r: { kind: "integer", min: 1, help: "Rank of the update." },
  alpha: { kind: "number", above: 0, help: "The update is scaled by alpha / r." },
  dropout: {
    kind: "number",
    min: 0,
    max: 0.99,
    help: "Probability that an input of the update is dropped while training.",
  },
  targets: {
    kind: "list",
    value: "MODULE",
    help: "Modules to adapt: query_key_value, dense, dense_h_to_4h, dense_4h_to_h.",
  },
  "rank-stabilized": { kind: "flag", help: "Scale by alpha / √r instead." },
} as const satisfies Readonly<Record<LoraOption, OptionSpec>>;

const METHODS = ["lora"] as const satisfies readonly Method[];

export const METHOD_OPTIONS = {
  method: { kind: "choice", choices: METHODS, default: "lora", help: "How it is fine-tuned." },
  ...LORA_OPTIONS,
} as const satisfies OptionTable;

export const METHOD_NAMES: readonly string[] = Object.keys(LORA_OPTIONS);

/** The library's call that configures the method: `lora({ r: 8 })`. */
export function methodCall(call: Call, prefix: string): Code {
  const properties = propertiesOf(call, METHOD_NAMES);
  return [`${prefix}${methodOf(call)}(`, ...(properties.length > 0 ? objectLiteral(properties) : []), ")"];
}

/** True when the magic says anything about the method. */
export function choosesMethod(call: Call): boolean {
  return ["method", ...METHOD_NAMES].some((name) => call.arguments.options.has(name));
}

/** The method must be known where the code is written: its options depend on it. */
export function methodOf(call: Call): string {
  const word = call.arguments.options.get("method")?.word;
  if (!word?.expression) return word?.text ?? METHODS[0];
  throw new MagicError("--method needs a name, not an expression.", word.from, word.to - word.from);
}
