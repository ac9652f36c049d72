/** @file What a model takes while it is prepared, loaded, asked, trained, and when two processes have it at once. */
import { memoryOf } from "../memory.ts";
import type { ContenderProcess } from "./contender-process.ts";
import { type Peak, peakDuring } from "./memory-watch.ts";
import { promptIds } from "./prompt.ts";
import { PROMPT } from "./speed.ts";

/** Tokens of the row that is trained on, and steps: the first one also compiles the training graph. */
export const TRAINED = 64;
const STEPS = 3;
const ANSWER = 8;

export interface Preparing {
  readonly seconds: number;
  readonly peak: Peak;
}

/** The very first load: whatever is prepared is prepared now. */
export async function preparing(process: ContenderProcess): Promise<Preparing> {
  let seconds = Number.NaN;
  const peak = await during(process, async () => {
    seconds = (await process.load()).ready;
  });
  return { seconds, peak };
}

/** Loading what is prepared, and an answer. */
export const answering = (process: ContenderProcess): Promise<Peak> =>
  during(process, async () => {
    await process.load();
    await process.turn(promptIds(PROMPT), ANSWER);
  });

export interface Training {
  /** Seconds of the first step, and of the fastest after it. */
  readonly first: number;
  readonly later: number;
  readonly peak: Peak;
}

/** Loading what is prepared, and LoRA steps. */
export async function training(process: ContenderProcess): Promise<Training> {
  let steps: readonly number[] = [];
  const peak = await during(process, async () => {
    await process.load();
    steps = await process.steps(promptIds(TRAINED), STEPS);
  });
  const [first = Number.NaN, ...later] = steps;
  return { first, later: Math.min(...later), peak };
}

export interface Together {
  /** In bytes: what each has in no file, and all of both with what they share counted once. */
  readonly anonymous: readonly number[];
  readonly mapped: number;
}

/** Two processes that have both answered, at rest. */
export async function together(start: () => ContenderProcess): Promise<Together> {
  const processes = [start(), start()];
  try {
    for (const process of processes) {
      await process.load();
      await process.turn(promptIds(PROMPT), ANSWER);
    }
    const memories = processes.map((process) => memoryOf(process.pid));
    return {
      anonymous: memories.map((memory) => memory.anonymous ?? Number.NaN),
      mapped: memories.reduce((sum, memory) => sum + (memory.share ?? Number.NaN), 0),
    };
  } finally {
    await Promise.all(processes.map((process) => process.dispose()));
  }
}

async function during(process: ContenderProcess, action: () => Promise<void>): Promise<Peak> {
  try {
    return await peakDuring(process.pid, action);
  } finally {
    await process.dispose();
  }
}
