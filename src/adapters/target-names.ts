/** @file What the modules are called that an adapter targets: in the other layout, by PEFT's users, and in this model. */
import type { ModuleSpec } from "../models/context.ts";

/** By a target's name: what it may be called in a model that has no module of it, the first of which is taken. */
const elsewhere: Readonly<Record<string, readonly (readonly string[])[]>> = {
  query_key_value: [["q_proj", "k_proj", "v_proj"]],
  dense: [["o_proj"]],
  dense_h_to_4h: [["gate_up_proj"]],
  dense_4h_to_h: [["down_proj"]],
  query: [["q_proj"], ["query_key_value"]],
  key: [["k_proj"], ["query_key_value"]],
  value: [["v_proj"], ["query_key_value"]],
  q_proj: [["query_key_value"]],
  k_proj: [["query_key_value"]],
  v_proj: [["query_key_value"]],
  o_proj: [["dense"]],
  gate_proj: [["gate_up_proj"], ["dense_h_to_4h"]],
  up_proj: [["gate_up_proj"], ["dense_h_to_4h"]],
  gate_up_proj: [["dense_h_to_4h"]],
  down_proj: [["dense_4h_to_h"]],
};

/** ChatGLM's own names: in transformers' layout they are the same modules, of which nothing needs to be said. */
const own: ReadonlySet<string> = new Set(["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]);

/** Modules that are several at once, and what. */
const together: Readonly<Record<string, string>> = {
  query_key_value: "query, key and value",
  dense_h_to_4h: "gate and up",
  gate_up_proj: "gate and up",
};

export interface TargetNames {
  /** In this model, each once; what is not there under any name is as it was given. */
  readonly names: readonly string[];
  /** What the user should know of how they were understood. */
  readonly note?: string;
}

/** The names of a list of targets in a model with these modules. */
export function targetNames(targets: readonly string[], modules: readonly ModuleSpec[]): TargetNames {
  const found = targets.map((target) => ({ target, names: namesHere(target, modules) }));
  const names = [...new Set(found.flatMap((one) => one.names))];
  const others = found.filter((one) => !own.has(one.target) && String(one.names) !== one.target);
  if (others.length === 0) return { names };
  const arrows = [...new Set(others.map((one) => `${one.target} → ${one.names.join(", ")}`))];
  const several = [...new Set(others.flatMap((one) => one.names))].filter((name) => Object.hasOwn(together, name));
  const whole = several.map((name) => ` ${name} is one module for ${together[name]}.`).join("");
  return { names, note: `Targets by their names in this model: ${arrows.join("; ")}.${whole}` };
}

/** A target, or what it is called in this model where that has no module of its name. */
function namesHere(target: string, modules: readonly ModuleSpec[]): readonly string[] {
  if (isKnown(target, modules) || !Object.hasOwn(elsewhere, target)) return [target];
  return elsewhere[target]?.find((names) => names.every((name) => isKnown(name, modules))) ?? [target];
}

/** Whether a target is the name of a module or its ending, in either layout's words. */
export const namesModule = (target: string, modules: readonly ModuleSpec[]): boolean =>
  isKnown(target, modules) || (own.has(target) && namesHere(target, modules).every((name) => isKnown(name, modules)));

/** As PEFT matches a list's names. */
export const isNamed = (module: string, target: string): boolean => module === target || module.endsWith(`.${target}`);

const isKnown = (target: string, modules: readonly ModuleSpec[]): boolean =>
  modules.some(({ name }) => isNamed(name, target));
