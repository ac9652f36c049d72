/** @file Bounded waits: what comes in time, what comes instead, and that no timer is left. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { within } from "../src/within.ts";

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
const never = new Promise<string>(() => undefined);
const HOUR = 3_600_000;

it("gives what comes in time, or fails with it, and leaves no timer", async () => {
  const before = timers();
  expect(await within(HOUR, sleep(5, "done"), () => "late")).toBe("done");
  await expect(within(HOUR, Promise.reject(new Error("broken")), () => "late")).rejects.toThrow("broken");
  expect(timers()).toBe(before);
});

it("gives what stands for it, or throws, when it does not come", async () => {
  expect(await within(5, never, () => "late")).toBe("late");
  const late = (): string => {
    throw new Error("too late");
  };
  await expect(within(5, never, late)).rejects.toThrow("too late");
});
