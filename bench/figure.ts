/** @file One line of a table of figures. */

/** What was measured, in words, and the value with its unit. */
export type Figure = readonly [what: string, value: string];
