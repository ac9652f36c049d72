/** @file Characters and white space as Python counts them, whose libraries the field scores with. */

/** What `str.isspace` says of a character, as part of a pattern: JavaScript's own `\s` has another set. */
const WHITE: string = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;

/** Code points, each of which is a character in Python. */
export const charactersOf = (text: string): string[] => Array.from(text);

const RUN = new RegExp(`${WHITE}+`, "u");
const END = new RegExp(`${WHITE}+$`, "u");

/** `str.split()`. */
export const splitAtWhite = (text: string): string[] => text.split(RUN).filter((part) => part !== "");

/** `str.rstrip()`. */
export const withoutEnd = (text: string): string => text.replace(END, "");
