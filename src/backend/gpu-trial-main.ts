/** @file The process in which a GPU is tried, and which says what went wrong; gpu-trial.ts starts it. */
import { GlmError } from "../errors.ts";
import { NOTHING_BEHIND } from "./device-fault.ts";
import { surveyGpus } from "./gpu-survey.ts";
import { NO_WEBGPU } from "./gpu-trial.ts";
import { softwareDriverInUse } from "./software-driver.ts";

try {
  await tryHere();
} catch (error) {
  if (!(error instanceof GlmError)) throw error;
  const remedy =
    "There may be no rights to /dev/dri, or a library is missing that the driver loads (libxext6, libegl1)";
  console.log(error.code === "unsupported" ? `${NOTHING_BEHIND}. ${remedy}` : error.message.replace(/\.$/, ""));
}

/** Computes something on the GPU. */
async function tryHere(): Promise<void> {
  const { WebGpu } = await import("./webgpu.ts");
  if (!(await import("./onnxruntime.ts")).hasWebGpu) {
    console.log(NO_WEBGPU);
    return;
  }
  const device = new WebGpu();
  const zeros = await device.download(await device.allocate("float32", [4]));
  if (zeros.data.some((zero) => zero !== 0)) {
    console.log("it computes wrong numbers. Update the driver");
    return;
  }
  const { softwareOnly } = await surveyGpus();
  const software = softwareOnly ? undefined : await softwareDriverInUse();
  if (software !== undefined) {
    console.log(
      `its driver does not start, and a software driver (${software}) computes in its place, slower than the processor ` +
        "itself. Repair the GPU's driver, or install it anew",
    );
  }
}
