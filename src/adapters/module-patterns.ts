/** @file Values for modules whose names end as a pattern says: PEFT's `rank_pattern` and `alpha_pattern`. */
import { GlmError } from "../errors.ts";
import { faultList } from "../fault-list.ts";
import { pythonPattern } from "./python-pattern.ts";

/**
 * The value of the first pattern that matches the end of a module's name, from a level's start: `re.match(rf"(.*\.)?({key})$")`
 * in PEFT.
 * @throws GlmError "adapter-invalid" or "unsupported" with every pattern that cannot be matched
 */
export function patternValues(
  subject: string,
  patterns: Readonly<Record<string, number>> = {},
): (module: string) => number | undefined {
  const faults: GlmError[] = [];
  const compiled = Object.entries(patterns).flatMap(([ending, value]) => {
    try {
      return [{ pattern: pythonPattern(`(?:.*\\.)?(?:${ending})`), value }];
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      faults.push(new GlmError(error.code, `${subject}[${JSON.stringify(ending)}]: ${error.message}`));
      return [];
    }
  });
  const [first] = faults;
  if (first) throw new GlmError(first.code, faultList(faults.map(({ message }) => message)).trimStart());
  return (module) => compiled.find(({ pattern }) => pattern.matches(module))?.value;
}
