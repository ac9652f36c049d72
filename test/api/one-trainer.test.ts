/** @file One adapter, two processes: only one of them trains it, and the other one says which does. */
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { load, lora } from "../../src/index.ts";
import { killAll, run } from "../engine/process.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 60_000;
const home = ownHome();
afterEach(killAll);

it("is refused while another process trains it, and goes on when that is gone", { timeout: LONG }, async () => {
  const name = await writeSmallModel(join(home, "model"));
  const glm = await load(name, { runtime: "none" });
  const adapter = await glm.createAdapter("twice", lora({ r: 2 }), { share: true });
  await vi.waitFor(async () => expect((await adapter.info()).steps).toBe(0));
  await glm.dispose();

  const other = run("trains", [name, "twice"]);
  for (let step = 0; step < 3; step += 1) await other.next();
  const again = await load(name, { runtime: "none" });
  const found = await again.adapter("twice");
  const rows = [{ prompt: "ab", response: "a" }];
  const settings = { epochs: 3 };
  const refused = async (): Promise<void> => {
    for await (const _ of found.fit(rows, settings));
  };
  await expect(refused()).rejects.toMatchObject({
    code: "adapter-invalid",
    message: expect.stringContaining(`twice is being trained by process ${other.child.pid}`),
  });
  expect(await found.run()).toMatchObject({ state: "running" });
  await expect(found.stopFit()).rejects.toThrow(`not in process ${other.child.pid}`);
  for (const gone of [found.dispose(), again.createAdapter("twice", lora({ r: 2 }), { share: true, replace: true })]) {
    await expect(gone).rejects.toMatchObject({ code: "adapter-invalid" });
  }
  // It was not disturbed.
  expect(Number((await other.next()).step)).toBeGreaterThan(3);
  other.child.kill("SIGKILL");
  await other.ended;
  expect(await found.run()).toMatchObject({ state: "interrupted" });
  await refused();
  expect(await found.run()).toMatchObject({ state: "done" });
  await again.dispose();
});
