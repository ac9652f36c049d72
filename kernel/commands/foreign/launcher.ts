/** @file The words before a script: `CUDA_VISIBLE_DEVICES=0 deepspeed --master_port 520 train.py`. */
import { basename } from "node:path";

/** A script of the field whose command line is understood. */
export type Script = "train.py" | "finetune_hf.py";

export interface Launched {
  readonly script: Script | undefined;
  /** What each word before it would have done, and does not here. */
  readonly lines: readonly string[];
  /** What follows the script; everything where there is none. */
  readonly rest: readonly string[];
}

const SCRIPTS: readonly string[] = ["train.py", "finetune_hf.py"] satisfies Script[];
const PROGRAM = /^(?:python[\d.]*|deepspeed|torchrun|accelerate|nohup|env|launch)$/;
const VARIABLE = /^([A-Za-z_]\w*)=(.*)$/;
/** How a launcher is told how many processes to start. */
const COUNTS: ReadonlySet<string> = new Set(["num_gpus", "nproc_per_node", "nproc-per-node", "num_processes"]);

/** Finds a script among words that begin with it, or with what starts it. */
export function launched(words: readonly string[]): Launched {
  const [first = ""] = words;
  const at = words.findIndex((word) => SCRIPTS.includes(basename(word)));
  const begins = at === 0 || PROGRAM.test(basename(first)) || VARIABLE.test(first);
  if (at < 0 || !begins) return { script: undefined, lines: [], rest: words };
  return {
    script: basename(words[at] as string) as Script,
    lines: linesOf(words.slice(0, at)),
    rest: words.slice(at + 1),
  };
}

function linesOf(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const [, variable, value = ""] = VARIABLE.exec(word) ?? [];
    if (variable !== undefined && !word.startsWith("-")) {
      const gpus = variable === "CUDA_VISIBLE_DEVICES" ? value.split(",").length : 1;
      lines.push(`${word}: nothing here, where it computes is --device${several(gpus)}`);
    } else if (word.startsWith("-")) {
      const next = words[i + 1];
      const takes = !word.includes("=") && next !== undefined && !next.startsWith("-") && !PROGRAM.test(basename(next));
      const written = takes ? `${word} ${next}` : word;
      if (takes) i += 1;
      const [name = "", count = next ?? ""] = word.replace(/^-+/, "").split("=");
      lines.push(
        `${written}: nothing here, it is for several processes${several(COUNTS.has(name) ? Number(count) : 1)}`,
      );
    }
  }
  return lines;
}

/** What several processes do besides being quicker: each takes a batch. */
const several = (count: number): string =>
  count > 1 ? `; ${count} of them take ${count} batches a step, as --accumulate ${count} does here` : "";
