/** @file Training whose runtime is killed or stopped, whose disk refuses, or which others interfere with: nothing is lost in silence. */
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AdapterHandle, adamW, type ChatGLM, load, lora, type Optimizer, withAmbient } from "../../src/index.ts";
import { stopRuntime } from "../../src/runtime/cli.ts";
import { runtimeStatus } from "../../src/runtime/connect.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const rows = [{ prompt: "a", response: "b" }];
const home = ownHome();
let name: string;

beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
}, LONG);
afterEach(async () => {
  await stopRuntime();
});

const open = (notebook: string): Promise<ChatGLM> => withAmbient({ notebook }, () => load(name));

async function steps(adapter: AdapterHandle, optimizer: Optimizer, count: number): Promise<number> {
  let last = 0;
  for (let i = 0; i < count; i += 1) {
    const { gradients } = await adapter.gradients(rows, { seed: i });
    last = (await optimizer.step(adapter, gradients)).step;
  }
  return last;
}

const values = async (adapter: AdapterHandle): Promise<number[][]> =>
  Object.values(await adapter.read()).map(({ data }) => Array.from(data));

async function killRuntime(): Promise<void> {
  process.kill((await runtimeStatus())?.pid ?? 0, "SIGKILL");
  await vi.waitFor(async () => expect(await runtimeStatus()).toBeUndefined(), { timeout: 30_000, interval: 50 });
  // The connection notices a little later than the lock.
  await sleep(300);
}

