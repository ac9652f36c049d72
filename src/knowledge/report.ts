/**
 * @file What teaching came to, in the terms of the knowledge-editing literature (Yao et al., "Editing Large Language Models",
 * EMNLP 2023), all of it measured by free greedy generation: reliability, generality, locality.
 */
import type { MimeBundle } from "../ambient.ts";
import { plural } from "../plural.ts";
import { quoted } from "../text-cut.ts";

export interface FactReport {
  readonly key: string;
  /** Taught wordings that are answered exactly (reliability), of how many. */
  readonly recalled: number;
  readonly prompts: number;
  /** Wordings that were never taught and are answered exactly (generality), of how many. */
  readonly generalized: number;
  readonly paraphrases: number;
  /** Every taught wording is answered exactly. */
  readonly learned: boolean;
  /** A taught wording that is not, with what is answered. */
  readonly failure?: { readonly prompt: string; readonly answer: string };
}

export interface LocalityReport {
  /** Unrelated questions that are answered as the base answers them, of how many. */
  readonly unchanged: number;
  readonly unrelated: number;
  readonly changed: readonly { readonly question: string; readonly before: string; readonly after: string }[];
  /** Names that resemble a key and are not answered with its text, of how many were asked. */
  readonly nearMisses: {
    readonly unknown: number;
    readonly asked: number;
    /** Those that are. */
    readonly given: readonly { readonly question: string; readonly answer: string }[];
  };
}

export interface ReportData {
  /** What was done. "check": nothing was trained. "delete": the wordings were to get the base's own answers again. */
  readonly action: "add" | "update" | "delete" | "check";
  readonly facts: readonly FactReport[];
  readonly locality: LocalityReport;
  /** Facts that were learnt before: how many of them still are, and which are not. */
  readonly kept: { readonly recalled: number; readonly facts: number; readonly lost: readonly string[] };
  /** Questions that deny a fact, with their answers: shown, not scored. */
  readonly denials: readonly { readonly question: string; readonly answer: string }[];
  /** Wordings that still get the text that an update replaced. */
  readonly outdated: number;
  /** One question put to the model without the adapter, before and after: whether all scores are equal, bit for bit. */
  readonly base: { readonly question: string; readonly answer: string; readonly identical: boolean };
  readonly steps: number;
  /** The most steps that it would have taken. */
  readonly budget: number;
  /** Mean loss of the last step over the taught tokens, in nats; NaN when none was taken. */
  readonly loss: number;
  readonly seconds: number;
  /** How the book's adapter could have more room: "an adapter of a higher rank"; left out where it can have no more. */
  readonly larger?: string;
}

/** Shows itself in words, whether it is a cell's value, printed or put in a string. */
export class KnowledgeReport implements ReportData {
  readonly action: ReportData["action"];
  readonly facts: readonly FactReport[];
  readonly locality: LocalityReport;
  readonly kept: ReportData["kept"];
  readonly denials: ReportData["denials"];
  readonly outdated: number;
  readonly base: ReportData["base"];
  readonly steps: number;
  readonly budget: number;
  readonly loss: number;
  readonly seconds: number;
  readonly larger?: string;

  constructor(data: ReportData) {
    this.action = data.action;
    this.facts = data.facts;
    this.locality = data.locality;
    this.kept = data.kept;
    this.denials = data.denials;
    this.outdated = data.outdated;
    this.base = data.base;
    this.steps = data.steps;
    this.budget = data.budget;
    this.loss = data.loss;
    this.seconds = data.seconds;
    if (data.larger !== undefined) this.larger = data.larger;
  }

  /** Whether every fact is learnt: for a deletion, whether every wording gets the base's answer again. */
  get learned(): boolean {
    return this.facts.every(({ learned }) => learned);
  }

