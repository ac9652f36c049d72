/** @file Which adapters can become part of the weights. */
import { GlmError } from "../errors.ts";
import type { Adapter } from "./adapter.ts";

/** @throws GlmError "unsupported" for an adapter whose effect no weights can have */
export function mustMerge(name: string, { unmergeable, config }: Adapter): void {
  if (unmergeable === undefined) return;
  throw new GlmError(
    "unsupported",
    `${name}: ${config.method} ${unmergeable}: it cannot be merged. ` +
      `Save it beside the model instead: %adapter save ${name} FOLDER, or adapter.save(folder).`,
  );
}
