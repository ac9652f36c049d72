/** @file Options of scripts and benchmarks that are counts. */

/** @throws Error that names the option, unless the text is a whole number of at least `least` */
export function wholeNumber(option: string, text: string, least = 1): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`--${option}: expected a whole number from ${least}, got ${JSON.stringify(text)}`);
}
