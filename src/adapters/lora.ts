/** @file LoRA: a linear module's output gains alpha/r · B·A·x. Source: Hu et al. 2021; names and starting values as PEFT's. */

import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { gemm, mul } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import { type ModuleSpec, overridden, type ParameterBinder } from "../models/context.ts";
import { randomStream } from "../random.ts";
import { copied, type FloatTensor, filled, tensor } from "../tensor.ts";
import { shortened } from "../text-cut.ts";
import type { Adapter, BaseModel, LoraConfig } from "./adapter.ts";
import { inputOf } from "./graph-inputs.ts";
import { patternValues } from "./module-patterns.ts";
import { isNamed, targetNames } from "./target-names.ts";

/** PEFT's names of a module's two matrices: A [r, in] and B [out, r]. */
const loraNames = (module: string): { readonly a: string; readonly b: string } => ({
  a: `base_model.model.${module}.lora_A.weight`,
  b: `base_model.model.${module}.lora_B.weight`,
});

/** The graph input that an update is multiplied by. */
const factorName = (module: string): string => `factor of ${module}`;

/** PEFT's name of a base bias that is trained: a targeted module lies one level deeper in its model. */
const biasName = (bias: string, targeted: ReadonlySet<string>): string => {
  const module = bias.slice(0, -".bias".length);
  return targeted.has(module) ? `base_model.model.${module}.base_layer.bias` : `base_model.model.${bias}`;
};

/**
 * @throws GlmError "adapter-invalid" when an option is out of range or a target names no module, "unsupported" when a
 * pattern cannot be matched in linear time
 */
export function lora(given: LoraConfig, base: BaseModel): Adapter {
  check(given);
  const sizeOf = updateSizes(given);
  const { names, note } = targetNames(given.targets, base.modules);
  const config = { ...given, targets: names };
  const { dropout } = config;
  const modules = targetedModules("LoRA", config.targets, base.modules);
  const sizes = new Map(modules.map(({ name }) => [name, sizeOf(name)]));
  for (const module of modules) {
    const { r } = sizes.get(module.name) as Size;
    // PEFT takes more than the smaller side; what is announced must still be allocated.
    const most = 4 * (module.in + module.out);
    if (r <= most) continue;
    throw new GlmError(
      "adapter-invalid",
      `LoRA: r: expected at most ${most} for ${module.name}, four times its sides together, got ${r}. Usual ranks are 4 to 64.`,
    );
  }
  const targets = new Set(sizes.keys());
  const biases = base.parameters
    .filter(({ name }) => trainsBias(config, name, targets))
    .map(({ name, shape }) => ({ base: name, name: biasName(name, targets), shape }));
  const biasNames = new Map(biases.map((bias) => [bias.base, bias.name]));
  const factorOf = (module: string): number => (sizes.get(module) as Size).factor;
  return {
    config,
    ...(note === undefined ? {} : { note }),
    parameters: [
      ...modules.flatMap((module) => {
        const { a, b } = loraNames(module.name);
        const { r } = sizes.get(module.name) as Size;
        return [
          { name: a, shape: [r, module.in] },
          { name: b, shape: [module.out, r] },
        ];
      }),
      ...biases.map(({ name, shape }) => ({ name, shape })),
    ],
    numbers: Object.fromEntries([...sizes].map(([module, { factor }]) => [factorName(module), filled([1, 1], factor)])),
    async initialize(seed) {
      // Only of new ones: PEFT loads files of any rank.
      mustBeLowRank(config.r, modules);
      const pairs = modules.flatMap((module) => {
        const { a, b } = loraNames(module.name);
        const { r } = sizes.get(module.name) as Size;
        return [
          [a, kaiming(seed, a, [r, module.in])],
          [b, filled([module.out, r])],
        ] as const;
      });
      const starts = await Promise.all(
        biases.map(async ({ base: bias, name }) => [name, copied(await base.read(bias))] as const),
      );
      return Object.fromEntries([...pairs, ...starts]);
    },
    applyToTraining(unadapted, inputs, drop) {
      const values = biases.flatMap((bias): [string, Value][] => {
        const value = inputs.get(bias.name);
        return value ? [[bias.base, value]] : [];
      });
      const adapted = overridden(unadapted, new Map(values));
      const context: ParameterBinder = {
        ...adapted,
        linear(x, module, options) {
          const y = adapted.linear(x, module, options);
          if (!sizes.has(module)) return y;
          const { a, b } = loraNames(module);
          const [down, up] = [inputOf(inputs, a), inputOf(inputs, b)];
          const factor = inputOf(inputs, factorName(module));
          const low = gemm(drop(x, module, dropout), down, { transB: true });
          // The smaller factor of the product is scaled, which costs next to nothing.
          return gemm(low, mul(up, factor), { transB: true }, y);
        },
      };
      return { context };
    },
    forInference(tensors) {
      const lowRank = new Map(
        modules.map((module) => {
          const { a, b } = loraNames(module.name);
          const up = transposed(tensors[b] as FloatTensor, factorOf(module.name));
          return [module.name, { down: transposed(tensors[a] as FloatTensor), up }];
        }),
      );
      if (biases.length === 0) return { lowRank };
      return {
        lowRank,
        overrides: new Map(biases.map((bias) => [bias.base, copied(tensors[bias.name] as FloatTensor)])),
      };
    },
    mergeTargets: new Set([...modules.map(({ name }) => `${name}.weight`), ...biasNames.keys()]),
    merge(tensors, name, weight) {
      const bias = biasNames.get(name);
      if (bias !== undefined) return copied(tensors[bias] as FloatTensor);
      const module = name.slice(0, -".weight".length);
      const { a, b } = loraNames(module);
      return plusProduct(weight, tensors[b] as FloatTensor, tensors[a] as FloatTensor, factorOf(module));
    },
  };
}

