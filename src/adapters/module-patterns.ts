/** @file Values for modules whose names end as a pattern says: PEFT's `rank_pattern` and `alpha_pattern`. */
import { GlmError } from "../errors.ts";
import { faultList } from "../fault-list.ts";
import { type PythonPattern, pythonPattern } from "./python-pattern.ts";

const endingPattern = (ending: string): PythonPattern => pythonPattern(`(?:.*\\.)?(?:${ending})`);

/** The patterns that match none of these modules; they must be such that can be matched. */
export const idlePatterns = (
  patterns: Readonly<Record<string, number>>,
  modules: readonly string[],
): readonly string[] =>
  Object.keys(patterns).filter((ending) => {
    const pattern = endingPattern(ending);
    return !modules.some((name) => pattern.matches(name));
  });

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
      return [{ pattern: endingPattern(ending), value }];
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
