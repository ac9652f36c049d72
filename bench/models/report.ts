/** @file The tables of the models bench. */
import { markdownTable } from "../table.ts";
import { median, spread } from "../timing.ts";
import type { Errors } from "./accuracy.ts";
import { type Form, forms } from "./forms.ts";
import type { Reloading } from "./loading.ts";
import type { Peak } from "./memory-watch.ts";
import type { Preparing, Together, Training } from "./residence.ts";
import { TRAINED } from "./residence.ts";
import { PROMPT, type Round } from "./speed.ts";

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
const percent = (share: number): string => `${(100 * share).toPrecision(2)}%`;
const llamaName = (form: Form): string => `llama.cpp ${forms[form].llama.matrices}`;

export function accuracyTable(form: Form, errors: Errors): string {
  return markdownTable([
    {
      "relative error of the logits": `${form} beside float32`,
      fast: percent(errors.fast),
      exact: percent(errors.exact),
      [llamaName(form)]: percent(errors.llama),
    },
  ]);
}

export function speedTable(form: Form, rounds: readonly Round[]): string {
  const row = (what: string, key: "decode" | "prefill") => ({
    [`tokens/s, median (lowest to highest) of ${rounds.length} rounds`]: what,
    glmlab: spread(
      rounds.map((round) => round.ours[key]),
      1,
    ),
    [llamaName(form)]: spread(
      rounds.map((round) => round.llama[key]),
      1,
    ),
    "glmlab / llama.cpp": spread(
      rounds.map((round) => round.ours[key] / round.llama[key]),
      2,
    ),
  });
  return markdownTable([row(`answer, after ${PROMPT} tokens`, "decode"), row(`prompt of ${PROMPT} tokens`, "prefill")]);
}

export function loadingTable(first: Preparing, ours: Reloading, llama: Reloading): string {
  const label = `seconds, median of ${ours.warm.length}`;
  const row = (what: string, when: "warm" | "cold", key: "ready" | "answered" | "cat") => {
    const show = (reloading: Reloading): string =>
      reloading[when].length === 0 ? "" : median(reloading[when].map((times) => times[key])).toFixed(2);
    return { [label]: what, glmlab: show(ours), "llama.cpp": show(llama) };
  };
  return markdownTable([
    { [label]: "very first load: weights are prepared", glmlab: first.seconds.toFixed(1), "llama.cpp": "" },
    row("load, files in the page cache", "warm", "ready"),
    row("load and a first token, files in the page cache", "warm", "answered"),
    row("cat, files in the page cache", "warm", "cat"),
    row("load, files on the disk only", "cold", "ready"),
    row("load and a first token, files on the disk only", "cold", "answered"),
    row("cat, files on the disk only", "cold", "cat"),
    { [label]: "mapped of these files", glmlab: gigabytes(ours.bytes), "llama.cpp": gigabytes(llama.bytes) },
  ]);
}

export interface Residence {
  /** Bytes of the weights: what this library maps; llama.cpp repacks what it maps into memory of its own. */
  readonly mapped: number;
  readonly llamaFile: number;
  readonly first: Peak;
  readonly answering: Peak;
  readonly llama: Peak;
  readonly together: Together;
  readonly training: Training;
}

export function memoryTable({ mapped, llamaFile, first, answering, llama, together, training }: Residence): string {
  const peak = (what: string, { anonymous, mapped: resident }: Peak, weights: number) => ({
    memory: what,
    "in no file": gigabytes(anonymous),
    "with mapped files": gigabytes(resident),
    "/ weights": (resident / weights).toFixed(2),
  });
  return markdownTable([
    peak("peak of the very first load", first, mapped),
    peak(`peak of loading and an answer to ${PROMPT} tokens`, answering, mapped),
    peak("the same, llama.cpp", llama, llamaFile),
    {
      memory: "two processes at once, after answers",
      "in no file": together.anonymous.map(gigabytes).join(" and "),
      "with mapped files": gigabytes(together.mapped),
      "/ weights": (together.mapped / mapped).toFixed(2),
    },
    peak(
      `peak of LoRA steps of ${TRAINED} tokens (${training.first.toFixed(1)} s, then ${training.later.toFixed(1)} s each)`,
      training.peak,
      mapped,
    ),
  ]);
}
