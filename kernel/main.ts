/** @file What Jupyter starts: `node dist/kernel/main.js CONNECTION_FILE`. */
import { runKernel } from "./process.ts";

const [connectionFile] = process.argv.slice(2);
if (connectionFile === undefined) {
  console.error("Usage: main.js CONNECTION_FILE. Jupyter starts kernels so; `glmlab install` tells it how.");
  process.exit(2);
}
try {
  runKernel(connectionFile);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
