/** @file A command on a machine: its arguments, safe in a shell, and what it answers within bounded time. */
import { spawn } from "node:child_process";

/** Seconds that a machine may take to answer the first greeting. */
const CONNECT = 10;

/** Most of what a command says that is kept. */
const MOST = 2 ** 20;

/** A word as a POSIX shell takes it literally. */
export const shellWord = (word: string): string =>
  /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The words that run a command line on another machine: never asking for a password, never waiting for long. */
export const overSsh = (host: string, line: string): readonly string[] => [
  ...[
    "ssh",
    "-o",
    "BatchMode=yes",
    "-o",
    `ConnectTimeout=${CONNECT}`,
    "-o",
    "ServerAliveInterval=30",
    "--",
    host,
    line,
  ],
];

export interface Answer {
  /** Its exit status; undefined when it did not start or did not end in time. */
  readonly status: number | undefined;
  readonly output: string;
  /** What it complained of, or why there is no status. */
  readonly complaint: string;
}

/**
 * What a command answers.
 * @param patience milliseconds, after which it is ended
 * @param signal ends it at once
 */
export function answerOf(
  words: readonly string[],
  input: string,
  patience: number,
  signal?: AbortSignal,
): Promise<Answer> {
  const [program = "", ...rest] = words;
  return new Promise((resolve) => {
    const child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"], ...(signal ? { signal } : {}) });
    const said = { output: "", complaint: "" };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, patience);
    const end = (status: number | undefined, why = ""): void => {
      clearTimeout(timer);
      resolve({ status, output: said.output, complaint: why || said.complaint.trim() });
    };
    const listen = (what: keyof typeof said) => (piece: Buffer) => {
      if (said[what].length < MOST) said[what] += piece.toString();
    };
    child.stdout.on("data", listen("output"));
    child.stderr.on("data", listen("complaint"));
    child.on("error", (error) => end(undefined, error.message));
    // Not its exit: what it said may come later.
    child.on("close", (status) =>
      end(isLate ? undefined : (status ?? undefined), isLate ? `no answer within ${patience / 1000} s` : ""),
    );
    // It may end without reading.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
