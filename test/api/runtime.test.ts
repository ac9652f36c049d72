/** @file The public API through a runtime: what a notebook's user sees when it is shared, killed and asked about. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { runtimeStatus as showRuntime } from "../../magics/run/runtime.ts";
import { adamW, type ChatGLM, type KnowledgeProgress, load, lora, withAmbient } from "../../src/index.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { packageFolder, version } from "../../src/version.ts";
import { ownHome } from "../home.ts";
import { Notebook } from "../magics/notebook.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 240_000;
const short = { greedy: true, maxNewTokens: 6 } as const;
const home = ownHome();
let name: string;

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
}, LONG);

/** Loads as a cell of a notebook does, where the runtime is the default. */
function open(notebook: string): Promise<ChatGLM> {
  return withAmbient({ notebook }, () => load(name));
}

describe("a notebook", { timeout: LONG }, () => {
  it("shares the model with others, keeps its adapters, and goes on when the runtime was killed", async () => {
    const [first, second] = await Promise.all([open("first.ipynb"), open("second.ipynb")]);
    expect(second.info.key).toBe(first.info.key);
    const status = await runtimeStatus();
    expect(status?.models).toHaveLength(1);
    expect(status?.clients).toBe(1);

    const dream = await first.createAdapter("dream", lora({ r: 2 }));
    expect(await second.adapters()).toEqual([]);
    for await (const _ of dream.fit([{ prompt: "a", response: "b" }], { epochs: 2 }));
    const [said, base] = [await first.ask("a", { ...short, adapter: dream }), await second.ask("a", short)];
    const step = await dream.gradients([{ prompt: "a", response: "b" }]);

    process.kill(status?.pid ?? 0, "SIGKILL");
    await vi.waitFor(async () => expect(await runtimeStatus()).toBeUndefined(), { timeout: 30_000, interval: 50 });
    // Whoever asks before the loss is noticed is told of it; then the next question starts another runtime.
    const ask = (): Promise<string> => first.ask("a", { ...short, adapter: dream });
    const answer = ask().catch((error: unknown) => {
      expect(error).toMatchObject({ code: "runtime-lost", message: /Ask again/ });
      return ask();
    });
    expect(await answer).toBe(said);
    expect((await first.adapters()).map((info) => info.name)).toEqual(["dream"]);
    await expect(adamW().step(dream, step.gradients)).rejects.toMatchObject({
      code: "runtime-lost",
      message: /Compute them again/,
    });
    expect((await runtimeStatus())?.pid).not.toBe(status?.pid);

    await first.dispose();
    await expect(first.ask("a")).rejects.toMatchObject({ code: "model-not-loaded", message: /disposed/ });
    expect(await second.ask("a", short)).toBe(base);
    await second.dispose();
    await vi.waitFor(async () => expect((await runtimeStatus())?.clients).toBe(0), { timeout: 30_000, interval: 50 });
    const again = await open("first.ipynb");
    expect(again.info.resident).toBe(true);
    expect((await again.adapters()).map((info) => info.name)).toEqual(["dream"]);
    await again.dispose();
  });
});

