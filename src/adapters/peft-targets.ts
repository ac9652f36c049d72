/** @file Which modules a PEFT configuration adapts: names, patterns and choices of layers, with PEFT's meaning. */
import { GlmError } from "../errors.ts";
import type { ModuleSpec } from "../models/context.ts";
import type { Targets } from "./adapter.ts";
import { describe, isOn } from "./peft-values.ts";
import { pythonPattern } from "./python-pattern.ts";
import { endings, listed, namesModule, targetMatcher } from "./targets.ts";

export interface PeftTargets {
  /** Names of modules, or their endings, or a pattern. */
  readonly names: Targets;
  readonly note?: string;
}

type Matcher = (module: ModuleSpec) => boolean;

/**
 * Names or endings of the adapted modules; patterns and layer choices are resolved to full names. As in PEFT, names of a
 * list may be without a module as long as one of them has some.
 * @throws GlmError "adapter-invalid" or "unsupported" with a phrase that begins with the option's name
 */
export function peftTargets(json: Readonly<Record<string, unknown>>, modules: readonly ModuleSpec[]): PeftTargets {
  const { target_modules: targets, exclude_modules: excluded, layers_to_transform: layers } = json;
  if (!isList(targets) && typeof targets !== "string") {
    throw new GlmError("adapter-invalid", `target_modules: expected names or a pattern, got ${describe(targets)}`);
  }
  const chosen: readonly unknown[] = isOn(layers) ? [layers].flat() : [];
  const none = (): GlmError =>
    new GlmError(
      "adapter-invalid",
      `target_modules: expected names of this model's modules, got ${describe(targets)}, which fits none. ` +
        `It has ${endings(modules)}`,
    );
  const lost = isList(targets) ? targets.filter((target) => !namesModule(target, modules)) : [];
  if (lost.length > 0 && lost.length === (targets as readonly string[]).length) throw none();
  const note = lost.length === 0 ? {} : { note: `This model has no module ${listed(lost)}, which the adapter names.` };
  const isTarget = matcher("target_modules", targets);
  if (chosen.length === 0 && !isOn(excluded)) {
    if (isList(targets)) return { names: targets.filter((target) => !lost.includes(target)), ...note };
    if (!modules.some(isTarget)) throw none();
    return { names: targets };
  }
  const isExcluded = isOn(excluded) ? matcher("exclude_modules", excluded) : () => false;
  const isChosen = chosen.length > 0 ? layerMatcher(chosen, json.layers_pattern) : () => true;
  const names = modules
    .filter((module) => isTarget(module) && !isExcluded(module) && isChosen(module))
    .map(({ name }) => name);
  if (names.length === 0) throw none();
  return { names, ...note };
}

const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");

function matcher(key: string, targets: unknown): Matcher {
  if (typeof targets !== "string" && !isList(targets)) return () => false;
  return targetMatcher(
    targets,
    (error) => new GlmError(error.code, `${key}: ${error.message}, got ${describe(targets)}`),
  );
}

/**
 * Whether a module is in one of the chosen layers: the number after the list that `layers_pattern` names, else the last
 * number that has two levels before it.
 */
function layerMatcher(chosen: readonly unknown[], layersPattern: unknown): Matcher {
  const lists = [layersPattern].flat().filter((item): item is string => typeof item === "string" && item !== "");
  const sources = lists.length > 0 ? lists : ["[^.]*"];
  const patterns = sources.map((list) => named("layers_pattern", list, `.*\\.${list}\\.(\\d+)\\.`));
  return ({ name }) => {
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
