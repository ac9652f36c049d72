/** @file Which modules of a model an adapter targets, with PEFT's meaning: the same for adapters that are made and that are read. */
import { GlmError } from "../errors.ts";
import { tablesOf } from "../models/architectures.ts";
import type { ModuleSpec } from "../models/context.ts";
import { shortened } from "../text-cut.ts";
import type { BaseModel, Targets } from "./adapter.ts";
import { pythonPattern } from "./python-pattern.ts";

/** What modules are called in another layout or by users. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  query_key_value: ["q_proj", "k_proj", "v_proj"],
  dense: ["o_proj"],
  dense_h_to_4h: ["gate_up_proj"],
  dense_4h_to_h: ["down_proj"],
  word_embeddings: ["embed_tokens"],
  embed_tokens: ["word_embeddings"],
  output_layer: ["lm_head"],
  lm_head: ["output_layer"],
};

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
 * @throws GlmError "adapter-invalid" when there is none, and for what is no pattern; "unsupported" for a pattern that cannot be
 * matched in linear time
 */
export function targetedModules(method: string, targets: Targets, modules: readonly ModuleSpec[]): Targeted {
  if (typeof targets === "string") {
    const matches = targetMatcher(targets, (error) => {
      return new GlmError(
        error.code,
        `${method}: targets: ${error.message}, got ${JSON.stringify(shortened(targets, 80))}.`,
      );
    });
    const found = modules.filter(matches);
    if (found.length === 0) throw nothing(method, [targets], modules);
    return { modules: found, targets };
  }
  const names = targets.flatMap((target) => namesHere(target, modules));
  const lost = names.filter((name) => !modules.some((module) => isNamed(module.name, name)));
  if (lost.length === names.length) throw nothing(method, lost, modules);
  const found = modules.filter((module) => names.some((name) => isNamed(module.name, name)));
  const note = { note: `This model has no module ${listed(lost)}: it is passed over. It has ${endings(modules)}.` };
  return { modules: found, targets: names, ...(lost.length > 0 ? note : {}) };
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

/** Whether a target is the name of a module, or its ending, in either layout's words. */
export const namesModule = (target: string, modules: readonly ModuleSpec[]): boolean =>
  namesHere(target, modules).some((name) => modules.some((module) => isNamed(module.name, name)));

/** The last parts of the modules' names. */
export const endings = (modules: readonly ModuleSpec[]): string =>
  [...new Set(modules.map(({ name }) => name.split(".").at(-1)))].join(", ");

const isNamed = (name: string, target: string): boolean => name === target || name.endsWith(`.${target}`);

/** A target, or what it is called in this model where that has only those. */
function namesHere(target: string, modules: readonly ModuleSpec[]): readonly string[] {
  const known = (name: string): boolean => modules.some((module) => isNamed(module.name, name));
  if (known(target)) return [target];
  // What holds the table in the published code.
  if (target === "embedding") return modules.filter(({ embeds }) => embeds).map(({ name }) => name);
  const others = Object.hasOwn(aliases, target) ? (aliases[target] ?? []) : [];
  return others.length > 0 && others.every(known) ? others : [target];
}

function nothing(method: string, targets: readonly string[], modules: readonly ModuleSpec[]): GlmError {
  return new GlmError(
    "adapter-invalid",
    `${method} targets ${listed(targets)}: the model has no linear module of that name. It has ${endings(modules)}.`,
  );
}

/** The first names of a list, which may be long and have anything in it. */
export const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, 10).map((name) => shortened(name, 100));
  return names.length > shown.length ? `${shown.join(", ")} and ${names.length - shown.length} more` : shown.join(", ");
};
