/** @file Commands that a test needs and that not every machine has or allows. */
import { execFileSync } from "node:child_process";

/** Runs a command; false when this machine has none or does not allow it. */
export function works(command: string, ...parameters: string[]): boolean {
  try {
    execFileSync(command, parameters, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
