/** @file %data: what a data set holds, and what is learnt of it. */
import * as defaults from "../../src/api/defaults.ts";
import type { Call, Expanded, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { textValue } from "../values.ts";
import {
  argumentsOf,
  declared,
  MODEL_OPTION,
  modelOf,
  propertiesOf,
  required,
  resultOf,
  runtimeCall,
  TO_OPTION,
} from "./common.ts";
import { ROW_OPTIONS } from "./rows.ts";

const LIMITS: OptionTable = {
  "max-length": { kind: "number", rule: defaults.fit.maxLength, help: "Longest row in tokens: what would be cut?" },
  "max-prompt-length": {
    kind: "number",
    rule: defaults.fit.maxPromptLength,
    help: "Longest prompt in tokens; 0 leaves it what the answer leaves.",
  },
  "learn-role": { kind: "flag", help: "Learn <|assistant|>, too, as ChatGLM-Finetuning does; finetune_demo does not." },
  examples: {
    kind: "number",
    rule: defaults.examples,
    help: "How many of the first rows are shown as they are learnt.",
  },
  ...ROW_OPTIONS,
};

function expand(call: Call): Expanded {
  const path = required(call, 0, `a file, a folder or a glob: ${call.title} facts.jsonl`);
  // In %%train files are written with @.
  const isMarked = !path.expression && path.text.startsWith("@") && path.text.length > 1;
  const source = isMarked ? [{ text: JSON.stringify(path.text.slice(1)), at: path.from }] : textValue(path);
  const settings = propertiesOf(call, Object.keys(LIMITS));
  return {
    expression: runtimeCall("data", [source], [...settings, ...propertiesOf(call, ["model"])]),
    ...declared(call),
    shown: [
      ...["const ", ...resultOf(call, "report"), " = await ", ...modelOf(call), ".data"],
      ...[...argumentsOf([source], settings), ";\n"],
      ...["console.log(", ...resultOf(call, "report"), ");"],
    ],
  };
}

export const data: Magic = {
  summary: "What is in a data set: rows, lengths in tokens, duplicates, what would be cut, and what is learnt of it.",
  examples: [
    "%data facts.jsonl",
    "%data hub:shibing624/AdvertiseGen",
    "%data data/*.parquet --columns prompt=query,response=answer --max-length 1024",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as a magic takes an expression
    "%data ${rows} --examples 5",
  ],
  line: {
    "": {
      usage: "FILE|FOLDER|GLOB|hub:OWNER/NAME",
      summary: "Looks through a data set: JSON, JSON lines, CSV or Parquet, also as .gz.",
      options: { ...LIMITS, ...TO_OPTION, ...MODEL_OPTION },
      positional: 1,
      expand,
    },
  },
};
