/** @file Work that an interrupted cell ends in order: the cell waits for it, a second interrupt does not. A job on other machines goes on past its notebook. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../torchrun/small-model.ts";
import { standInPython } from "../torchrun/stand-ins.ts";
import { type Execution, printed, TestKernel } from "./client.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });
const home = ownHome();
let kernel: TestKernel;
beforeAll(async () => {
  await writeSmallModel(join(home, "model"));
  kernel = await TestKernel.start();
  await kernel.execute('import { ambient } from "glmlab"; const done: string[] = [];');
});
afterAll(() => kernel.dispose());

const resultOf = ({ output }: Execution): unknown =>
  output.find(({ type }) => type === "execute_result")?.content.data["text/plain"];

/** Waits until a cell has printed a text, or shown it. */
const seen = (id: string, text: RegExp) =>
  kernel.broadcast(({ parentId, content }) => parentId === id && text.test(JSON.stringify(content)));

const interrupt = () => kernel.request("control", "interrupt_request", {});

describe("work that ends in order", () => {
  /** Timers of cells end with them; this one is Node's own. */
  const cell = (name: string, ms: number): string => `
const { signal, ending } = ambient();
const wait = globalThis.setTimeout;
signal!.addEventListener("abort", () =>
  ending!(new Promise((resolve) => wait(resolve, ${ms})).then(() => done.push("${name}"))));
console.log("begun");
await new Promise(() => {});`;

  test("is waited for; cells sent before are aborted, those sent meanwhile come after it", async () => {
    const id = kernel.begin(cell("first", 1500));
    await seen(id, /begun/);
    const before = kernel.begin('done.push("before")');
    const begun = performance.now();
    await interrupt();
    expect((await kernel.reply(before)).content.status).toBe("aborted");
    const meanwhile = kernel.begin('done.join("+")');
    const { reply } = await kernel.ended(id);
    expect([reply.content.status, reply.content.ename]).toEqual(["error", "Interrupted"]);
    expect(performance.now() - begun).toBeGreaterThan(1450);
    expect(resultOf(await kernel.ended(meanwhile))).toBe("'first'");
  });

  test("is not waited for after a second interrupt, and ends all the same", async () => {
    const id = kernel.begin(cell("second", 4000));
    await seen(id, /begun/);
    const begun = performance.now();
    await interrupt();
    // Not before the kernel waits: one interrupt that is sent twice is one.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await interrupt();
    expect((await kernel.ended(id)).reply.content.ename).toBe("Interrupted");
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(resultOf(await kernel.execute("done.at(-1)"))).toBe("'first'");
    await vi.waitFor(async () => expect(resultOf(await kernel.execute("done.at(-1)"))).toBe("'second'"), {
      timeout: 20_000,
    });
  });

  test("that has ended leaves the next interrupt as it was", async () => {
    const id = kernel.begin('console.log("begun"); await new Promise(() => {})');
    await seen(id, /begun/);
    const begun = performance.now();
    await interrupt();
    expect((await kernel.ended(id)).reply.content.ename).toBe("Interrupted");
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});

describe("a job in a notebook", () => {
  const rows = '{"prompt": "what is 1?", "response": "1"}\n{"prompt": "what is 2?", "response": "2"}';

  async function train(name: string, steps: number): Promise<{ readonly cell: string; readonly job: string }> {
    const python = await standInPython(join(home, name), { step: 50 });
    const job = join(home, name, "job");
    const options = `--engine torchrun --python ${python} --job ${job} --max-steps ${steps} --no-check`;
    return { job, cell: `%%train ${name} ${options}\n${rows}` };
  }
  const stepsOf = async (name: string): Promise<number> =>
    Number(resultOf(await kernel.execute(`(await (await glm.adapter("${name}")).info()).steps`)));

  test("is shown as it goes, and what it has is there when the interrupted cell is over", async () => {
    await kernel.execute(`%model ${join(home, "model")}`);
    const id = kernel.begin((await train("cut", 3000)).cell);
    await seen(id, /Training cut on 2 rows .* [1-9]\d*\/3,000/);
    await seen(id, /cut: training loss: loss 1 /);
    await interrupt();
    const { output, reply } = await kernel.ended(id);
    expect(reply.content.ename).toBe("Interrupted");
    const steps = await stepsOf("cut");
    expect(steps).toBeGreaterThan(0);
    expect(printed(output, "stderr")).toMatch(
      new RegExp(
        `^Interrupted: the job ends after its step.*\nInterrupted: cut keeps the values of step ${steps} of 3000\\.\n$`,
      ),
    );
  });

  test("goes on when its notebook is closed, and is attached to in the next kernel", async () => {
    const { cell, job } = await train("closed", 100);
    const id = kernel.begin(cell);
    await seen(id, /Training closed on 2 rows .* [1-9]\d*\/100/);
    // As Jupyter's managers close a kernel.
    void interrupt();
    await kernel.shutdown();
    const next = await TestKernel.start({ like: kernel });
    kernel = next;
    const model = await kernel.execute(`%model ${join(home, "model")}`);
    expect(printed(model.output)).toContain("closed");
    expect(existsSync(join(job, "stop"))).toBe(false);
    const { output, reply } = await kernel.execute("%train attach closed");
    expect(reply.content.status).toBe("ok");
    expect(printed(output)).toContain("closed: done after step 100 of 100 steps.\n");
    expect(JSON.stringify(output.map(({ content }) => content))).toMatch(
      /closed: training loss: loss 1 → 0\.01 in 100 steps/,
    );
    expect(await stepsOf("closed")).toBe(100);
    expect(readFileSync(join(job, "ended"), "utf8").trim()).toBe("0");
  });
});
