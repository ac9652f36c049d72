/** @file Which modules of a model an adapter targets, with PEFT's meaning: the same for adapters that are made and that are read. */
import { GlmError } from "../errors.ts";
import { tablesOf } from "../models/architectures.ts";
import type { ModuleSpec } from "../models/context.ts";
import { shortened } from "../text-cut.ts";
import type { BaseModel, Targets } from "./adapter.ts";
import { pythonPattern } from "./python-pattern.ts";
import { isNamed, targetNames } from "./target-names.ts";

/** In PEFT's word for them. */
const ALL_LINEAR = "all-linear";

export interface Targeted {
  readonly modules: readonly ModuleSpec[];
  /** The names that they were found by; a pattern as it was given. */
  readonly targets: Targets;
  /** What the user should know: names that this model has not. */
  readonly note?: string;
}

/** The modules that a low-rank update can lie on: linear ones, and the embedding. */
export function targetable({ modules, parameters, config }: BaseModel): readonly ModuleSpec[] {
  const known = new Set(modules.map(({ name }) => name));
  const held = new Set(parameters.map(({ name }) => name));
  const others = tablesOf(config).filter((table) => !known.has(table.name) && held.has(weightOf(table)));
  return [...modules, ...others];
}

/** Those of them that are linear and have a weight of their own. */
export const targetableLinear = (base: BaseModel): readonly ModuleSpec[] =>
  targetable(base).filter(({ embeds, sharesWith }) => !embeds && sharesWith === undefined);

/** The parameter that a module's weight is. */
export const weightOf = ({ name, sharesWith }: ModuleSpec): string => `${sharesWith ?? name}.weight`;

/**
 * The modules that are targeted. As in PEFT, names of a list may be without a module as long as one of them has some.
 * @param method for messages
 * @param isWhole tells modules that train whole, which are not targeted
 * @throws GlmError "adapter-invalid" when there is none, and for what is no pattern; "unsupported" for a pattern that cannot be
 * matched in linear time
 */
export function targetedModules(
  method: string,
  given: Targets,
  modules: readonly ModuleSpec[],
  isWhole: (module: string) => boolean = () => false,
): Targeted {
  const { names: targets, notes } =
    typeof given === "string" ? { names: given, notes: [] } : understood(given, modules);
  const matches = targetMatcher(targets, (error) => {
    const shown = JSON.stringify(shortened(String(given), 80));
    return new GlmError(error.code, `${method}: targets: ${error.message}, got ${shown}.`);
  });
  const found = modules.filter(matches);
  if (found.length === 0) {
    throw new GlmError(
      "adapter-invalid",
      `${method} targets ${listed([targets].flat())}: the model has no linear module of that name. It has ${endings(modules)}.`,
    );
  }
  const left = found.filter(({ name }) => !isWhole(name));
  if (left.length === 0) {
    throw new GlmError(
      "adapter-invalid",
      `${method} targets ${listed([targets].flat())}, which all train whole (modulesToSave): nothing is left. Target others, too.`,
    );
  }
  return { modules: left, targets, ...(notes.length > 0 ? { note: notes.join("\n") } : {}) };
}

/** A list's names in this model, and what is to be told of them. */
function understood(given: readonly string[], modules: readonly ModuleSpec[]) {
  const { names, note } = targetNames(given, modules);
  const lost = names.filter((name) => !modules.some((module) => isNamed(module.name, name)));
  const passed = `This model has no module ${listed(lost)}: it is passed over. It has ${endings(modules)}.`;
  return { names, notes: [...(note === undefined ? [] : [note]), ...(lost.length > 0 ? [passed] : [])] };
}

/**
 * Whether a module is meant: text is a regular expression for the whole name, or all linear modules but the output layer;
 * lists are names or their endings.
 * @param told makes the error for what is no pattern
 */
export function targetMatcher(targets: Targets, told: (error: GlmError) => GlmError): (module: ModuleSpec) => boolean {
  if (typeof targets !== "string") return ({ name }) => targets.some((target) => isNamed(name, target));
  if (targets.toLowerCase() === ALL_LINEAR)
    return ({ name, embeds }) => !embeds && !/(^|\.)(output_layer|lm_head)$/.test(name);
  try {
    const pattern = pythonPattern(targets);
    return ({ name }) => pattern.matches(name);
  } catch (error) {
    throw error instanceof GlmError ? told(error) : error;
  }
}

/** The last parts of the modules' names. */
export const endings = (modules: readonly ModuleSpec[]): string =>
  [...new Set(modules.map(({ name }) => name.split(".").at(-1)))].join(", ");

/** The first names of a list, which may be long and have anything in it. */
export const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, 10).map((name) => shortened(name, 100));
  return names.length > shown.length ? `${shown.join(", ")} and ${names.length - shown.length} more` : shown.join(", ");
};
