/**
 * @file Weights are on one device at a time: their adapters are kept together, and two engines that train them would each
 * write over what the other has learnt.
 */
import { GlmError } from "../errors.ts";
import type { LoadParams, ModelInfo } from "./engine.ts";

/** Whether one model has the weights of another on another device. */
export const isElsewhere = (one: ModelInfo, other: ModelInfo): boolean =>
  one.weightsKey === other.weightsKey && one.key !== other.key;

/**
 * Where the device was left to choose, it is the one that has the model.
 * @throws GlmError "option-invalid" when another was asked for
 */
export function mustBeAuto({ device, name }: LoadParams, there: ModelInfo): void {
  if (device === "auto") return;
  throw new GlmError(
    "option-invalid",
    `${name}: device ${device}: the model is loaded on ${there.device}, for this notebook or for others, and its adapters with it. ` +
      `Unload it there first (%runtime unload, or unload() in code), or load it with device "auto", which takes it where it is.`,
  );
}

/** A model that is here already, by the name and folder by which it was asked for now, and with the note that belongs to that. */
export function asAsked({ note: _, ...known }: ModelInfo, { name, folder, note }: ModelInfo): ModelInfo {
  return { ...known, name, folder, resident: true, ...(note === undefined ? {} : { note }) };
}
