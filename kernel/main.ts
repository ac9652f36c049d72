/** @file What Jupyter starts: `node dist/kernel/main.js CONNECTION_FILE`. */
import { runKernel } from "./process.ts";

const [connectionFile] = process.argv.slice(2);
if (connectionFile === undefined) {
  console.error("Usage: main.js CONNECTION_FILE. Jupyter starts kernels so; `glmlab install` tells it how.");
  process.exit(2);
}
await runKernel(connectionFile);
