/** @file `npm run test:peft`: exchanges adapters with the real PEFT. */
import { runPythonTests } from "./python-tests.ts";

await runPythonTests({
  folder: "peft",
  variable: "GLMLAB_TORCH_PYTHON",
  environment: "python-peft",
  what: "PyTorch and PEFT",
  size: "some gigabytes",
});
