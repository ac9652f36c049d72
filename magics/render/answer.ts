/** @file Answers: one as Markdown, several side by side. */
import type { MimeBundle } from "../../src/ambient.ts";
import { escapeHtml } from "./text.ts";

export function renderMarkdown(text: string): MimeBundle {
  return { "text/plain": text, "text/markdown": text };
}

/** What is shown of an answer, which may be nothing at all. */
export function visible(answer: string): string {
  return answer === "" ? "(empty answer)" : answer;
}

export interface NamedAnswer {
  /** The adapter's name; null is the base model. */
  readonly adapter: string | null;
  readonly answer: string;
}

/**
 * One column an adapter.
 * @param growing whether more may come: what has not begun yet is then not called empty
 */
export function renderComparison(question: string, answers: readonly NamedAnswer[], growing = false): MimeBundle {
  const said = (answer: string): string => (growing && answer === "" ? "…" : visible(answer));
  const cell = "text-align:left;vertical-align:top;white-space:pre-wrap;padding:4px 12px";
  const heads = answers.map(({ adapter }) => `<th style="${cell}">${escapeHtml(labelOf(adapter))}</th>`).join("");
  const bodies = answers.map(({ answer }) => `<td style="${cell}">${escapeHtml(said(answer))}</td>`).join("");
  const caption = `<caption style="${cell}">${escapeHtml(question)}</caption>`;
  const html = `<table>${caption}<thead><tr>${heads}</tr></thead><tbody><tr>${bodies}</tr></tbody></table>`;
  const plain = answers.map(({ adapter, answer }) => `${labelOf(adapter)}:\n${indented(said(answer))}`).join("\n");
  return { "text/plain": `${question}\n${plain}`, "text/html": html };
}

function labelOf(adapter: string | null): string {
  return adapter ?? "none (base model)";
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}
