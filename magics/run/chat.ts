/** @file What %chat does. */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { GlmError } from "../../src/errors.ts";
import { replaceFiles, textFile } from "../../src/files.ts";
import type { ChatGLM } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import type { Round } from "../conversation.ts";
import { show, write } from "../live.ts";
import { renderTable } from "../render/table.ts";
import { currentModel, sessionOf } from "../session.ts";

export interface OfModel {
  readonly model?: ChatGLM;
}

/** Shows and returns the rounds so far. */
export async function chatHistory({ model }: OfModel = {}): Promise<readonly Round[]> {
  const { conversation } = sessionOf(currentModel(model));
  const { rounds, remembered, system } = conversation;
  const forgotten = rounds.length - conversation.history.length;
  const rows = rounds.map(([question, answer], index) => [
    `${index + 1}${index < forgotten ? " (forgotten)" : ""}`,
    question,
    answer,
  ]);
  const columns = [{ title: "round", align: "right" as const }, { title: "question" }, { title: "answer" }];
  const about = [
    `remembers ${plural(remembered, "round")}`,
    ...(system === undefined ? [] : [`system: ${system}`]),
  ].join("; ");
  show(renderTable({ columns, rows, caption: `The conversation (${about})`, empty: "No rounds yet." }));
  return rounds;
}

/** Begins a new conversation. */
export async function chatReset({ model }: OfModel = {}): Promise<void> {
  sessionOf(currentModel(model)).conversation.reset();
  write("A new conversation begins.\n");
}

/**
 * Writes the conversation to a file: Markdown for a name that ends in .md, else JSON that can be trained on.
 * @throws GlmError "disk" when there is no folder to write it into, or when it cannot be written
 */
export async function chatSave(
  file: string,
  { model, title = "%chat save" }: OfModel & { readonly title?: string } = {},
): Promise<void> {
  const { conversation } = sessionOf(currentModel(model));
  const isMarkdown = /\.(md|markdown)$/i.test(file);
  const json = `${JSON.stringify([{ messages: conversation.toMessages() }], undefined, 2)}\n`;
  if (file === "") throw new GlmError("option-invalid", `${title}: expected a file to write to, got none.`);
  const path = resolve(file);
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new GlmError(
      "disk",
      `${title} ${file}: expected a file in a folder that exists, got one in ${dirname(path)}. Make the folder, or correct the path.`,
    );
  }
  await replaceFiles(dirname(path), [textFile(basename(path), isMarkdown ? conversation.toMarkdown() : json)]);
  write(`${plural(conversation.rounds.length, "round")} written to ${path}\n`);
}

/** Sets how many rounds are remembered, or says how many; returns the number. */
export async function chatRounds(rounds?: number, { model }: OfModel = {}): Promise<number> {
  const { conversation } = sessionOf(currentModel(model));
  if (rounds !== undefined) conversation.remembered = rounds;
  write(`The conversation remembers ${plural(conversation.remembered, "round")}.\n`);
  return conversation.remembered;
}
