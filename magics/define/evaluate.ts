/** @file %evaluate and %%evaluate: answers of the base and of adapters, scored side by side, and what fine-tuning cost. */
import * as defaults from "../../src/api/defaults.ts";
import { scoreNames } from "../../src/scores/score.ts";
import type { Code } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
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
import { isRowsVariable, ROW_OPTIONS, rowsOf, shownRows } from "./rows.ts";

const ADAPTERS_OPTION = {
  adapters: {
    kind: "adapters",
    default: "none, and the adapter in use",
    help: "Who answers, side by side in one batched pass; none is the base model.",
  },
} as const satisfies OptionTable;

const COMMON_OPTIONS = {
  "max-new-tokens": { kind: "number", rule: defaults.evaluate.maxNewTokens, help: "Longest answer in tokens." },
  save: { kind: "text", value: "FILE", help: "Write scores and all answers to a file, as JSON." },
} as const satisfies OptionTable;

/** Of rows. */
export const EVALUATE_OPTIONS: OptionTable = {
  scores: {
    kind: "choices",
    choices: scoreNames,
    default: defaults.scores.join(),
    help: `How answers are scored: ${scoreNames.join(", ")}. Rubrics and functions: \${[...]}.`,
  },
  ...ADAPTERS_OPTION,
  ...COMMON_OPTIONS,
  ...ROW_OPTIONS,
  ...TO_OPTION,
  ...MODEL_OPTION,
};

/** On a line, where there are no rows. */
export const FORGETTING: OptionTable = {
  forgetting: {
    kind: "flag",
    help: "Without rows: put shipped questions (translation, code, everyday knowledge) and compare the answers with the base's.",
    conflicts: ["scores", ...Object.keys(ROW_OPTIONS)],
  },
};

const NAMES = ["max-new-tokens", "save"];

function expand(call: Call): Expanded {
  const settings = propertiesOf(call, NAMES);
  if (call.arguments.options.has("forgetting")) return expandForgetting(call, settings);
  const rows = rowsOf(call, 0, "to evaluate");
  const asked = [...propertiesOf(call, ["scores", "adapters"]), ...settings];
  return {
    expression: runtimeCall("evaluate", [rows], [...asked, ...propertiesOf(call, ["model"])]),
    ...declared(call),
    shown: shownEvaluation(call, rows, asked),
  };
}

function expandForgetting(call: Call, settings: Properties): Expanded {
  const [word] = call.arguments.positional;
  if (word) {
    const message = `${call.title} --forgetting puts its own questions, so "${word.text}" is one source too many.`;
    throw new MagicError(message, word.from, word.to - word.from);
  }
  const options = propertiesOf(call, ["adapters", "model"]);
  const adapters = call.arguments.options.get("adapters")?.value ?? ['"..."'];
  return {
    expression: runtimeCall("forgetting", [], [...options, ...settings]),
    ...declared(call),
    shown: printed(call, [...modelOf(call), ".forgetting", ...argumentsOf([adapters], settings)]),
  };
}

function shownEvaluation(call: Call, rows: Code, settings: Properties): Code {
  const given = isRowsVariable(call, 0) ? rows : ["rows"];
  const evaluated = [...modelOf(call), ".evaluate", ...argumentsOf([given], settings)];
  return [...shownRows(call, 0, rows), ...printed(call, evaluated)];
}

/** What is waited for, printed. */
function printed(call: Call, value: Code): Code {
  const result = resultOf(call, "evaluation");
  return ["const ", ...result, " = await ", ...value, ";\nconsole.log(", ...result, ");"];
}

const command = (place: "line" | "cell"): Command => ({
  usage: place === "cell" ? "" : "@FILE|VAR",
  summary:
    place === "cell"
      ? "Evaluates on the rows below: JSON, JSON lines or @file."
      : "Evaluates on a file or a variable, or looks for what was forgotten.",
  options: place === "cell" ? EVALUATE_OPTIONS : { ...EVALUATE_OPTIONS, ...FORGETTING },
  positional: place === "cell" ? 0 : 1,
  ...(place === "cell" ? { text: "data" as const } : {}),
  expand,
});

export const evaluate: Magic = {
  summary: "Scores greedy answers of the base and of adapters side by side, and shows which of them changed.",
  examples: [
    "%evaluate rows --scores exact,bleu-4,rouge-l --adapters none,dream",
    "%evaluate @test.jsonl --scores f1,micro-f1 --max-new-tokens 128 --save scores.json",
    "%evaluate @test.csv --columns prompt=query,response=answer",
    "const evaluation = %evaluate rows --scores perplexity",
    '%%evaluate --scores accuracy\n{"prompt": "这家店很好，是正面还是负面？", "response": "正面"}',
    "%evaluate --forgetting --adapters dream",
  ],
  line: { "": command("line") },
  cell: { "": command("cell") },
};
