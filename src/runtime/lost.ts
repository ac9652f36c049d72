/** @file What those are told whose question was under way when the process that computed it ended. */
import { KEEP_EVERY } from "../engine/keeper.ts";

/**
 * @param what ended, and why, if that is known: a sentence
 * @param again what happens when it is asked again
 */
export const lostMessage = (what: string, again: string): string =>
  `${what} What it was computing is lost. Adapters are as they were last written to the disk, which is every ${KEEP_EVERY / 1000} seconds while they learn ` +
  "(large ones less often): steps that were taken since are lost, and `%adapter list` shows the step that each is at. " +
  `Ask again: ${again}. \`glmlab runtime logs\` (or \`%runtime logs\`) may say why it ended.`;
