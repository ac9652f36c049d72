/** @file What the published chat code does to an answer's text before it shows it, done as the text comes. */
import type { Family } from "../models/family.ts";

/** Text in, text out. What may still change is held back until what follows, or the end, decides it. */
export interface TextStream {
  push(text: string): string;
  end(): string;
}

/**
 * The published clean-up: the placeholder of the training date is filled in, and ChatGLM-6B, whose tokenizer knows no
 * full-width punctuation, gets it back beside Chinese characters.
 */
export function processResponse(family: Family): TextStream {
  return family === "chatglm-6b" ? chained(trainingDate(), fullWidth()) : trainingDate();
}

function chained(first: TextStream, second: TextStream): TextStream {
  return {
    push: (text) => second.push(first.push(text)),
    end: () => second.push(first.end()) + second.end(),
  };
}

const placeholder = "[[训练时间]]";
const date = "2023年";

function trainingDate(): TextStream {
  let held = "";
  return {
    push(text) {
      const all = (held + text).replaceAll(placeholder, date);
      // The longest end that may be the placeholder's beginning.
      let open = Math.min(placeholder.length - 1, all.length);
      while (!placeholder.startsWith(all.slice(all.length - open))) open--;
      held = all.slice(all.length - open);
      return all.slice(0, all.length - open);
    },
    end() {
      const rest = held;
      held = "";
      return rest;
    },
  };
}

const wide: ReadonlyMap<string, string> = new Map([
  [",", "，"],
  ["!", "！"],
  [":", "："],
  [";", "；"],
  ["?", "？"],
]);

const isChinese = (character: string): boolean => character >= "\u4e00" && character <= "\u9fff";

/** A mark is widened when the character before or after it is Chinese. */
function fullWidth(): TextStream {
  let before = "";
  /** A mark whose neighbour is not known yet. */
  let mark = "";
  return {
    push(text) {
      let shown = "";
      for (const character of text) {
        if (mark !== "") shown += isChinese(character) ? wide.get(mark) : mark;
        mark = "";
        const widened = wide.get(character);
        if (widened === undefined) shown += character;
        else if (isChinese(before)) shown += widened;
        else mark = character;
        before = character;
      }
      return shown;
    },
    end() {
      const rest = mark;
      mark = "";
      return rest;
    },
  };
}
