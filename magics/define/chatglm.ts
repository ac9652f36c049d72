/** @file %chatglm and %%chatglm: ask the model, stream the answer, go on from cell to cell. */
import { type Code, printCode } from "../code.ts";
import { MagicError } from "../error.ts";
import { templateLiteral, type WrittenText } from "../interpolate.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { RUNTIME } from "../values.ts";
import { declared, MODEL_OPTION, propertiesOf, runtimeCall, shownArguments, shownModel, TO_OPTION } from "./common.ts";
import { SAMPLING_NAMES, SAMPLING_OPTIONS } from "./sampling.ts";

const OPTIONS = {
  adapter: {
    kind: "adapter",
    help: "Answer with this adapter; none is the base model. Otherwise the one that %adapter use chose.",
  },
  compare: {
    kind: "adapters",
    help: "Ask several adapters at once, in one batched pass, and show their answers side by side.",
    conflicts: ["adapter", "format"],
  },
  new: { kind: "flag", help: "Begin a new conversation." },
  system: { kind: "text", value: "TEXT", help: "The system prompt, where the model's family has one." },
  ...SAMPLING_OPTIONS,
  ...TO_OPTION,
  format: {
    kind: "choice",
    choices: ["text", "markdown"],
    default: "text",
    help: "Plain text as it comes, or rendered Markdown.",
  },
  ...MODEL_OPTION,
} as const satisfies OptionTable;

const ASK_NAMES = ["adapter", "system", ...SAMPLING_NAMES];
const RUNTIME_NAMES = [...ASK_NAMES, "new", "format", "model"];

function expand(call: Call): Expanded {
  const text = [`${RUNTIME}.text`, ...question(call)];
  const properties = propertiesOf(call, RUNTIME_NAMES);
  const compared = call.arguments.options.get("compare");
  const expression = compared
    ? runtimeCall("compare", [text, compared.value], properties)
    : runtimeCall("chatglm", [text], properties);
  return { expression, ...declared(call) };
}

/** The question as a template literal. */
function question(call: Call): Code {
  const text: WrittenText = call.body ?? call.arguments.text ?? { from: call.to, to: call.to };
  const { from, to } = text;
  const written = call.source.slice(from, to);
  const start = from + written.length - written.trimStart().length;
  const end = from + written.trimEnd().length;
  if (start < end) return templateLiteral(call.source, { ...text, from: start, to: end });
  const where = call.body ? "on the lines below it" : "after its options";
  throw new MagicError(`${call.title} needs a question ${where}.`, call.from, call.to - call.from);
}

function show(call: Call): string {
  const asked = printCode(question(call), call.source);
  const model = shownModel(call);
  const compared = call.arguments.options.get("compare");
  const chosen = propertiesOf(call, ASK_NAMES).map(([name, value]) => `${name}: ${printCode(value, call.source)}`);
  if (compared) {
    const options = [`adapters: ${printCode(compared.value, call.source)}`, ...chosen];
    const answers = shownArguments(asked, `{ ${options.join(", ")} }`);
    return `const answers = await ${model}.askAll(${answers});\nconsole.log(answers);`;
  }
  const history = call.arguments.options.has("new") ? "[]; // a new conversation" : "[]; // the rounds so far";
  const name = call.arguments.options.get("to");
  return [
    `const question = ${asked};`,
    `const history: [question: string, answer: string][] = ${history}`,
    `let ${name ? printCode(name.value, call.source) : "answer"} = "";`,
    `for await (const piece of ${model}.chat(question, { ${["history", ...chosen].join(", ")} })) {`,
    "  process.stdout.write(piece);",
    `  ${name ? printCode(name.value, call.source) : "answer"} += piece;`,
    "}",
    `history.push([question, ${name ? printCode(name.value, call.source) : "answer"}]);`,
  ].join("\n");
}

const command = (text: "line" | "body"): Command => ({
  usage: text === "line" ? "TEXT" : "",
  summary: text === "line" ? "Asks in one line; the answer is its value." : "Asks what stands on the lines below.",
  options: OPTIONS,
  positional: 0,
  text,
  expand,
  show,
});

export const chatglm: Magic = {
  summary: "Asks the model and streams its answer; the conversation goes on from cell to cell.",
  examples: [
    "%chatglm 你好",
    "const answer = %chatglm --adapter dream 啥是梦中情炉？",
    "%%chatglm --compare none,dream --greedy\n啥是梦中情炉？",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
    "%%chatglm --to answer\nSummarise in one sentence: ${text}",
  ],
  line: { "": command("line") },
  cell: { "": command("body") },
};
