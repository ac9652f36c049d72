/** @file What the definitions of several magics share. */
import { type Code, objectLiteral } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call } from "../magic.ts";
import { type OptionTable, propertyOf } from "../option.ts";
import { RUNTIME } from "../values.ts";
import type { Word } from "../words.ts";

/** Any magic that needs a model takes the current one, or this one. */
export const MODEL_OPTION: OptionTable = {
  model: { kind: "variable", help: "The variable of another model than the one that %model loaded last." },
};

/** Adapters belong to the notebook that makes them, unless they are shared. */
export const SHARE_OPTION: OptionTable = {
  share: { kind: "flag", help: "Make the adapter visible to every notebook." },
};

/** Names are unique: an adapter is only given up for another when that is wanted. */
export const REPLACE_OPTION: OptionTable = {
  replace: {
    kind: "flag",
    help: "Give up an adapter of the same name; without it, a trained one is kept as NAME.1, NAME.2, ...",
  },
};

/** Declares a variable with the magic's value. */
export const TO_OPTION: OptionTable = {
  to: { kind: "declares", help: "Declare a variable with the result." },
};

/** The given options among `names` as properties of an object, in the table's order. */
export function propertiesOf(call: Call, names: readonly string[]): Properties {
  return names.flatMap((name) => {
    const given = call.arguments.options.get(name);
    return given ? [[propertyOf(name), given.value] as const] : [];
  });
}

/** Properties of an object, by name. */
export type Properties = readonly (readonly [name: string, value: Code])[];

/** `(arguments, { options })`; without options, no object. */
export function argumentsOf(values: readonly Code[], properties: Properties = []): Code {
  const last = properties.length > 0 ? [objectLiteral(properties)] : [];
  const all = [...values, ...last].flatMap((value, index) => (index === 0 ? value : [", ", ...value]));
  return ["(", ...all, ")"];
}

/** `await __glmlab.name(arguments, { options })`. */
export function runtimeCall(name: string, values: readonly Code[], properties: Properties): Code {
  return [`await ${RUNTIME}.${name}`, ...argumentsOf(values, properties)];
}

/** The variable that `--to` names, for statements; where the value is used already, `--to` makes no sense. */
export function declared(call: Call, option = "to"): { declares?: Code } {
  const given = call.arguments.options.get(option);
  if (!given) return {};
  if (!call.isValue) return { declares: given.value };
  const message = `--${option} declares a variable, and so does the assignment: leave one of them out.`;
  throw new MagicError(message, given.name.from, given.name.to - given.name.from);
}

/** The word at this place, or an error that says what is missing. */
export function required(call: Call, index: number, what: string): Word {
  const word = call.arguments.positional[index];
  if (word) return word;
  throw new MagicError(`${call.title} needs ${what}.`, call.from, call.to - call.from);
}

/** The model that `--model` names, as the runtime takes it. */
export function modelOption(call: Call): Properties {
  return propertiesOf(call, ["model"]);
}

/** The same model's variable in shown code, where there is no current one. */
export function modelOf(call: Call): Code {
  return call.arguments.options.get("model")?.value ?? ["glm"];
}

/** The variable of a result in shown code: the one that `--to` names, or a usual name. */
export function resultOf(call: Call, usual: string): Code {
  return call.arguments.options.get("to")?.value ?? [usual];
}

/** A name as a variable in shown code: itself where it can be one. */
export function shownVariable(name: string, otherwise: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : otherwise;
}
