/** @file A fine-tuning method and its options, as a command's line spells them. */
import { METHOD_OPTIONS, methodCalled, optionsOfMethod, strayAmong } from "../../magics/define/method.ts";
import { configOf, type MethodChoice } from "../../src/api/methods.ts";
import type { AdapterConfig, Method } from "../../src/index.ts";
import { UsageError, type Values } from "./command.ts";
import { settingsAmong } from "./settings.ts";

/**
 * @param values of METHOD_OPTIONS, and maybe of others
 * @throws UsageError for an option of another method
 */
export function methodOfValues(subject: string, values: Values): AdapterConfig {
  return configOf(methodGiven(subject, values));
}

/** The method with what is given of its options; undefined when nothing of it is given. */
export function choiceOfValues(subject: string, values: Values): MethodChoice | undefined {
  const isChosen = Object.keys(METHOD_OPTIONS).some((option) => values[option] !== undefined);
  return isChosen ? methodGiven(subject, values) : undefined;
}

function methodGiven(subject: string, values: Values): MethodChoice {
  const method = methodCalled(values.method as string | undefined) as Method;
  const stray = strayAmong(method, (option) => values[option] !== undefined);
  if (stray) throw new UsageError(`${subject}: ${stray.message}`);
  return { ...settingsAmong(optionsOfMethod(method), values), method } as MethodChoice;
}
