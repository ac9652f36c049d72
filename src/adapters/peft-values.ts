/** @file Values of adapter_config.json: whether an option is used at all, and how messages show them. */
import { shortened } from "../text-cut.ts";

/** PEFT leaves unused options out, or writes null, false or something empty. */
export function isOn(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as messages show it. */
export function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return shortened(text, 80);
}
