/** @file What drivers report, as errors that say what to do. */
import { expect, it } from "vitest";
import { deviceFault } from "../../src/backend/device-fault.ts";
import { GlmError } from "../../src/errors.ts";

it.each([
  ["Failed to allocate memory for requested buffer: out of memory", "out-of-memory", "Unload other models"],
  ["Buffer size (4294967296) exceeds the max buffer size limit (2147483648).", "out-of-memory", "shorter rows"],
  ["WebGPU device lost (2): Device was destroyed.", "device-lost", "Load the model again"],
  ["Failed to get a WebGPU adapter: No supported adapters.", "unsupported", "%runtime devices"],
])("%s", (message, code, remedy) => {
  const fault = deviceFault(new Error(message));
  expect(fault).toMatchObject({ code, message: expect.stringContaining(remedy) });
  expect((fault as Error).message).toContain(message.slice(0, 20));
});

it("leaves other errors and errors of its own as they are", () => {
  const [other, own] = [new Error("Split: cannot be cut"), new GlmError("disk", "out of memory")];
  expect(deviceFault(other)).toBe(other);
  expect(deviceFault(own)).toBe(own);
});
