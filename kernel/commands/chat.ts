/** @file `glmlab chat`: a conversation in a terminal, or questions through a pipe, one a line. */
import { createInterface, type Interface } from "node:readline";
import { ASK_OPTIONS } from "../../magics/define/chatglm.ts";
import { SAMPLING_NAMES } from "../../magics/define/sampling.ts";
import { isInterrupt } from "../../magics/interrupt.ts";
import type { OptionTable } from "../../magics/option.ts";
import { chatHistory, chatReset, chatSave } from "../../magics/run/chat.ts";
import { chatglm } from "../../magics/run/chatglm.ts";
import { sessionOf } from "../../magics/session.ts";
import { ambient, withAmbient } from "../../src/ambient.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterChoice, ChatGLM } from "../../src/index.ts";
import { suggestion } from "../../src/suggestion.ts";
import { chosenAdapter } from "./chosen-adapters.ts";
import type { Command, Values } from "./command.ts";
import { InterruptedError } from "./interrupts.ts";
import { MODEL_OPTIONS, type Workplace, withModel, word } from "./loading.ts";
import { settingsAmong, withoutNotebook } from "./settings.ts";

const SUBJECT = "glmlab chat";

const OPTIONS: OptionTable = {
  ...withoutNotebook(ASK_OPTIONS, ["compare", "new", "to", "format", "model"], {
    adapter: {
      help: "Who answers: a kept adapter, several at once (a+0.5*b), or a folder of adapter files.",
      default: "none",
    },
  }),
  ...MODEL_OPTIONS,
};

export const chat: Command = {
  options: OPTIONS,
  words: 1,
  more: [
    "A line is a question; one that ends in \\ goes on. /help lists what else can be typed. Ctrl-C stops an answer, once more leaves.",
    "Through a pipe, each line is a question, and only answers are printed: echo 你好 | glmlab chat tiny",
  ],
  async run(values, words) {
    const name = word(SUBJECT, words, 0, "a MODEL");
    return withModel(name, values, async (place) => {
      const talk = new Talk(place, values);
      if (values.adapter !== undefined) await talk.use(String(values.adapter));
      if (values.system !== undefined) talk.setSystem(String(values.system));
      return talk.go();
    });
  },
};

interface TalkCommand {
  readonly usage: string;
  readonly help: string;
  /** True ends the talk. */
  run(talk: Talk, rest: string): unknown;
}

const COMMANDS: Readonly<Record<string, TalkCommand>> = {
  help: { usage: "/help", help: "what can be typed", run: () => console.log(helpText()) },
  reset: { usage: "/reset", help: "begins a new conversation", run: (talk) => chatReset({ model: talk.model }) },
  history: {
    usage: "/history",
    help: "shows the rounds so far",
    run: (talk) => chatHistory({ model: talk.model }),
  },
  system: {
    usage: "/system TEXT",
    help: "what is said to the model before the conversation; alone, takes that back",
    run: (talk, rest) => talk.setSystem(rest),
  },
  adapter: {
    usage: "/adapter NAME|FOLDER|none",
    help: "who answers from now on; alone, says who",
    run: (talk, rest) => talk.use(rest),
  },
  save: {
    usage: "/save FILE",
    help: "writes the conversation: .md to read, else JSON to train on",
    run: (talk, rest) => chatSave(rest, { model: talk.model, title: "/save" }),
  },
  exit: { usage: "/exit", help: "leaves; so does the end of the input (Ctrl-D)", run: () => true },
};

const helpText = (): string =>
  [
    ...Object.values(COMMANDS).map(({ usage, help }) => `${usage.padEnd(27)}${help}`),
    `${"text \\".padEnd(27)}a line that ends in a backslash goes on in the next`,
  ].join("\n");

/** One conversation. */
class Talk {
  readonly model: ChatGLM;
  readonly #place: Workplace;
  readonly #values: Values;
  readonly #isTerminal: boolean = process.stdin.isTTY === true && process.stdout.isTTY === true;
  /** Of the answer that is being given. */
  #answering: AbortController | undefined;
  #adapter: AdapterChoice = null;
  #who = "none";
  #hasFailed = false;
  #isWarned = false;

