/** @file %chat: the conversation that %%chatglm goes on with. */
import type { Code } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Command, Magic } from "../magic.ts";
import { RUNTIME, textValue } from "../values.ts";
import type { Word } from "../words.ts";
import { argumentsOf, MODEL_OPTION, modelOption, required, runtimeCall } from "./common.ts";

// In code the conversation is a list of rounds, which one keeps oneself: what is shown of these magics is what they do
// to such a list, not how the magics remember theirs.

const base = { usage: "", options: MODEL_OPTION, positional: 0 } as const;

const history: Command = {
  ...base,
  summary: "Shows the rounds so far as a table.",
  expand: (call) => ({
    expression: runtimeCall("chatHistory", [], modelOption(call)),
    shown: ["console.table(history); // what %%chatglm hands to glm.chat as { history }"],
  }),
};

const reset: Command = {
  ...base,
  summary: "Begins a new conversation.",
  expand: (call) => ({
    expression: runtimeCall("chatReset", [], modelOption(call)),
    shown: ["history.length = 0;"],
  }),
};

const save: Command = {
  usage: "FILE",
  options: MODEL_OPTION,
  positional: 1,
  summary: "Writes the rounds to a file: .json, or .md to read.",
  expand(call) {
    const word = required(call, 0, "the file to write to: %chat save talk.json");
    const file = textValue(word);
    return {
      expression: runtimeCall("chatSave", [file], modelOption(call)),
      shown: [
        /\.(md|markdown)$/i.test(word.text) ? SHOWN_MARKDOWN : SHOWN_MESSAGES,
        ...[`\nawait ${RUNTIME}.writeFile`, ...argumentsOf([file, ["text"]]), ";"],
      ],
    };
  },
};

const SHOWN_MARKDOWN = `const rounds = history.map(([question, answer]) => \`**\${question.replaceAll("\\n", "  \\n")}**\\n\\n\${answer}\`);
const text = \`\${rounds.join("\\n\\n")}\\n\`;`;

/** The form in which a conversation can be trained on. */
const SHOWN_MESSAGES = `const messages = history.flatMap(([question, answer]) => [
  { role: "user", content: question },
  { role: "assistant", content: answer },
]);
const text = \`\${JSON.stringify([{ messages }], undefined, 2)}\\n\`;`;

const rounds: Command = {
  usage: "[N]",
  options: MODEL_OPTION,
  positional: 1,
  summary: "How many rounds are remembered; alone, says how many.",
  expand(call) {
    const [word] = call.arguments.positional;
    const count = word ? countOf(word) : ["undefined"];
    return {
      expression: runtimeCall("chatRounds", [count], modelOption(call)),
      shown: word
        ? ["const remembered = history.slice(Math.max(0, history.length - ", ...count, "));"]
        : ["history.length; // of these, %%chatglm remembers the last 8, or as many as %chat rounds has said"],
    };
  },
};

function countOf(word: Word): Code {
  if (word.expression) return textValue(word);
  if (/^\d{1,6}$/.test(word.text)) return [{ text: String(Number(word.text)), at: word.from }];
  const message = `%chat rounds needs a whole number of rounds, got "${word.text}". 0 remembers nothing.`;
  throw new MagicError(message, word.from, word.to - word.from);
}

export const chat: Magic = {
  summary: "The conversation: shows it, begins a new one, writes it to a file, sets how much is remembered.",
  examples: ["%chat history", "%chat reset", "%chat save talk.md", "%chat rounds 5"],
  line: { "": history, history, reset, save, rounds },
};
