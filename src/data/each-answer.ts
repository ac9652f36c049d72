/** @file Conversations that are read as a whole, for who asks: each answer by itself. */
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { quoted } from "../text-cut.ts";
import type { Row, RowTurn } from "./row.ts";

/** Faults listed in one report. */
const SHOWN = 10;

/** An answer that is asked for. */
export interface AskedAnswer {
  /**
   * The row that is learnt when this answer alone is: `response` is all that the model then says, with the names of tools that it
   * calls. What follows the answer stays, since it ends it.
   */
  readonly row: Row;
  /** The same up to the answer. */
  readonly question: Row;
  /** What the answer is made of, in a conversation. */
  readonly answer?: readonly RowTurn[];
}

/**
 * Every answer of the rows that is learnt: one of a row of pairs, each of a conversation. Assistant's turns without another's between
 * them are one answer, since a model goes on from one to the next.
 * @throws GlmError "data-invalid" with every row that has a part of such an answer learnt, and a part not
 */
export function eachAnswer(rows: readonly Row[]): AskedAnswer[] {
  const faults: string[] = [];
  const answers = rows.flatMap((row, i): AskedAnswer[] => {
    if (!row.turns) return [{ row, question: row }];
    const { turns } = row;
    const runs = runsOf(turns);
    if (runs.some((run) => isLearntInPart(turns, run))) {
      faults.push(
        `row ${i + 1} (${quoted(row.prompt, 40)}): expected assistant's turns that follow each other to be learnt alike, got loss: false in one`,
      );
    }
    return runs.filter((run) => isLearnt(turns, run)).map((run) => answerOf(turns, run));
  });
  if (faults.length === 0) return answers;
  throw new GlmError(
    "data-invalid",
    `The data set cannot be evaluated; correct or remove these rows:${faultLines(faults, SHOWN)}`,
  );
}

/** Turns from one up to below another. */
interface Run {
  readonly from: number;
  readonly to: number;
}

/** Where an assistant speaks, until another does. */
function runsOf(turns: readonly RowTurn[]): Run[] {
  const speaks = (at: number): boolean => turns[at]?.role === "assistant";
  const starts = [...turns.keys()].filter((at) => speaks(at) && !speaks(at - 1));
  return starts.map((from) => {
    let to = from + 1;
    while (speaks(to)) to += 1;
    return { from, to };
  });
}

const learntIn = (turns: readonly RowTurn[], { from, to }: Run): number =>
  turns.slice(from, to).filter(({ loss }) => loss !== false).length;

const isLearnt = (turns: readonly RowTurn[], run: Run): boolean => learntIn(turns, run) === run.to - run.from;

const isLearntInPart = (turns: readonly RowTurn[], run: Run): boolean =>
  learntIn(turns, run) > 0 && !isLearnt(turns, run);

function answerOf(turns: readonly RowTurn[], { from, to }: Run): AskedAnswer {
  const before = turns.slice(0, from);
  const prompt = before.findLast(({ role }) => role === "user")?.content ?? "";
  const answer = turns.slice(from, to);
  const said = answer.map(({ metadata = "", content }) => `${metadata}\n${content}`);
  const own = turns.map((turn, i) =>
    turn.role === "assistant" && (i < from || i >= to) ? { ...turn, loss: false } : turn,
  );
  return {
    row: { prompt, response: said.join("").trim(), turns: own },
    question: { prompt, response: "", turns: before },
    answer,
  };
}
