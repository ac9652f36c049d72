/**
 * @file `npm run fuzz`: mutates files of models, adapters' folders, training rows and messages to a runtime, ten thousand
 * of each by default. Each must be taken for what it was or be refused with a GlmError: in time, within bounds of memory, and
 * without running anything. The process that reads files may start no other, write nowhere else and make no code from text.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type FuzzKind, fuzzKinds, type Outcome, startsProcesses } from "./fuzz/kinds.ts";
import type { FuzzReply, FuzzRequest } from "./fuzz/worker.ts";

/** Milliseconds for one trial; the usual one takes ten. */
const TIME_LIMIT = 10_000;
/** Milliseconds until all is ready for trials: a runtime may have to be started, and a model loaded. */
const START_LIMIT = 60_000;
/** Bytes by which the worker may grow beyond what it needs for whole files. */
const MEMORY_LIMIT = 256 * 2 ** 20;

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    what: { type: "string", default: fuzzKinds.join() },
  },
});
const kinds = values.what.split(",").map(kindOf);
const seed = wholeNumber("seed", values.seed);
const first = values.only === undefined ? 0 : wholeNumber("only", values.only);
const last = values.only === undefined ? wholeNumber("count", values.count) : first + 1;

let counts = new Map<string, Map<Outcome, number>>();
let failures: string[] = [];
let grown = 0;
for (const kind of kinds) {
  [counts, failures, grown] = [new Map(), [], 0];
  for (let next = first; next < last; ) next = await runFrom(kind, next);
  report(kind);
}

/** Runs trials in a worker, in a folder of its own, until all are done or it has to be ended; returns the next number. */
async function runFrom(kind: FuzzKind, from: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "glmlab-fuzz-"));
  try {
    return await runIn(folder, kind, from);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runIn(folder: string, kind: FuzzKind, from: number): Promise<number> {
  const worker = start({ kind, folder, seed, from, to: last });
  return new Promise((resolve) => {
    let [current, done] = [from, from];
    let watch: NodeJS.Timeout | undefined;
    const fail = (trial: number, reason: string): void => {
      failures.push(reason);
      console.error(`\n${reason}\n  again: npm run fuzz -- --what ${kind} --seed ${seed} --only ${trial}`);
    };
    const limit = (patience = TIME_LIMIT): void => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        fail(current, `trial ${current} of seed ${seed} was not done after ${patience / 1000} s`);
        done = current + 1;
        worker.kill("SIGKILL");
      }, patience);
    };
    limit(START_LIMIT);
    worker.on("message", (reply: FuzzReply) => {
      limit();
      if (reply.kind === "begun") {
        current = reply.trial;
        return;
      }
      done = reply.trial + 1;
      if (reply.kind === "failed") return fail(reply.trial, reply.reason);
      count(reply.result.mutation, reply.result.outcome);
      grown = Math.max(grown, reply.grown);
      if (reply.grown <= MEMORY_LIMIT) return;
      fail(
        reply.trial,
        `trial ${reply.trial} of seed ${seed} (${reply.result.what}) took ${megabytes(reply.grown)} more memory`,
      );
      worker.kill("SIGKILL");
    });
    worker.once("exit", (code, signal) => {
      clearTimeout(watch);
      if (code !== 0 && signal !== "SIGKILL") {
        fail(current, `trial ${current} of seed ${seed} ended the process with ${signal ?? `code ${code}`}`);
        done = current + 1;
      }
      resolve(done);
    });
  });
}

/** A process that can read, write in one folder, and nothing else, unless it needs a runtime beside it. */
function start(request: FuzzRequest): ChildProcess {
  const restricted = [
    process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission",
    "--allow-fs-read=*",
    `--allow-fs-write=${tmpdir()}`,
    "--disallow-code-generation-from-strings",
  ];
  const worker = fork(fileURLToPath(new URL("fuzz/worker.js", import.meta.url)), {
    execArgv: [
      ...(startsProcesses(request.kind) ? [] : restricted),
      // Little room for garbage, so that the memory of the process is what its trials need.
      "--max-old-space-size=160",
      "--max-semi-space-size=8",
      "--no-warnings",
    ],
  });
  worker.send(request);
  return worker;
}

function count(mutation: string, outcome: Outcome): void {
  const row = counts.get(mutation) ?? new Map<Outcome, number>();
  row.set(outcome, (row.get(outcome) ?? 0) + 1);
  counts.set(mutation, row);
  if (process.stdout.isTTY) process.stdout.write(".");
}

function report(kind: FuzzKind): void {
  const outcomes = ["refused", "same", "other"] as const;
  const total = new Map<Outcome, number>();
  console.log(`\n${"mutation".padEnd(30)}${outcomes.map((outcome) => outcome.padStart(9)).join("")}`);
  for (const [mutation, row] of [...counts].sort()) {
    console.log(
      `${mutation.padEnd(30)}${outcomes.map((outcome) => String(row.get(outcome) ?? 0).padStart(9)).join("")}`,
    );
    for (const outcome of outcomes) total.set(outcome, (total.get(outcome) ?? 0) + (row.get(outcome) ?? 0));
  }
  console.log(`${"all".padEnd(30)}${outcomes.map((outcome) => String(total.get(outcome) ?? 0).padStart(9)).join("")}`);
  console.log(
    `\n${last - first} mutated ${kind} of seed ${seed}, ${failures.length} failures; at most ${megabytes(grown)} of memory more ` +
      'than was needed before. "other": what was changed cannot be seen, or needs no answer.\n',
  );
  if (failures.length > 0) process.exitCode = 1;
}

function kindOf(text: string): FuzzKind {
  const kind = fuzzKinds.find((one) => one === text);
  if (kind) return kind;
  console.error(`--what: expected some of ${fuzzKinds.join()}, got ${text}`);
  process.exit(1);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${option}: expected a whole number, got ${text}`);
  process.exit(1);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
