/**
 * @file Programs in groups of which only one is in memory at a time: before one of another group runs, the sessions of the
 * group that ran last are given up, to be made again when they are needed.
 *
 * Packed weights lie in their files twice, as kernels want them for answers and as training reads them. Whoever does
 * both by turns would have both mapped, twice the memory that the weights take.
 */

import { inTurn } from "../in-turn.ts";
import type { Compile, Program } from "./program.ts";

/** @returns the compiler of each group, by name */
export function exclusiveSessions(compile: Compile): (group: string) => Compile {
  const programs = new Map<string, Set<ExclusiveProgram>>();
  let inside: string | undefined;
  // A session must not be given up while it runs.
  const oneAtATime = inTurn();
  const enter = async (group: string): Promise<void> => {
    if (inside !== undefined && inside !== group) {
      for (const program of programs.get(inside) ?? []) await program.leave();
    }
    inside = group;
  };
  return (group) => {
    const own = programs.get(group) ?? new Set();
    programs.set(group, own);
    return async (graph, options) => {
      const program = new ExclusiveProgram(() => compile(graph, options));
      await oneAtATime(async () => {
        await enter(group);
        await program.enter();
      });
      own.add(program);
      return {
        run: (inputs, into) =>
          oneAtATime(async () => {
            await enter(group);
            return (await program.enter()).run(inputs, into);
          }),
        dispose: () =>
          oneAtATime(async () => {
            own.delete(program);
            await program.leave();
          }),
      };
    };
  };
}

/** A program that may be away. */
class ExclusiveProgram {
  readonly #make: () => Promise<Program>;
  #program: Program | undefined;

  constructor(make: () => Promise<Program>) {
    this.#make = make;
  }

  async enter(): Promise<Program> {
    this.#program ??= await this.#make();
    return this.#program;
  }

  async leave(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.dispose();
  }
}
