/**
 * @file One adapter that does what several do together. LoRAs and AdaLoRAs become a LoRA whose ranks are the sums of theirs (PEFT's
 * `add_weighted_adapter` with `combination_type="cat"`), prefixes a longer one, and changes of base parameters their sum.
 */
import { GlmError } from "../errors.ts";
import { shortened } from "../text-cut.ts";
import type { AdapterConfig, AdapterEffect, AdapterTensors, BaseModel } from "./adapter.ts";
import { combinedEffect } from "./combined-effect.ts";
import { loraOfEffect } from "./lora-of-effect.ts";
import type { MergedAdapter } from "./merging.ts";
import { prefixAdapter } from "./p-tuning.ts";

export interface CombinedPart extends MergedAdapter {
  readonly name: string;
}

export interface CombinedAdapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
}

/** @throws GlmError "unsupported" when no adapter does what they do together, "option-invalid" when they do nothing */
export async function combinedAdapter(given: readonly CombinedPart[], base: BaseModel): Promise<CombinedAdapter> {
  const parts = given.filter(({ weight }) => weight !== 0);
  const [first] = parts;
  if (!first) {
    throw new GlmError("option-invalid", "combine: expected at least one weight that is not 0: nothing is left.");
  }
  const named = parts.map(({ name, adapter, tensors, weight }) => ({
    name,
    weight,
    effect: adapter.forInference(tensors),
  }));
  const effect = await combinedEffect(named, base);
  const dropout = parts.flatMap(({ adapter: { config } }) => ("dropout" in config ? [config.dropout] : []))[0] ?? 0;
  if (effect.prefix) {
    const others = named.filter(({ effect: { prefix } }) => !prefix);
    const led = named.filter(({ effect: { prefix } }) => prefix);
    if (others.length === 0) return prefixAdapter(effect.prefix, dropout, base.config);
    throw impossible(
      parts,
      `${listOf(led)} adds keys and values to attention, ${listOf(others)} changes weights, and no adapter does both`,
    );
  }
  if (!effect.lowRank) return sameParameters(parts, effect);
  const lora = await loraOfEffect(effect, dropout, base);
  if (lora) return lora;
  const replacing = named.filter(({ effect: { lowRank } }) => !lowRank);
  throw impossible(parts, `${listOf(replacing)} changes whole parameters, which a LoRA beside it has no place for`);
}

/** The sum of changes of base parameters, as an adapter like its parts. */
function sameParameters(parts: readonly CombinedPart[], { overrides = new Map() }: AdapterEffect): CombinedAdapter {
  const [first, ...others] = parts as [CombinedPart, ...CombinedPart[]];
  const own = new Set(first.adapter.parameters.map(({ name }) => name));
  for (const { name, adapter } of others) {
    const names = adapter.parameters.map((parameter) => parameter.name);
    const other =
      names.find((parameter) => !own.has(parameter)) ?? [...own].find((parameter) => !names.includes(parameter));
    if (other === undefined) continue;
    throw impossible(parts, `${first.name} and ${name} change other parameters: only one of them has ${other}`);
  }
  return { config: first.adapter.config, tensors: Object.fromEntries(overrides) };
}

function impossible(parts: readonly CombinedPart[], why: string): GlmError {
  const sum = shortened(parts.map(({ name, weight }) => (weight === 1 ? name : `${weight}*${name}`)).join("+"), 200);
  return new GlmError(
    "unsupported",
    `${sum} cannot become one adapter: ${why}. Answer with them together as they are: --adapter ${sum} or { adapter: "${sum}" }.`,
  );
}

const listOf = (parts: readonly { readonly name: string }[]): string => parts.map(({ name }) => name).join(" and ");
