/** @file A question made ready for an engine: its options checked and completed in one place, its words a prompt. */
import { randomInt } from "node:crypto";
import type { SamplingOptions } from "../generate/sampler.ts";
import type { ChatGLMConfig, Family } from "../models/config.ts";
import { complete, invalid } from "../options.ts";
import { historyMessages } from "../text/history.ts";
import { type Message, prompt } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ChatOptions } from "./chatglm-options.ts";
import { type Checked, faultsOf } from "./checks.ts";
import * as defaults from "./defaults.ts";
import { type GenerationDefaults, samplingRules } from "./generation.ts";

/** Options besides those of sampling: of all questions, and of those in words. */
export const OWN: readonly string[] = ["stop", "signal", "onProgress"];
export const OWN_CHAT: readonly string[] = [...OWN, "history", "system"];

/** What of a model decides how it answers. */
interface Answering {
  readonly generation: GenerationDefaults;
  readonly config: Pick<ChatGLMConfig, "contextLength">;
}

/**
 * Checks a question with its options, before anything is made of them, and tells everything that is wrong at once.
 * @param others names of the options besides those of sampling
 * @param values what is asked
 * @returns how the answer to a prompt of so many tokens is made: how long it may be, only they say
 * @throws GlmError "option-invalid"; what is returned as well, when the prompt leaves no room for an answer
 */
export function samplingOf(
  { generation, config }: Answering,
  subject: string,
  options: ChatOptions,
  others: readonly string[],
  values: Checked,
): (promptTokens: number) => SamplingOptions {
  // What is not an object is refused with the other options.
  const { stop, history, system, adapter, signal, onProgress, ...given } = options ?? {};
  const found = faultsOf({ ...values, stop, history, system, adapter, signal, onProgress });
  const rules = { ...samplingRules(generation, given), ...defaults.seed };
  const settings = complete(subject, rules, options, others, found);
  const sampling = { ...settings, stop: stop ?? generation.stop, seed: given.seed ?? randomInt(2 ** 31) };
  if ((given.maxNewTokens ?? generation.maxNewTokens) !== undefined) return () => sampling;
  return (promptTokens) => {
    const left = settings.maxNewTokens - promptTokens;
    if (left > 0) return { ...sampling, maxNewTokens: left };
    const { maxLength } = generation;
    throw invalid(subject, [
      `expected a prompt of fewer than ${maxLength} tokens, which leaves room for an answer, got ${promptTokens}. ` +
        `Shorten it${maxLength < config.contextLength ? ", start a new conversation, or set maxNewTokens" : " or start a new conversation"}.`,
    ]);
  };
}

/** Token ids of a question after what was said before it. */
export function questionIds(
  { family, tokenizer }: { readonly family: Family; readonly tokenizer: Tokenizer },
  question: string,
  { history = [], system }: ChatOptions,
): number[] {
  const begins: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
  return prompt(family, tokenizer, [...begins, ...historyMessages(history), { role: "user", content: question }]);
}
