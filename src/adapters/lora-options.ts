/** @file What LoRA's options may be, and what ranks and scales they give its modules. */
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ModuleSpec } from "../models/context.ts";
import type { LoraConfig } from "./adapter.ts";
import { idlePatterns, patternValues } from "./module-patterns.ts";
import { listed } from "./targets.ts";

export interface Size {
  readonly r: number;
  /** What the update is multiplied by. */
  readonly factor: number;
}

/**
 * Rank and scale of a module's update, by the module's name.
 * @throws GlmError "adapter-invalid" or "unsupported" with every pattern that cannot be matched
 */
export function updateSizes({
  r,
  alpha,
  rankStabilized,
  rankPattern,
  alphaPattern,
}: LoraConfig): (module: string) => Size {
  const [ranks, alphas] = [
    patternValues("LoRA: rankPattern", rankPattern),
    patternValues("LoRA: alphaPattern", alphaPattern),
  ];
  return (module) => {
    const rank = ranks(module) ?? r;
    return { r: rank, factor: (alphas(module) ?? alpha) / (rankStabilized ? Math.sqrt(rank) : rank) };
  };
}

/** Patterns that fit no targeted module, which PEFT passes over with a warning, too. */
export function idleNote({ rankPattern, alphaPattern }: LoraConfig, modules: readonly ModuleSpec[]): string[] {
  const names = modules.map(({ name }) => name);
  return Object.entries({ rankPattern, alphaPattern }).flatMap(([option, patterns]) => {
    const idle = idlePatterns(patterns ?? {}, names);
    return idle.length === 0 ? [] : [`${option}: ${listed(idle)} fits no targeted module: it is passed over.`];
  });
}

/** @throws GlmError "adapter-invalid" with every option that is out of range */
export function checkLora({ r, alpha, dropout, targets, rankPattern = {}, alphaPattern = {} }: LoraConfig): void {
  const faults: string[] = [];
  for (const [key, rank] of [["r", r], ...patternEntries("rankPattern", rankPattern)] as const) {
    if (!Number.isInteger(rank) || rank < 1) faults.push(`${key}: expected a whole number of 1 or more, got ${rank}`);
  }
  for (const [key, value] of [["alpha", alpha], ...patternEntries("alphaPattern", alphaPattern)] as const) {
    if (!(value > 0 && Number.isFinite(value))) faults.push(`${key}: expected a number above 0, got ${value}`);
  }
  if (!(dropout >= 0 && dropout < 1)) faults.push(`dropout: expected 0 or more and less than 1, got ${dropout}`);
  if (targets.length === 0)
    faults.push('targets: expected at least one module, for example "query_key_value", got none');
  if (faults.length > 0) throw new GlmError("adapter-invalid", `LoRA cannot be set up:${faultLines(faults)}`);
}

const patternEntries = (name: string, patterns: Readonly<Record<string, number>>): (readonly [string, number])[] =>
  Object.entries(patterns).map(([ending, value]) => [`${name}[${JSON.stringify(ending)}]`, value]);

/**
 * PEFT takes ranks beyond the smaller side, and files may have them; what is announced must still be allocated.
 * @throws GlmError "adapter-invalid"
 */
export function mustBeBounded(r: number, module: ModuleSpec): void {
  const most = 4 * (module.in + module.out);
  if (r <= most) return;
  throw new GlmError(
    "adapter-invalid",
    `LoRA: r: expected at most ${most} for ${module.name}, four times its sides together, got ${r}. Usual ranks are 4 to 64.`,
  );
}

/** @throws GlmError "adapter-invalid" for a new one that would not be of low rank */
export function mustBeLowRank(r: number, module: ModuleSpec): void {
  const largest = Math.min(module.in, module.out);
  if (r <= largest) return;
  throw new GlmError(
    "adapter-invalid",
    `LoRA: r: expected at most ${largest} for ${module.name}, its smaller side, got ${r}. Usual ranks are 4 to 64.`,
  );
}
