/** @file Exact match: the answer is the reference, white space around them aside. */

/** 1 or 0. */
export const exactMatch = (answer: string, reference: string): number => (answer.trim() === reference.trim() ? 1 : 0);
