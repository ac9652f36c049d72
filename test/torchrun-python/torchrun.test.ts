/** @file The same training here and by PEFT under the real torchrun: in two processes on the processor, which share each batch. */
import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterHandle, ChatGLM, FitEvent, FitSettings } from "../../src/index.ts";
import { freeze, load, lora } from "../../src/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../torchrun/small-model.ts";
import { standInSsh, withPrograms } from "../torchrun/stand-ins.ts";

const PYTHON = process.env.GLMLAB_TORCH_PYTHON;
const TOLERANCE = 1e-3;
const STEPS = 8;

const ROWS = Array.from({ length: 11 }, (_, i) => ({
  prompt: `what is ${"a long ".repeat(i % 4)}number ${i}?`,
  response: `it is ${i * i} ${"indeed ".repeat(i % 3)}.`,
}));
const VALIDATION = ROWS.slice(0, 3).map(({ prompt, response }) => ({ prompt: `${prompt}!`, response }));
const IDS = [[5, 17, 99, 42, 7, 150, 3, 88, 23]];

const folder = ownHome();
let glm: ChatGLM;
let jobs = 0;

beforeAll(async () => {
  if (!PYTHON) throw new Error("expected GLMLAB_TORCH_PYTHON: run these by npm run test:torchrun");
  await writeSmallModel(join(folder, "model"));
  glm = await load(join(folder, "model"), { runtime: "none" });
});
afterAll(() => glm?.dispose());

const newJob = (): string => join(folder, `job-${jobs++}`);

const elsewhere = (more: FitSettings = {}): FitSettings => ({
  ...{ engine: "torchrun", hosts: "localhost:2", python: PYTHON, job: newJob() },
  ...more,
});

async function eventsOf(stream: AsyncIterable<FitEvent>): Promise<readonly FitEvent[]> {
  const events: FitEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

const stepsIn = (events: readonly FitEvent[]) => events.flatMap((event) => (event.type === "step" ? [event] : []));

function difference({ data: a }: Tensor, { data: b }: Tensor): number {
  let most = 0;
  for (let i = 0; i < b.length; i += 1) most = Math.max(most, Math.abs(Number(a[i]) - Number(b[i])));
  return most;
}

/** Whether two runs told the same, but for how long it took. */
function mustAgree(here: readonly FitEvent[], there: readonly FitEvent[]): void {
  expect(there.map(({ type }) => type)).toEqual(here.map(({ type }) => type));
  here.forEach((event, i) => {
    const other = there[i] as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(event)) {
      if (name === "seconds") continue;
      if (typeof value === "number") {
        const tolerance = TOLERANCE * Math.max(1, Math.abs(value));
        expect(Math.abs((other[name] as number) - value), `${event.type} ${i}: ${name}`).toBeLessThan(tolerance);
      } else expect(other[name], `${event.type} ${i}: ${name}`).toEqual(value);
    }
  });
}

const targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"];
const RATES: FitSettings = { lr: 5e-3, batchSize: 3, seed: 5, weightDecay: 0.1 };

const CASES: readonly (readonly [string, () => Parameters<ChatGLM["createAdapter"]>[1], FitSettings])[] = [
  ["LoRA, 8 steps", () => lora({ r: 4, alpha: 16, targets }), { ...RATES, maxSteps: STEPS }],
  [
    "LoRA with a schedule, accumulation and validation",
    () => lora({ r: 4, targets, rankStabilized: true }),
    { ...RATES, batchSize: 2, accumulate: 2, epochs: 3, scheduler: "cosine", warmup: 0.3, validation: VALIDATION },
  ],
  [
    "DoRA with biases, stopping early",
    () => lora({ r: 2, targets: ["q_proj", "v_proj"], dora: true, bias: "lora_only" }),
    { ...RATES, lr: 0.02, epochs: 8, validation: VALIDATION, validateEvery: 3, patience: 1, monitor: "perplexity" },
  ],
  ["freeze: the last layer alone", () => freeze({ layers: 1 }), { ...RATES, lr: 1e-3, maxSteps: STEPS }],
];

describe.each(CASES)("%s", (name, config, settings) => {
  it("has the same losses, and comes back", { timeout: 300_000 }, async () => {
    const key = `a${CASES.findIndex(([one]) => one === name)}`;
    const here = await glm.createAdapter(`${key}-here`, config());
    const there = await glm.createAdapter(`${key}-there`, config());
    // Not as it is made, where LoRA does nothing: the beginning must go there, too.
    for await (const _ of here.fit(ROWS, { ...RATES, maxSteps: 2 }));
    await there.write(await here.read());
    const before = await glm.logits(IDS, { adapter: here });
    const [own, other] = [
      await eventsOf(here.fit(ROWS, settings)),
      await eventsOf(there.fit(ROWS, elsewhere(settings))),
    ];
    mustAgree(own, other);
    expect(stepsIn(other).length).toBeGreaterThan(settings.patience ? 2 : STEPS - 1);
    const trained = await glm.logits(IDS, { adapter: here });
    expect(difference(trained, before)).toBeGreaterThan(0.05);
    expect(difference(await glm.logits(IDS, { adapter: there }), trained)).toBeLessThan(TOLERANCE);
    expect((await there.info()).steps).toBe(stepsIn(other).length);
  });
});

