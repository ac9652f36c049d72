/** @file What a run is said to take before it begins: of its rows, its method and its settings. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainingPlan } from "../../src/api/training-plan.ts";
import { type ChatGLM, load, lora } from "../../src/index.ts";
import { ownHome } from "../home.ts";

ownHome();
const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `${"天".repeat(60 + i)}？`, response: "地".repeat(20) }));

describe("the memory of a step", () => {
  let glm: ChatGLM;
  beforeAll(async () => {
    glm = await load("tiny");
  });
  afterAll(() => glm.dispose());

  it("is less with gradient checkpointing, and nothing else is", async () => {
    const adapter = await glm.createAdapter("kept", lora({ targets: "all-linear" }));
    const [kept, again] = await Promise.all(
      [false, true].map((gradientCheckpointing) =>
        trainingPlan(glm, adapter, rows, { batchSize: 32, gradientCheckpointing }),
      ),
    );
    expect(again?.memory.activations).toBeLessThan(0.5 * (kept?.memory.activations ?? 0));
    expect({ ...again, memory: { ...again?.memory, activations: kept?.memory.activations } }).toEqual(kept);
    expect(await trainingPlan(glm, adapter, rows, { batchSize: 32 })).toEqual(kept);
  });

  it("has dropout's masks, which are as large as what the modules read", async () => {
    const targets = ["query_key_value"];
    const [whole, dropped] = await Promise.all([
      glm.createAdapter("whole", lora({ targets })),
      glm.createAdapter("dropped", lora({ targets, dropout: 0.1 })),
    ]);
    const plans = [whole, dropped].map((one) => trainingPlan(glm, one, rows, { batchSize: 4 }));
    const [without, masked] = await Promise.all(plans);
    const { layers, hidden } = glm.config;
    const tokens = 4 * (without?.longest ?? 0);
    expect((masked?.memory.activations ?? 0) - (without?.memory.activations ?? 0)).toBe(4 * tokens * layers * hidden);
  });
});