  /** What went wrong, in words, with what to try; empty when nothing did. */
  problems(): readonly string[] {
    const [done, right] =
      this.action === "delete" ? ["Not forgotten", "answered as the base does"] : ["Not learnt", "answered exactly"];
    const missed = this.facts.filter(({ learned }) => !learned);
    const lines = missed.slice(0, 10).map(({ key, recalled, prompts, failure }) => {
      const answer = failure ? ` ${quoted(failure.prompt)} is answered ${quoted(failure.answer)}.` : "";
      return `${done}: ${key}, ${recalled} of ${plural(prompts, "taught wording")} ${right}.${answer}`;
    });
    if (missed.length > 10) lines.push(`${done}: ${missed.length - 10} more.`);
    if (missed.length > 0 && this.action !== "check") lines.push(this.#advice());
    if (this.outdated > 0)
      lines.push(`${plural(this.outdated, "wording")} still answered with the text that was replaced.`);
    const { lost } = this.kept;
    if (lost.length > 0) {
      const names = `${lost.slice(0, 5).join(", ")}${lost.length > 5 ? ` and ${lost.length - 5} more` : ""}`;
      lines.push(`Known before and lost: ${names}. Add ${lost.length === 1 ? "it" : "them"} again.`);
    }
    if (!this.base.identical)
      lines.push("Without the adapter, the model does not answer as before: please report this.");
    return lines;
  }

  /** The numbers, a line each. */
  lines(): readonly string[] {
    const sum = (of: (fact: FactReport) => number): number => this.facts.reduce((total, fact) => total + of(fact), 0);
    const { unchanged, unrelated, changed, nearMisses } = this.locality;
    const { facts, kept, denials, base } = this;
    const target = this.action === "delete" ? "the base's own answer" : "the text";
    const known = facts.filter(({ learned }) => learned).length;
    return [
      ...(facts.length > 0
        ? [
            `${this.action === "delete" ? "forgotten" : "learnt"}: ${known} of ${plural(facts.length, "fact")}`,
            `reliability: ${sum((fact) => fact.recalled)} of ${plural(
              sum((fact) => fact.prompts),
              "taught wording",
            )} get exactly ${target}`,
            `generality: ${sum((fact) => fact.generalized)} of ${plural(
              sum((fact) => fact.paraphrases),
              "other wording",
            )} do`,
          ]
        : []),
      ...(kept.facts > 0 ? [`facts known before: ${kept.recalled} of ${kept.facts} still are`] : []),
      `locality: ${unchanged} of ${unrelated} unrelated answers unchanged, ${nearMisses.unknown} of ${nearMisses.asked} near misses still unknown`,
      ...changed.map(({ question, before, after }) => `  ${quoted(question)}: ${quoted(before)} -> ${quoted(after)}`),
      ...nearMisses.given.map(({ question, answer }) => `  ${quoted(question)} is answered ${quoted(answer)}`),
      ...denials.map(({ question, answer }) => `denied: ${quoted(question)} is answered ${quoted(answer)}`),
      `without the adapter: ${quoted(base.question)} is answered ${quoted(base.answer)}, ${base.identical ? "bit for bit as before" : "not as before"}`,
      ...(this.action === "check"
        ? []
        : [
            `${plural(this.steps, "step")} of at most ${this.budget}` +
              `${Number.isFinite(this.loss) ? `, loss ${this.loss.toPrecision(2)}` : ""}, ${this.seconds.toFixed(1)} s`,
          ]),
    ];
  }

  toString(): string {
    return [...this.problems(), ...this.lines()].join("\n");
  }

  #advice(): string {
    if (this.action === "delete") return "What to try: delete it again, which goes on from here, with more steps.";
    const more = ["more steps", ...(this.larger === undefined ? [] : [this.larger]), "a shorter text"];
    const tries = ["add it again, which goes on from here", ...(this.steps >= this.budget ? more : [])];
    return `What to try: ${tries.join("; ")}.`;
  }
}

// Set apart from the class: declarations cannot name these symbols.
Object.defineProperties(KnowledgeReport.prototype, {
  [Symbol.for("Jupyter.display")]: {
    value(this: KnowledgeReport): MimeBundle {
      return { "text/plain": this.toString() };
    },
  },
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: KnowledgeReport): string {
      return this.toString();
    },
  },
});
