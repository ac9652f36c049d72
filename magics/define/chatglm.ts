/** @file %chatglm and %%chatglm: ask the model, stream the answer, go on from cell to cell. */
import type { Code } from "../code.ts";
import { MagicError } from "../error.ts";
import { templateLiteral, type WrittenText } from "../interpolate.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { RUNTIME } from "../values.ts";
import {
  argumentsOf,
  declared,
  MODEL_OPTION,
  modelOf,
  type Properties,
  propertiesOf,
  resultOf,
  runtimeCall,
  TO_OPTION,
} from "./common.ts";
import { SAMPLING_NAMES, SAMPLING_OPTIONS } from "./sampling.ts";

export const ASK_OPTIONS: OptionTable = {
  adapter: {
    kind: "adapter",
    help: "Answer with this adapter, or with several at once: a+0.5*b. none is the base model. Otherwise what %adapter use chose.",
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
};

const ASK_NAMES = ["adapter", "system", ...SAMPLING_NAMES];

function expand(call: Call): Expanded {
  const asked = question(call);
  const text = [`${RUNTIME}.text`, ...asked];
  const [options, compared] = [propertiesOf(call, ASK_NAMES), call.arguments.options.get("compare")];
  const own = propertiesOf(call, ["new", "format", "model"]);
  if (compared) {
    return {
      expression: runtimeCall("compare", [text, compared.value], [...options, ...own]),
      ...declared(call),
      shown: shownComparison(call, argumentsOf([asked], [["adapters", compared.value], ...options])),
    };
  }
  return {
    expression: runtimeCall("chatglm", [text], [...options, ...own]),
    ...declared(call),
    shown: shownChat(call, asked, options),
  };
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

function shownComparison(call: Call, asked: Code): Code {
  const answers = resultOf(call, "answers");
  return [
    ...["const ", ...answers, " = await ", ...modelOf(call), ".askAll", ...asked, ";\n"],
    ...["console.log(", ...answers, ");"],
  ];
}

/** The magic remembers the rounds, and what was said to the model before them; in code they are a list of one's own. */
function shownChat(call: Call, asked: Code, options: Properties): Code {
  const answer = resultOf(call, "answer");
  const about = call.arguments.options.has("new") ? "a new conversation" : "the rounds so far";
  return [
    ...["const question = ", ...asked, ";\n"],
    `const history: [question: string, answer: string][] = []; // ${about}\n`,
    ...["let ", ...answer, ' = "";\n'],
    ...["for await (const piece of ", ...modelOf(call), ".chat(question, { history", ...more(options), " })) {\n"],
    "  process.stdout.write(piece);\n",
    ...["  ", ...answer, " += piece;\n"],
    "}\n",
    ...["history.push([question, ", ...answer, "]);"],
  ];
}

/** Further properties of an object. */
const more = (properties: Properties): Code => properties.flatMap(([name, value]) => [`, ${name}: `, ...value]);

const command = (text: "line" | "body"): Command => ({
  usage: text === "line" ? "TEXT" : "",
  summary: text === "line" ? "Asks in one line; the answer is its value." : "Asks what stands on the lines below.",
  options: ASK_OPTIONS,
  positional: 0,
  text,
  expand,
});

export const chatglm: Magic = {
  summary: "Asks the model and streams its answer; the conversation goes on from cell to cell.",
  examples: [
    "%chatglm 你好",
    "const answer = %chatglm --adapter dream 啥是梦中情炉？",
    "%chatglm --adapter dream+0.5*facts 啥是梦中情炉？",
    "%%chatglm --compare none,dream --greedy\n啥是梦中情炉？",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
    "%%chatglm --to answer\nSummarise in one sentence: ${text}",
  ],
  line: { "": command("line") },
  cell: { "": command("body") },
};
