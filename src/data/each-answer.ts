/** @file Conversations that are read as a whole, for who asks: each answer by itself. */
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { quoted } from "../text-cut.ts";
import type { Row, RowTurn } from "./row.ts";

/** Faults listed in one report. */
const SHOWN = 10;

/**
 * A row for each answer that is learnt, with the conversation before it: `response` is all that the model then says, the name of
 * a tool that it calls included. What the answer is followed by stays, since it ends it. Rows of pairs stay as they are.
 * @throws GlmError "data-invalid" with every row in which an answer follows another: no model stops between them
 */
export function eachAnswer(rows: readonly Row[]): Row[] {
  const faults: string[] = [];
  const answers = rows.flatMap((row, i) => {
    const { turns } = row;
    if (!turns) return [row];
    const asked = turns.flatMap((turn, at) => (isLearnt(turn) ? [at] : []));
    const double = asked.find((at) => [turns[at - 1], turns[at + 1]].some((beside) => beside?.role === "assistant"));
    if (double === undefined) return asked.map((at) => answerAt(turns, at));
    faults.push(
      `row ${i + 1} (${quoted(row.prompt, 40)}): expected each answer between turns of others, got one assistant's turn after another`,
    );
    return [];
  });
  if (faults.length === 0) return answers;
  throw new GlmError(
    "data-invalid",
    `The data set cannot be evaluated; join these turns, or mark both with loss: false:${faultLines(faults, SHOWN)}`,
  );
}

const isLearnt = ({ role, loss }: RowTurn): boolean => role === "assistant" && loss !== false;

function answerAt(turns: readonly RowTurn[], at: number): Row {
  const { content, metadata = "" } = turns[at] as RowTurn;
  const question = turns.slice(0, at).findLast(({ role }) => role === "user");
  return {
    prompt: question?.content ?? "",
    response: metadata === "" ? content : `${metadata}\n${content}`,
    turns: turns.map((turn, i) => (i !== at && turn.role === "assistant" ? { ...turn, loss: false } : turn)),
  };
}
