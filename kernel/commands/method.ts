/** @file A fine-tuning method and its options, as a command's line spells them. */
import { methodCalled, optionsOfMethod, strayAmong } from "../../magics/define/method.ts";
import { propertyOf } from "../../magics/option.ts";
import { configOf, type MethodChoice } from "../../src/api/methods.ts";
import type { AdapterConfig, Method } from "../../src/index.ts";
import { UsageError, type Values } from "./command.ts";

/**
 * @param values of METHOD_OPTIONS, and maybe of others
 * @throws UsageError for an option of another method
 */
export function methodOfValues(subject: string, values: Values): AdapterConfig {
  const method = methodCalled(values.method as string | undefined) as Method;
  const stray = strayAmong(method, (option) => values[option] !== undefined);
  if (stray) throw new UsageError(`${subject}: ${stray.message}`);
  const options = optionsOfMethod(method).map((option) => [propertyOf(option), values[option]]);
  return configOf({ ...Object.fromEntries(options), method } as MethodChoice);
}
