/** @file A conversation that goes on from cell to cell. */

export type Round = readonly [question: string, answer: string];

/** How many rounds a conversation remembers until `%chat rounds` says otherwise. */
const REMEMBERED_ROUNDS = 8;

export class Conversation {
  /** How many rounds the model is told of. */
  remembered: number = REMEMBERED_ROUNDS;
  /** Said before the first round, where the model's family has a system prompt. */
  system: string | undefined;
  #rounds: Round[] = [];

  /** All rounds, also those that are no longer remembered. */
  get rounds(): readonly Round[] {
    return this.#rounds;
  }

  /** The rounds that the next question follows. */
  get history(): readonly Round[] {
    return this.remembered === 0 ? [] : this.#rounds.slice(-this.remembered);
  }

  add(question: string, answer: string): void {
    this.#rounds.push([question, answer]);
  }

  /** Begins anew; how many rounds are remembered stays. */
  reset(): void {
    this.#rounds = [];
    this.system = undefined;
  }

  /** The conversation as a Markdown document. */
  toMarkdown(): string {
    const system = this.system === undefined ? [] : [`> ${this.system.replaceAll("\n", "\n> ")}`];
    const rounds = this.#rounds.map(([question, answer]) => `**${question.replaceAll("\n", "  \n")}**\n\n${answer}`);
    return `${[...system, ...rounds].join("\n\n")}\n`;
  }

  /** The conversation as messages, the form in which it can be trained on. */
  toMessages(): { role: "system" | "user" | "assistant"; content: string }[] {
    const system = this.system === undefined ? [] : [{ role: "system" as const, content: this.system }];
    const rounds = this.#rounds.flatMap(([question, answer]) => [
      { role: "user" as const, content: question },
      { role: "assistant" as const, content: answer },
    ]);
    return [...system, ...rounds];
  }
}
