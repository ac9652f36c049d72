/** @file Cells that the benchmarks run in a kernel. */
import { type StartOptions, TestKernel } from "../test/kernel/client.ts";

/** How the model is loaded: into the runtime, and into the kernel's own process. */
export const LOAD = { runtime: "%model tiny", kernel: "%model tiny --runtime none" } as const;

/** Starts a kernel whose TypeScript is loaded and warm. */
export async function readyKernel(options: StartOptions = {}): Promise<TestKernel> {
  const kernel = await TestKernel.start(options);
  for (const cell of ["1+1", "const ready = await 1", "console.log(ready)"]) await kernel.execute(cell);
  return kernel;
}

/**
 * Runs a cell that loads and one that asks, as Run All does; when the first text of the answer is shown.
 * @returns as `performance.now()` counts
 */
export async function firstToken(kernel: TestKernel, load: string): Promise<number> {
  const loading = kernel.begin(load);
  const asking = kernel.begin("%%chatglm --greedy\n你好");
  const [loaded, answered] = [await kernel.ended(loading), await kernel.ended(asking)];
  const shown = answered.output.find(
    ({ type, content }) => type === "display_data" && content.data["text/plain"] !== "",
  );
  if (loaded.reply.content.status === "ok" && shown) return shown.time;
  throw new Error(`Loading or asking failed: ${JSON.stringify([loaded.reply.content, answered.reply.content])}`);
}

/** Ends a kernel as a restart does, and starts the next one. */
export async function restarted(kernel: TestKernel): Promise<TestKernel> {
  await kernel.shutdown({ restart: true });
  return await TestKernel.start({ like: kernel });
}

/** Shuts a kernel down in the proper way, so that the runtime sees it go. */
export async function ended(kernel: TestKernel): Promise<void> {
  if (kernel.process.exitCode === null) await kernel.shutdown();
  kernel.dispose();
}