describe("a loop of one's own", { timeout: LONG }, () => {
  it("whose runtime is killed between two calls is told so once, and goes on from what is there", async () => {
    const glm = await open("killed.ipynb");
    const dream = await glm.createAdapter("dream", lora({ r: 2 }));
    const optimizer = adamW({ lr: 1e-2 });
    await steps(dream, optimizer, 1);
    // Written by now; what follows is not.
    await sleep(2500);
    const first = await values(dream);
    await steps(dream, optimizer, 20);
    await killRuntime();
    const lost = {
      code: "runtime-lost",
      message: /adapter dream is not as you saw it last.*20 changes are lost.*after step 1,/s,
    };
    // Whoever only looks around is not the one who has to be told.
    expect((await glm.adapters()).map((one) => one.name)).toEqual(["dream"]);
    await expect(glm.knowledge("dream", { create: false })).rejects.toMatchObject({ code: "adapter-invalid" });
    await expect(dream.gradients(rows)).rejects.toMatchObject(lost);
    expect(await values(dream)).toEqual(first);
    // Values, steps and moments are of one moment.
    expect(await steps(dream, optimizer, 3)).toBe(4);
    expect((await dream.info()).steps).toBe(4);
    await glm.dispose();
  });

  it("of any kind is told: values of its own, answers, files", async () => {
    const glm = await open("any.ipynb");
    const using: Record<string, (adapter: AdapterHandle) => Promise<unknown>> = {
      write: async (adapter) => adapter.write(await adapter.read()),
      ask: (adapter) => glm.ask("a", { adapter, maxNewTokens: 1 }),
      logits: (adapter) => glm.logits([5], { adapter }),
      save: (adapter) => adapter.save(join(home, "saved")),
      fit: async (adapter) => {
        for await (const _ of adapter.fit(rows, { epochs: 1 }));
      },
    };
    const adapters = new Map<string, AdapterHandle>();
    for (const kind of Object.keys(using)) {
      const adapter = await glm.createAdapter(kind, lora({ r: 2 }));
      const changed = Object.entries(await adapter.read()).map(([key, one]) => [
        key,
        { ...one, data: one.data.map(() => 1) },
      ]);
      await adapter.write(Object.fromEntries(changed));
      adapters.set(kind, adapter);
    }
    await killRuntime();
    for (const [kind, use] of Object.entries(using)) {
      const adapter = adapters.get(kind) as AdapterHandle;
      const told = await use(adapter).then(
        () => "silence",
        (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
      );
      expect(told, kind).toMatch(/^runtime-lost: .*1 change is lost/);
      await use(adapter);
    }
    await glm.dispose();
  });

  it("that goes on after a clean stop is the one that was never interrupted", async () => {
    const glm = await open("stopped.ipynb");
    const options = { r: 2 };
    const [whole, parted] = [
      await glm.createAdapter("whole", lora(options)),
      await glm.createAdapter("parted", lora(options)),
    ];
    const [one, other] = [adamW({ lr: 1e-2 }), adamW({ lr: 1e-2 })];
    await steps(whole, one, 20);
    await steps(parted, other, 20);
    await stopRuntime();
    expect(await steps(whole, one, 10)).toBe(30);
    await stopRuntime();
    expect(await steps(whole, one, 10)).toBe(40);
    expect(await steps(parted, other, 10)).toBe(30);
    expect(await steps(parted, other, 10)).toBe(40);
    expect(await values(whole)).toEqual(await values(parted));
    // A state that begins anew gives other values.
    await steps(whole, adamW({ lr: 1e-2 }), 1);
    await steps(parted, other, 1);
    expect(await values(whole)).not.toEqual(await values(parted));
    await glm.dispose();
  });

  it("whose optimiser's state is gone is told so before the step", async () => {
    const glm = await open("state.ipynb");
    const dream = await glm.createAdapter("dream", lora({ r: 2 }));
    const first = adamW();
    await steps(dream, first, 2);
    await steps(dream, adamW(), 1);
    await steps(dream, adamW(), 1);
    const before = await values(dream);
    const { gradients } = await dream.gradients(rows);
    await expect(first.step(dream, gradients)).rejects.toMatchObject({
      code: "runtime-lost",
      message: /has taken 2 steps, but what is kept of its state is that after 0/,
    });
    expect(await values(dream)).toEqual(before);
    expect((await first.step(dream, gradients)).step).toBe(1);
    await glm.dispose();
  });
});

describe("tidying up", { timeout: LONG }, () => {
  it("starts no runtime and loads no model", async () => {
    const glm = await open("tidy.ipynb");
    const dream = await glm.createAdapter("dream", lora({ r: 2 }));
    const { gradients } = await dream.gradients(rows);
    await stopRuntime();
    await gradients.release();
    await glm.unload();
    expect(await runtimeStatus()).toBeUndefined();
  });

  it("by one handle leaves the other one its model", async () => {
    const [one, other] = [await open("two.ipynb"), await open("two.ipynb")];
    const options = { greedy: true, maxNewTokens: 2 } as const;
    const before = await other.ask("a", options);
    await one.unload();
    expect((await runtimeStatus())?.models).toEqual([]);
    await expect(one.ask("a")).rejects.toMatchObject({ code: "model-not-loaded" });
    expect(await other.ask("a", options)).toBe(before);
    expect((await runtimeStatus())?.models).toHaveLength(1);
    await other.dispose();
  });
});

/** Nothing can be written where a file takes a folder's place; returns how to undo that. */
function breakDisk(): () => void {
  const folder = join(home, "data", "adapters");
  renameSync(folder, `${folder}-aside`);
  writeFileSync(folder, "");
  return () => {
    rmSync(folder);
    renameSync(`${folder}-aside`, folder);
  };
}

describe("a disk that takes nothing", { timeout: LONG }, () => {
  it("is told to whoever trains, at the next step, and seen in the adapter's state, until it takes what there is", async () => {
    const glm = await open("disk.ipynb");
    const dream = await glm.createAdapter("dream", lora({ r: 2 }));
    const optimizer = adamW();
    const repair = breakDisk();
    try {
      await steps(dream, optimizer, 5);
      await sleep(2500);
      expect(await dream.info()).toMatchObject({ steps: 5, unkept: { steps: 5, reason: /was not written/ } });
      expect(await glm.adapters()).toMatchObject([{ name: "dream", unkept: { steps: 5 } }]);
      const full = {
        code: "disk",
        message: /adapter dream has taken 5 steps, of which the disk has 0.*was not written/s,
      };
      const { gradients } = await dream.gradients(rows);
      await expect(optimizer.step(dream, gradients)).rejects.toMatchObject(full);
      await expect(dream.write(await dream.read())).rejects.toMatchObject(full);
      const fitting = async (): Promise<void> => {
        for await (const _ of dream.fit(rows, { epochs: 2 }));
      };
      await expect(fitting()).rejects.toMatchObject(full);
      await expect(glm.unload()).rejects.toMatchObject({ code: "disk" });
      expect((await dream.info()).steps).toBe(5);
      repair();
      expect((await optimizer.step(dream, gradients)).step).toBe(6);
      expect(await dream.info()).not.toHaveProperty("unkept");
    } finally {
      if (readdirSync(join(home, "data")).includes("adapters-aside")) repair();
    }
    await stopRuntime();
    expect(await dream.info()).toMatchObject({ steps: 6 });
    await glm.dispose();
  });
});

describe("an adapter that is being trained", { timeout: LONG }, () => {
  it("is safe from everybody else, also when it is shared, and all that was trained is there in the end", async () => {
    const [mine, theirs] = [await open("mine.ipynb"), await open("theirs.ipynb")];
    const shared = await mine.createAdapter("both", lora({ r: 2 }), { share: true });
    const same = await theirs.adapter("both");
    const before = await same.gradients(rows);
    const refused: string[] = [];
    const attempts: Record<string, () => Promise<unknown>> = {
      dispose: () => same.dispose(),
      replace: () => theirs.createAdapter("both", lora({ r: 2 }), { share: true, replace: true }),
      "set aside": () => theirs.createAdapter("both", lora({ r: 2 }), { share: true }),
      step: () => adamW().step(same, before.gradients),
      write: async () => same.write(await same.read()),
      merge: () => same.merge(),
      fit: () => same.fit(rows, { epochs: 1 }).next(),
      unload: () => theirs.unload(),
    };
    let taken = 0;
    for await (const event of shared.fit(rows, { epochs: 60 })) {
      if (event.type === "step") taken = event.step;
      const [kind, attempt] = Object.entries(attempts)[taken - 10] ?? [];
      if (event.type !== "step" || !kind || !attempt) continue;
      const told = await attempt().then(
        () => "silence",
        (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
      );
      expect(told, kind).toMatch(/^adapter-invalid: adapter both is being trained/);
      refused.push(kind);
    }
    expect(refused).toEqual(Object.keys(attempts));
    expect(taken).toBe(60);
    expect(await same.info()).toMatchObject({ steps: 60 });
    await stopRuntime();
    expect(await same.info()).toMatchObject({ steps: 60 });
    await Promise.all([mine.dispose(), theirs.dispose()]);
  });

  it("cannot be trained any more once it is deleted, however soon that is asked", async () => {
    const glm = await open("race.ipynb");
    for (let round = 0; round < 5; round += 1) {
      const dream = await glm.createAdapter("dream", lora({ r: 2 }));
      const training = (async () => {
        for await (const _ of dream.fit(rows, { epochs: 3 }));
      })();
      const [deleted, trained] = await Promise.allSettled([dream.dispose(), training]);
      // One of the two is refused: never are both done.
      expect([deleted.status, trained.status].sort()).toEqual(["fulfilled", "rejected"]);
      if (trained.status === "fulfilled") expect((await dream.info()).steps).toBe(3);
    }
    await glm.dispose();
  });
});
