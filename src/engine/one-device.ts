/**
 * @file Weights are on one device at a time, in one precision: their adapters are kept together, and two engines that train
 * them would each write over what the other has learnt.
 */
import { GlmError } from "../errors.ts";
import type { LoadParams, ModelInfo } from "./engine.ts";
import { modelForm } from "./model-form.ts";

/** Whether one model has the weights of another on another device, or in another precision. */
export const isElsewhere = (one: ModelInfo, other: ModelInfo): boolean =>
  one.weightsKey === other.weightsKey && one.key !== other.key;

/**
 * What was left to choose, is as the model has it.
 * @throws GlmError "option-invalid" when something else was asked for
 */
export function mustBeAuto({ device, precision, name }: LoadParams, there: ModelInfo): void {
  const faults = [
    ...(device === "auto" || device === there.device ? [] : [`device ${device}`]),
    ...(precision === "auto" || precision === there.precision ? [] : [`precision ${precision}`]),
  ];
  if (faults.length === 0) return;
  const auto = faults.map((fault) => `${fault.split(" ")[0]} "auto"`).join(" and ");
  throw new GlmError(
    "option-invalid",
    `${name}: ${faults.join(", ")}: the model is loaded on ${there.device} (${modelForm(there)}), for this notebook or for others, and its ` +
      "adapters with it. Unload it there first (%runtime unload in a notebook that has it, which it has after %model with auto; unload() " +
      "in code), or load it with " +
      `${auto}, which ${faults.length > 1 ? "take" : "takes"} it as it is.`,
  );
}

/**
 * A model that is here already, by the name and folder by which it was asked for now, and with the note that belongs to that. Why
 * it is on its device is told where that was left to choose.
 */
export function asAsked(
  { note: _, deviceReason: reason, ...known }: ModelInfo,
  { name, folder, note, deviceReason: asked }: ModelInfo,
): ModelInfo {
  const told = asked === undefined || reason === undefined ? {} : { deviceReason: reason };
  return { ...known, ...told, name, folder, resident: true, ...(note === undefined ? {} : { note }) };
}
