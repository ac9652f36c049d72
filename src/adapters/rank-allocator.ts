/**
 * @file Which singular values of an AdaLoRA stay: after each step the importance of every parameter is smoothed, and when the
 * budget shrinks, the least important values of all modules together become 0. Source: PEFT's RankAllocator.
 */
import type { ModuleSpec } from "../models/context.ts";
import { type FloatTensor, filled } from "../tensor.ts";
import type { AdaLoraConfig, AdapterTensors, ModuleRank, TakenStep } from "./adapter.ts";

/** PEFT's names of a module's three matrices: A [r, in], B [out, r] and the singular values E [r, 1]. */
export const adaLoraNames = (module: string): { readonly a: string; readonly b: string; readonly e: string } => ({
  a: `base_model.model.${module}.lora_A`,
  b: `base_model.model.${module}.lora_B`,
  e: `base_model.model.${module}.lora_E`,
});

/** What is remembered of a parameter, beside the values that it has. */
const [IMPORTANCE, UNCERTAINTY, KEPT] = ["importance of ", "uncertainty of ", "kept of "];

/** Changes the singular values in place; returns what is to be remembered. */
export function allocated(
  config: AdaLoraConfig,
  modules: readonly ModuleSpec[],
  { tensors, gradients, memory = {}, step, steps }: TakenStep,
): AdapterTensors {
  const remembered = { ...memory };
  const last = steps - config.tfinal;
  if (step < last) smooth(config, tensors, gradients, remembered);
  const budget = budgetAt(config, modules.length, step, steps);
  if (step > last) mask(modules, tensors, remembered);
  else if (budget !== undefined || step === last) {
    choose(config, modules, remembered, budget ?? config.r * modules.length);
    mask(modules, tensors, remembered);
  }
  return remembered;
}

/** How many singular values of all modules together may stay after a step; undefined where none is given up. */
export function budgetAt(
  { r, initR, tinit, tfinal, deltaT }: AdaLoraConfig,
  modules: number,
  step: number,
  steps: number,
): number | undefined {
  const [first, final] = [initR * modules, r * modules];
  if (step <= tinit) return undefined;
  if (step > steps - tfinal) return final;
  if (step % deltaT !== 0) return undefined;
  const left = 1 - (step - tinit) / (steps - tfinal - tinit);
  return Math.trunc((first - final) * left ** 3 + final);
}

function smooth(
  { beta1, beta2 }: AdaLoraConfig,
  tensors: AdapterTensors,
  gradients: AdapterTensors,
  memory: AdapterTensors,
): void {
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const gradient = (gradients[name] as FloatTensor).data;
    const importance = memory[IMPORTANCE + name] ?? filled(shape);
    const uncertainty = memory[UNCERTAINTY + name] ?? filled(shape);
    for (let i = 0; i < data.length; i += 1) {
      const now = Math.abs((data[i] as number) * (gradient[i] as number));
      const mean = beta1 * (importance.data[i] as number) + (1 - beta1) * now;
      importance.data[i] = mean;
      uncertainty.data[i] = beta2 * (uncertainty.data[i] as number) + (1 - beta2) * Math.abs(now - mean);
    }
    memory[IMPORTANCE + name] = importance;
    memory[UNCERTAINTY + name] = uncertainty;
  }
}

/**
 * What is left of each module's rank: the singular values that were chosen to stay, or those that are not 0 where none were
 * chosen yet. Between two choices the others grow again, as in PEFT, until the next. New ones are 0, and all there.
 */
export function ranksLeft(
  { initR: of }: AdaLoraConfig,
  modules: readonly ModuleSpec[],
  tensors: AdapterTensors,
  memory: AdapterTensors = {},
): ModuleRank[] {
  const values = modules.map(({ name }) => {
    const { e } = adaLoraNames(name);
    return { module: name, left: count(memory[KEPT + e] ?? tensors[e]) };
  });
  const isNew = values.every(({ left }) => left === 0);
  return values.map(({ module, left }) => ({ module, rank: isNew ? of : left, of }));
}

const count = (values: FloatTensor | undefined): number => values?.data.reduce((n, v) => n + Number(v !== 0), 0) ?? 0;

/** Decides which singular values stay: those whose triplets score above the best of the ones that go. */
function choose(
  { initR: rank }: AdaLoraConfig,
  modules: readonly ModuleSpec[],
  memory: AdapterTensors,
  budget: number,
): void {
  const scores = modules.map((module) => ({ module, of: tripletScores(module, rank, memory) }));
  const all = scores.flatMap(({ of }) => [...of]).sort((a, b) => a - b);
  const given = rank * modules.length - budget;
  if (given < 1) return;
  const threshold = all[given - 1] as number;
  for (const { module, of } of scores) {
    const kept = filled([rank, 1]);
    for (const [i, score] of of.entries()) kept.data[i] = Number(score > threshold);
    memory[KEPT + adaLoraNames(module.name).e] = kept;
  }
}

/** How much each singular value matters, with its column of B and its row of A. */
function tripletScores(module: ModuleSpec, rank: number, memory: AdapterTensors): Float32Array {
  const { a, b, e } = adaLoraNames(module.name);
  const [scoreA, scoreB, scoreE] = [scorer(a, memory), scorer(b, memory), scorer(e, memory)];
  return Float32Array.from({ length: rank }, (_, k) => {
    let [row, column] = [0, 0];
    for (let i = 0; i < module.in; i += 1) row += scoreA(k * module.in + i);
    for (let i = 0; i < module.out; i += 1) column += scoreB(i * rank + k);
    return scoreE(k) + row / module.in + column / module.out;
  });
}

/** How much each element of a parameter matters. */
function scorer(name: string, memory: AdapterTensors): (i: number) => number {
  const [importance, uncertainty] = [memory[IMPORTANCE + name]?.data, memory[UNCERTAINTY + name]?.data];
  return (i) => (importance?.[i] ?? 0) * (uncertainty?.[i] ?? 0);
}

function mask(modules: readonly ModuleSpec[], tensors: AdapterTensors, memory: AdapterTensors): void {
  for (const { name } of modules) {
    const { e } = adaLoraNames(name);
    const kept = memory[KEPT + e]?.data;
    const values = tensors[e]?.data;
    if (kept && values) for (let k = 0; k < values.length; k += 1) if (kept[k] === 0) values[k] = 0;
  }
}