  constructor(place: Workplace, values: Values) {
    this.#place = place;
    this.model = place.model;
    this.#values = values;
  }

  /** Until the end of the input. */
  async go(): Promise<number> {
    const lines = createInterface({
      input: process.stdin,
      ...(this.#isTerminal ? { output: process.stdout, prompt: "> " } : {}),
    });
    const { interrupts } = this.#place;
    const closed = new AbortController();
    // A terminal in raw mode hands Ctrl-C over as a key; everywhere else it is a signal.
    lines.on("SIGINT", () => {
      if (this.#interrupt(lines)) closed.abort();
    });
    interrupts.signal.addEventListener("abort", () => {
      this.#answering?.abort();
      closed.abort();
      lines.close();
    });
    if (this.#isTerminal) console.log(`${this.model.info.name} answers. /help says what can be typed, /exit leaves.`);
    let question = "";
    lines.prompt();
    for await (const line of lines) {
      question += line;
      if (question.endsWith("\\")) {
        question = `${question.slice(0, -1)}\n`;
        if (this.#isTerminal) process.stdout.write(". ");
        continue;
      }
      const isOver = question.trim() !== "" && (await this.#take(question.trim()));
      question = "";
      if (isOver || closed.signal.aborted) break;
      if (this.#isTerminal) lines.prompt();
    }
    lines.close();
    if (closed.signal.aborted) throw new InterruptedError(interrupts.status);
    return this.#hasFailed ? 1 : 0;
  }

  /** Whoever answers from now on. */
  async use(named: string): Promise<void> {
    if (named !== "") {
      this.#adapter = await chosenAdapter(this.#place, named);
      this.#who = named;
    }
    if (named === "" || this.#isTerminal) {
      console.log(this.#who === "none" ? "The base model answers." : `${this.#who} answers.`);
    }
  }

  /** @throws GlmError "option-invalid" for a family without system prompts */
  setSystem(system: string): void {
    const { conversation } = sessionOf(this.model);
    if (system !== "") {
      this.model.prompt([
        { role: "system", content: system },
        { role: "user", content: "?" },
      ]);
    }
    conversation.system = system === "" ? undefined : system;
  }

  /** True ends the talk. What goes wrong with one line is no reason to end it. */
  async #take(line: string): Promise<boolean> {
    try {
      if (line.startsWith("/")) return await this.#command(line);
      await this.#ask(line);
    } catch (error) {
      if (!(error instanceof GlmError)) throw error;
      this.#hasFailed = !this.#isTerminal;
      console.error(error.message);
    }
    return false;
  }

  async #command(line: string): Promise<boolean> {
    const [, name = "", rest = ""] = /^\/(\S*)\s*([\s\S]*)$/.exec(line) ?? [];
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command) return (await command.run(this, rest.trim())) === true;
    throw new GlmError("option-invalid", `There is no /${name}.${suggestion(name, Object.keys(COMMANDS), "/")}`);
  }

  async #ask(question: string): Promise<void> {
    const answering = new AbortController();
    this.#answering = answering;
    this.#isWarned = false;
    try {
      await withAmbient({ ...ambient(), signal: answering.signal }, () =>
        chatglm(question, {
          ...settingsAmong(SAMPLING_NAMES, this.#values),
          ...{ model: this.model, adapter: this.#adapter, anew: "/reset" },
        }),
      );
    } catch (error) {
      if (!answering.signal.aborted || !isInterrupt(error)) throw error;
      if (!this.#place.interrupts.isInterrupted)
        console.error("Stopped; the question is not part of the conversation.");
    } finally {
      this.#answering = undefined;
    }
  }

  /** True when that was the second time. */
  #interrupt(lines: Interface): boolean {
    if (this.#answering && !this.#answering.signal.aborted) {
      this.#answering.abort();
      return false;
    }
    if (this.#isWarned || this.#answering) {
      lines.close();
      return true;
    }
    this.#isWarned = true;
    process.stdout.write("\nCtrl-C once more, or /exit, leaves.\n");
    lines.prompt();
    return false;
  }
}