describe("a knowledge book", { timeout: LONG }, () => {
  const quick = { rehearse: false, lr: 1e-2, steps: 600, extraSteps: 0 } as const;
  const fact = (key: string, text: string) => ({ key, text, prompts: [`${key}?`], paraphrases: [] });

  it("that is shared is taught by one notebook at a time, and keeps what each of them taught", async () => {
    const [first, second] = await Promise.all([open("one.ipynb"), open("two.ipynb")]);
    const mine = await first.knowledge("shared", { share: true });
    const theirs = await second.knowledge("shared");
    expect((await mine.add(fact("a", "x y"), quick)).learned).toBe(true);
    let refusal: unknown;
    const onProgress = async ({ type }: KnowledgeProgress): Promise<void> => {
      if (type === "start") refusal = await theirs.add(fact("c", "w"), quick).catch((error: unknown) => error);
    };
    const long = { ...quick, extraSteps: 200, onProgress: (event: KnowledgeProgress) => void onProgress(event) };
    expect((await mine.add(fact("b", "z"), long)).learned).toBe(true);
    await vi.waitFor(() => expect(refusal).toMatchObject({ code: "adapter-invalid", message: /being trained/ }));
    expect((await theirs.add(fact("c", "w"), quick)).kept).toEqual({ recalled: 2, facts: 2, lost: [] });
    expect((await mine.check()).facts.map(({ key, learned }) => [key, learned])).toEqual([
      ["a", true],
      ["b", true],
      ["c", true],
    ]);
    await Promise.all([first.dispose(), second.dispose()]);
  });

  it("whose runtime is killed while it is taught knows nothing of the fact until it is asked, and goes on", async () => {
    const glm = await open("killed.ipynb");
    const book = await glm.knowledge("killed");
    await book.add(fact("a", "x y"), quick);
    const { pid = 0 } = (await runtimeStatus()) ?? {};
    const onProgress = ({ type }: KnowledgeProgress): void => {
      if (type === "step") process.kill(pid, "SIGKILL");
    };
    await expect(book.add(fact("b", "z"), { ...quick, onProgress })).rejects.toMatchObject({ code: "runtime-lost" });
    await vi.waitFor(async () => expect(await runtimeStatus()).toBeUndefined(), { timeout: 30_000, interval: 50 });
    const again = await open("killed.ipynb");
    const found = await again.knowledge("killed", { create: false });
    expect(found.list().map(({ key, learned }) => [key, learned])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    const report = await found.add(fact("b", "z"), quick);
    expect([report.learned, report.kept.recalled]).toEqual([true, 1]);
    await again.dispose();
  });

  it("that is interrupted while it reports knows what training found", async () => {
    const glm = await open("reported.ipynb");
    const book = await glm.knowledge("reported");
    const abort = new AbortController();
    const onProgress = (event: KnowledgeProgress): void => {
      if (event.type === "asking" && event.whom === "book") abort.abort(new Error("enough"));
    };
    const settings = { ...quick, signal: abort.signal, onProgress };
    await expect(book.add(fact("a", "x y"), settings)).rejects.toThrow("enough");
    expect(book.list()).toMatchObject([{ key: "a", learned: true }]);
    expect(await book.query("a?")).toBe("x y");
    await glm.dispose();
  });
});

describe("glmlab runtime", { timeout: LONG }, () => {
  const command = (...args: string[]): { status: number | null; stdout: string; stderr: string } => {
    const script = `import { runRuntimeCli } from ${JSON.stringify(join(packageFolder, "dist/src/runtime/cli.js"))};
      process.exit(await runRuntimeCli(process.argv.slice(1)));`;
    return spawnSync(process.execPath, ["--input-type=module", "-e", script, "--", ...args], { encoding: "utf8" });
  };

  it("says what runs, shows the log, stops it, and knows when nothing runs", async () => {
    const glm = await open("third.ipynb");
    const packed = await withAmbient({ notebook: "third.ipynb" }, () =>
      load(name, { quantize: "int4", precision: "fast" }),
    );
    const running = command("status");
    expect(running).toMatchObject({ status: 0, stderr: "" });
    expect(running.stdout).toContain(`glmlab ${version} runtime, process`);
    expect(running.stdout).toMatch(/1 client[\s\S]*model \(chatglm2-6b, cpu, exact\)/);
    expect(running.stdout).toMatch(/model \(chatglm2-6b, cpu, int4, fast\): .* of weights, 0 adapters, 0 requests/);
    const notebook = new Notebook();
    await withAmbient({ frontend: notebook }, () => showRuntime());
    expect(notebook.plain.at(-1)).toMatch(/cpu +exact [\s\S]*cpu +int4, fast /);
    expect(command("start").stdout).toMatch(/A runtime runs already/);
    await glm.dispose();
    await packed.dispose();
    expect(command("logs").stdout).toContain("client connected");
    expect(command("stop")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Stopped the runtime/) });
    expect(command("status")).toMatchObject({ status: 3, stdout: expect.stringContaining("No runtime runs") });
    expect(command("stop").stdout).toBe("No runtime runs.\n");
  });

  it("refuses what it does not know with the nearest it does", () => {
    expect(command("statsu")).toMatchObject({ status: 2, stderr: expect.stringContaining("Did you mean status?") });
    expect(command("status", "--all")).toMatchObject({ status: 2, stderr: expect.stringContaining("--all") });
    expect(command("--help").stdout).toContain("GLMLAB_RUNTIME_IDLE");
  });
});