function mustBeLowRank(r: number, modules: readonly ModuleSpec[]): void {
  const largest = Math.min(...modules.flatMap((module) => [module.in, module.out]));
  if (r <= largest) return;
  throw new GlmError(
    "adapter-invalid",
    `LoRA: r: expected at most ${largest}, the smallest side of the targeted matrices, got ${r}. Usual ranks are 4 to 64.`,
  );
}

function trainsBias({ bias }: LoraConfig, name: string, targets: ReadonlySet<string>): boolean {
  if (bias === undefined || !name.endsWith(".bias")) return false;
  return bias === "all" || targets.has(name.slice(0, -".bias".length));
}

interface Size {
  readonly r: number;
  /** What the update is multiplied by. */
  readonly factor: number;
}

/** Rank and scale of a module's update, by the module's name. */
function updateSizes({ r, alpha, rankStabilized, rankPattern, alphaPattern }: LoraConfig): (module: string) => Size {
  const [ranks, alphas] = [
    patternValues("LoRA: rankPattern", rankPattern),
    patternValues("LoRA: alphaPattern", alphaPattern),
  ];
  return (module) => {
    const rank = ranks(module) ?? r;
    return { r: rank, factor: (alphas(module) ?? alpha) / (rankStabilized ? Math.sqrt(rank) : rank) };
  };
}

function check({ r, alpha, dropout, targets, rankPattern = {}, alphaPattern = {} }: LoraConfig): void {
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

/** The first names of a list, which may be long and have anything in it. */
const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, 10).map((name) => shortened(name, 100));
  return names.length > shown.length ? `${shown.join(", ")} and ${names.length - shown.length} more` : shown.join(", ");
};

/**
 * The modules whose name is a target or ends in one, as PEFT matches them.
 * @throws GlmError "adapter-invalid" when a target names none
 */
export function targetedModules(
  method: string,
  targets: readonly string[],
  modules: readonly ModuleSpec[],
): ModuleSpec[] {
  const lost = targets.filter((target) => !modules.some((module) => isNamed(module.name, target)));
  if (lost.length > 0) {
    const endings = [...new Set(modules.map(({ name }) => name.split(".").at(-1)))];
    throw new GlmError(
      "adapter-invalid",
      `${method} targets ${listed(lost)}: the model has no linear module of that name. It has ${endings.join(", ")}.`,
    );
  }
  return modules.filter((module) => targets.some((target) => isNamed(module.name, target)));
}

/** torch.nn.init.kaiming_uniform_(a=sqrt(5)), PEFT's start for A: uniform in ±1/sqrt(in). */
function kaiming(seed: number, name: string, shape: readonly [number, number]): FloatTensor {
  const bound = 1 / Math.sqrt(shape[1]);
  const stream = randomStream(seed, name);
  const data = new Float32Array(shape[0] * shape[1]);
  for (let i = 0; i < data.length; i += 1) data[i] = (2 * stream.uniform() - 1) * bound;
  return tensor("float32", shape, data);
}

export function transposed({ shape, data }: FloatTensor, factor = 1): FloatTensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      out[column * rows + row] = (data[row * columns + column] as number) * factor;
    }
  }
  return tensor("float32", [columns, rows], out);
}

/** weight + factor · b·a, with b [out, r] and a [r, in]. */
export function plusProduct(weight: FloatTensor, b: FloatTensor, a: FloatTensor, factor: number): FloatTensor {
  const [out, width] = weight.shape as [number, number];
  const r = a.shape[0] as number;
  const merged = Float32Array.from(weight.data);
  for (let row = 0; row < out; row += 1) {
    for (let k = 0; k < r; k += 1) {
      const left = (b.data[row * r + k] as number) * factor;
      if (left === 0) continue;
      const [from, to] = [k * width, row * width];
      for (let i = 0; i < width; i += 1)
        merged[to + i] = (merged[to + i] as number) + left * (a.data[from + i] as number);
    }
  }
  return tensor("float32", weight.shape, merged);
}
