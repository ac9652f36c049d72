/** @file Which modules a PEFT configuration adapts: names, patterns and choices of layers, with PEFT's meaning. */
import { GlmError } from "../errors.ts";
import type { ModuleSpec } from "../models/context.ts";
import { describe, isOn } from "./peft-values.ts";
import { pythonPattern } from "./python-pattern.ts";
import { isNamed, namesModule, targetNames } from "./target-names.ts";

export interface PeftTargets {
  /** Names of modules, or their endings. */
  readonly names: readonly string[];
  readonly note?: string;
}

type Matcher = (name: string) => boolean;

/**
 * Names or endings of the adapted modules; patterns and layer choices are resolved to full names. As in PEFT, names of a
 * list may be without a module as long as one of them has some. Where none has, names that others use for these modules are
 * understood, unless the tensors are of others.
 * @param tensors names of what the adapter's file holds
 * @throws GlmError "adapter-invalid" or "unsupported" with a phrase that begins with the option's name
 */
export function peftTargets(
  json: Readonly<Record<string, unknown>>,
  modules: readonly ModuleSpec[],
  tensors: Iterable<string>,
): PeftTargets {
  const { target_modules: given, exclude_modules: excluded, layers_to_transform: layers } = json;
  if (!isList(given) && typeof given !== "string") {
    throw new GlmError("adapter-invalid", `target_modules: expected names or a pattern, got ${describe(given)}`);
  }
  const chosen: readonly unknown[] = isOn(layers) ? [layers].flat() : [];
  const none = (): GlmError =>
    new GlmError(
      "adapter-invalid",
      `target_modules: expected names of this model's modules, got ${describe(given)}, which fits none. ` +
        `It has ${[...new Set(modules.map(({ name }) => name.split(".").at(-1)))].join(", ")}`,
    );
  const { targets, note } = isList(given) ? understood(given, modules, [...tensors], none) : { targets: given };
  const noted = note === undefined ? {} : { note };
  if (isList(targets) && chosen.length === 0 && !isOn(excluded)) return { names: targets, ...noted };
  const isTarget = targets === "all-linear" ? isLinear : matcher("target_modules", targets);
  const isExcluded = isOn(excluded) ? matcher("exclude_modules", excluded) : () => false;
  const isChosen = chosen.length > 0 ? layerMatcher(chosen, json.layers_pattern) : () => true;
  const names = modules.map(({ name }) => name).filter((name) => isTarget(name) && !isExcluded(name) && isChosen(name));
  if (names.length === 0) throw none();
  return { names, ...noted };
}

function understood(
  given: readonly string[],
  modules: readonly ModuleSpec[],
  tensors: readonly string[],
  none: () => GlmError,
): { readonly targets: readonly string[]; readonly note?: string } {
  const there = given.filter((target) => namesModule(target, modules));
  if (there.length > 0) {
    const { names: targets } = targetNames(there, modules);
    const lost = given.filter((target) => !there.includes(target));
    if (lost.length === 0) return { targets };
    return { targets, note: `This model has no module ${lost.join(", ")}, which the adapter names.` };
  }
  const { names, note } = targetNames(given, modules);
  const targets = names.filter((name) => namesModule(name, modules));
  const isHeld = (target: string): boolean => tensors.some((name) => `.${name}`.includes(`.${target}.lora_`));
  if (note === undefined || !targets.some(isHeld)) throw none();
  const strange = names.filter((name) => !targets.includes(name));
  const more = strange.length > 0 ? ` It has no module ${strange.join(", ")}, which the adapter names, too.` : "";
  return { targets, note: `${note}${more}` };
}

const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");

/** All but the head. */
const isLinear: Matcher = (name) => !/(^|\.)(output_layer|lm_head)$/.test(name);

/** PEFT takes text as a regular expression for the whole name, and lists as names or their endings. */
function matcher(key: string, targets: unknown): Matcher {
  if (typeof targets !== "string") {
    return (name) => Array.isArray(targets) && targets.some((target) => isNamed(name, target));
  }
  const pattern = named(key, targets);
  return (name) => pattern.matches(name);
}

/**
 * Whether a module is in one of the chosen layers: the number after the list that `layers_pattern` names, else the last
 * number that has two levels before it.
 */
function layerMatcher(chosen: readonly unknown[], layersPattern: unknown): Matcher {
  const lists = [layersPattern].flat().filter((item): item is string => typeof item === "string" && item !== "");
  const sources = lists.length > 0 ? lists : ["[^.]*"];
  const patterns = sources.map((list) => named("layers_pattern", list, `.*\\.${list}\\.(\\d+)\\.`));
  return (name) => {
    const number = patterns.map((pattern) => pattern.firstGroup(name)).find((found) => found !== undefined);
    return number !== undefined && chosen.includes(Number(number));
  };
}

function named(key: string, shown: string, source = shown): ReturnType<typeof pythonPattern> {
  try {
    return pythonPattern(source);
  } catch (error) {
    if (!(error instanceof GlmError)) throw error;
    throw new GlmError(error.code, `${key}: ${error.message}, got ${describe(shown)}`);
  }
}
