/** @file The options that say how a knowledge book is taught, as the magics spell them. */
import * as defaults from "../../src/api/defaults.ts";
import { type Pace, paceRules } from "../../src/api/knowledge-pace.ts";
import { configOf, type MethodChoice } from "../../src/api/methods.ts";
import type { Call } from "../magic.ts";
import type { Kebab, OptionSpec, OptionTable } from "../option.ts";
import { type Properties, propertiesOf } from "./common.ts";

/** A default for small models and for large ones. */
function usual(
  name: keyof Pace,
  method: MethodChoice["method"] = "lora",
  facts = 1,
): readonly [small: number, large: number] {
  const config = configOf({ method });
  return [paceRules(config, 0, facts)[name].default, paceRules(config, Number.POSITIVE_INFINITY, facts)[name].default];
}

/** In words: "8, 2 for a large model". */
function inWords([small, large]: readonly [number, number]): string {
  return small === large ? String(small) : `${small}, ${large} for a large model`;
}

const [rules, one, two] = [paceRules(configOf({ method: "lora" }), 0, 1), usual("steps"), usual("steps", "lora", 2)];
const more = inWords([two[0] - one[0], two[1] - one[1]]);

/** Every setting of the library's pace, and no other: a missing one does not compile. */
const PACE_OPTIONS = {
  steps: {
    kind: "number",
    rule: rules.steps,
    default: `${inWords(one)}; for each further fact ${more} more`,
    help: "The most steps it may take.",
  },
  lr: {
    kind: "number",
    rule: rules.lr,
    default: `${inWords(usual("lr"))}; with --method full ${inWords(usual("lr", "full"))}`,
    help: "Learning rate.",
  },
  "batch-size": {
    kind: "number",
    rule: rules.batchSize,
    default: `${inWords(usual("batchSize"))}; for several facts ${inWords(usual("batchSize", "lora", 2))}`,
    help: "Wordings in a step.",
  },
  "rehearse-per-step": {
    kind: "number",
    rule: rules.rehearsePerStep,
    default: inWords(usual("rehearsePerStep")),
    help: "Rows rehearsed beside them.",
  },
  "extra-steps": {
    kind: "number",
    rule: rules.extraSteps,
    default: inWords(usual("extraSteps")),
    help: "Steps that are taken once everything is recalled, for wordings that are not taught.",
  },
} as const satisfies Readonly<Record<Kebab<keyof Pace>, OptionSpec>>;

export const TEACHING_OPTIONS: OptionTable = {
  ...PACE_OPTIONS,
  rehearse: {
    kind: "rows",
    unanswered: true,
    default: "shipped questions of everyday knowledge",
    help: "Rows rehearsed so that what the model knew stays; the base answers those without a response.",
  },
  "no-rehearse": {
    kind: "flag",
    help: "Rehearse nothing: quicker, and what the model knew suffers.",
    conflicts: ["rehearse", "rehearse-per-step"],
  },
  seed: { kind: "number", rule: defaults.seed.seed, help: "The same seed reproduces the run." },
};

/** What is given of them, as the library's settings. */
export function settingsOf(call: Call): Properties {
  const none = call.arguments.options.has("no-rehearse") ? [["rehearse", ["false"]] as const] : [];
  return [...propertiesOf(call, [...Object.keys(PACE_OPTIONS), "rehearse", "seed"]), ...none];
}
