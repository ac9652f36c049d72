/** @file %chat: the conversation that %%chatglm goes on with. */
import { printCode } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call, Command, Magic } from "../magic.ts";
import { textValue } from "../values.ts";
import { MODEL_OPTION, propertiesOf, required, runtimeCall } from "./common.ts";

const base = { usage: "", options: MODEL_OPTION, positional: 0 } as const;

const history: Command = {
  ...base,
  summary: "Shows the rounds so far as a table.",
  expand: (call) => ({ expression: runtimeCall("chatHistory", [], propertiesOf(call, ["model"])) }),
  show: () => "console.table(history); // what %%chatglm hands to glm.chat as { history }",
};

const reset: Command = {
  ...base,
  summary: "Begins a new conversation.",
  expand: (call) => ({ expression: runtimeCall("chatReset", [], propertiesOf(call, ["model"])) }),
  show: () => "history.length = 0;",
};

const save: Command = {
  usage: "FILE",
  options: MODEL_OPTION,
  positional: 1,
  summary: "Writes the rounds to a file: .json, or .md to read.",
  expand(call) {
    const file = required(call, 0, "the file to write to: %chat save talk.json");
    return { expression: runtimeCall("chatSave", [textValue(file)], propertiesOf(call, ["model"])) };
  },
  show: (call) =>
    `import { writeFile } from "node:fs/promises";\n\nawait writeFile(${fileOf(call)}, JSON.stringify(history, null, 2));`,
};

const rounds: Command = {
  usage: "[N]",
  options: MODEL_OPTION,
  positional: 1,
  summary: "How many rounds are remembered; alone, says how many.",
  expand(call) {
    const [word] = call.arguments.positional;
    if (word && !word.expression && !/^\d{1,6}$/.test(word.text)) {
      const message = `%chat rounds needs a whole number of rounds, got "${word.text}". 0 remembers nothing.`;
      throw new MagicError(message, word.from, word.to - word.from);
    }
    const value = !word ? [] : word.expression ? textValue(word) : [{ text: String(Number(word.text)), at: word.from }];
    return { expression: runtimeCall("chatRounds", [word ? value : ["undefined"]], propertiesOf(call, ["model"])) };
  },
  show: () => "const remembered = history.slice(-rounds);",
};

function fileOf(call: Call): string {
  const [word] = call.arguments.positional;
  return word ? printCode(textValue(word), call.source) : "";
}

export const chat: Magic = {
  summary: "The conversation: shows it, begins a new one, writes it to a file, sets how much is remembered.",
  examples: ["%chat history", "%chat reset", "%chat save talk.md", "%chat rounds 5"],
  line: { "": history, history, reset, save, rounds },
};