const LONG: FitSettings = { ...RATES, maxSteps: 5000 };
const small = () => lora({ r: 2, targets: ["q_proj"] });

async function untilStep(stream: AsyncIterable<FitEvent>, count: number): Promise<FitEvent | undefined> {
  for await (const event of stream) if (event.type === "step" && event.step >= count) return event;
  return undefined;
}

const revision = async (adapter: AdapterHandle): Promise<number> => (await adapter.info()).steps;

it("leaving the loop ends the job after its step, which is kept", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("left", small());
  const settings = elsewhere(LONG);
  await untilStep(adapter.fit(ROWS, settings), 2);
  const steps = await revision(adapter);
  expect(steps).toBeGreaterThanOrEqual(2);
  expect(steps).toBeLessThan(5000);
  const { step } = JSON.parse(await readFile(join(settings.job as string, "result", "state.json"), "utf8"));
  expect(step).toBe(steps);
});

it("goes on detached, is attached to from the start, and comes back once", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("attached", small());
  const settings = elsewhere({ ...RATES, maxSteps: 40, detach: true });
  await untilStep(adapter.fit(ROWS, settings), 1);
  expect(await revision(adapter)).toBe(0);
  const again = await eventsOf(adapter.attachJob(settings.job as string));
  expect(stepsIn(again).map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(again.at(-1)).toMatchObject({ type: "done", steps: 40 });
  expect(await revision(adapter)).toBe(40);
  expect(await eventsOf(adapter.attachJob(settings.job as string))).toEqual(again);
  expect(await revision(adapter)).toBe(40);
});

it("goes on by itself, is watched by its adapter's name, and stopped by it", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("named", small());
  const { folder: job, state } = await adapter.startFit(ROWS, elsewhere(LONG));
  expect(state).toBe("running");
  await untilStep(adapter.attach(), 2);
  await expect(eventsOf(adapter.fit(ROWS, RATES))).rejects.toThrow(`is being trained by a job, in ${job}`);
  const stopped = await adapter.stopFit();
  expect(stopped).toMatchObject({ engine: "torchrun", state: "stopped", taken: true });
  expect(stopped.step).toBeGreaterThanOrEqual(2);
  expect(await revision(adapter)).toBe(stopped.step);
  expect(stepsIn(await eventsOf(adapter.attach()))).toHaveLength(stopped.step);
});

it("one that is stopped while the model loads ends at once", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("early", small());
  const { folder: job } = await adapter.startFit(ROWS, elsewhere(LONG));
  const run = await adapter.stopFit();
  expect([run.state, run.step, await revision(adapter)]).toEqual(["stopped", 0, 0]);
  await expect(readFile(join(job, "metrics.jsonl"), "utf8")).rejects.toThrow("ENOENT");
});

it("does not replace what was trained here meanwhile", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("changed", small());
  const settings = elsewhere({ ...RATES, maxSteps: 3, detach: true });
  await untilStep(adapter.fit(ROWS, settings), 1);
  await adapter.write(await adapter.read());
  await expect(eventsOf(adapter.attachJob(settings.job as string))).rejects.toMatchObject({ code: "adapter-changed" });
});

it("runs on two machines that are reached by ssh", { timeout: 120_000 }, async () => {
  // Two addresses of this machine, and an ssh that notes where it goes.
  const bin = await mkdtemp(join(folder, "bin-"));
  await standInSsh(bin);
  await withPrograms(bin, async () => {
    const adapter = await glm.createAdapter("two", small());
    const here = await glm.createAdapter("one", small());
    const settings = { ...RATES, maxSteps: 3 };
    mustAgree(
      await eventsOf(here.fit(ROWS, settings)),
      await eventsOf(adapter.fit(ROWS, elsewhere({ ...settings, hosts: "127.0.0.2:1,127.0.0.3:1" }))),
    );
  });
  const log = (await readFile(join(bin, "log"), "utf8")).trim().split("\n");
  const hosts = log.flatMap((line) => /^127\.\d\.\d\.\d/.exec(line) ?? []);
  expect(hosts.sort()).toEqual(["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]);
});

it("tells that training broke down, and where the logs are", { timeout: 120_000 }, async () => {
  const adapter = await glm.createAdapter("broken", small());
  const stream = adapter.fit(ROWS, elsewhere({ ...RATES, lr: 1e30, clip: 0, maxSteps: 6 }));
  await expect(eventsOf(stream)).rejects.toMatchObject({ code: "loss-not-finite" });
});
