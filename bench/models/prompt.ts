/** @file Token ids to ask with. Which they are does not matter to a random model, but they must not all be one. */

/** Below every vocabulary that is measured. */
const IDS = 500;

export const promptIds = (length: number): number[] => Array.from({ length }, (_, i) => (i * 37 + 11) % IDS);
