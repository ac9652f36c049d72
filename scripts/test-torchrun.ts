/** @file `npm run test:torchrun`: trains by the real torchrun, in two processes on the processor. */
import { runPythonTests } from "./python-tests.ts";

await runPythonTests({
  folder: "torchrun-python",
  variable: "GLMLAB_TORCH_PYTHON",
  environment: "python-peft",
  what: "PyTorch and PEFT",
  size: "some gigabytes",
});
