/** @file Quantised models against the published code's numbers: answers, and adapters' gradients through packed weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readAdapter } from "../../src/adapters/files.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import type { ChatGLMConfig } from "../../src/models/config.ts";
import type { Wanted } from "../../src/quantization/plan.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { deviation, floats, oracleConfig, oracleFolder, oracleJson, oracleTensors, rowsOf } from "../oracle.ts";
import { type HeldModel, heldModel } from "../quantized-model.ts";

const cache = mkdtempSync(join(tmpdir(), "glmlab-held-"));
afterAll(() => rmSync(cache, { recursive: true }));

/** How far "fast" may be off here, relative to the largest logit. What is more would be news for the documentation. */
const FAST = { 8: 2e-3, 4: 0.12 } as const;

/** float32 [rows · longest, vocabulary]. */
async function logitsOf(model: HeldModel, config: ChatGLMConfig, inputIds: readonly (readonly number[])[]) {
  const forward = new ForwardModel(config, model.weights, cpu);
  const seq = Math.max(...inputIds.map(({ length }) => length));
  const found = await forward.run({
    rows: inputIds.map((ids) => ({ ids, from: 0 })),
    positions: [...Array(seq).keys()],
    adapters: await forward.lease([undefined]),
    cache: forward.newCache(inputIds.length, seq),
  });
  await forward.dispose();
  return floats(found);
}

it("quantises either layout of GLM-4 to the same model, though one keeps queries, keys and values apart", async () => {
  const inputIds = rowsOf((await oracleTensors("glm-4-9b", "forward")).input_ids!);
  for (const quantize of ["int8", "int4"] as const) {
    const [published, transformers] = await Promise.all(
      ["glm-4-9b", "glm-4-9b-hf"].map(async (folder) => {
        const wanted = { quantize, precision: "exact" } as const;
        const config = oracleConfig(folder);
        return logitsOf(await heldModel(oracleFolder(folder), config, wanted, join(cache, folder)), config, inputIds);
      }),
    );
    expect(deviation(transformers!, published!)).toBeLessThan(1e-5);
  }
});

describe.each(["chatglm-6b", "chatglm2-6b"])("%s", (family) => {
  describe.each([8, 4] as const)("published in int%i", (bits) => {
    const folder = `${family}-int${bits}`;
    const config = oracleConfig(folder);
    const batch = async () => {
      const forward = await oracleTensors(family, "forward");
      return { inputIds: rowsOf(forward.input_ids!), labels: rowsOf(forward.labels!) };
    };
    const held = (precision: Wanted["precision"]) =>
      heldModel(oracleFolder(folder), config, { quantize: "none", precision }, join(cache, folder));
    const logits = async (precision: Wanted["precision"]) =>
      logitsOf(await held(precision), config, (await batch()).inputIds);

    it("answers exactly as the published code with dequantised weights", async () => {
      const expected = await oracleTensors(folder, "expected");
      expect(deviation(await logits("exact"), floats(expected.logits))).toBeLessThan(1e-4);
    });

    const quantisedHere = async () => {
      const floatFolder = `${family}-fp16-bin`;
      const wanted = { quantize: `int${bits}`, precision: "exact" } as const;
      const floatConfig = oracleConfig(floatFolder);
      const model = await heldModel(oracleFolder(floatFolder), floatConfig, wanted, join(cache, floatFolder));
      return logitsOf(model, config, (await batch()).inputIds);
    };

    it.runIf(bits === 8)("is what float16 weights are quantised to here", async () => {
      expect(await quantisedHere()).toEqual(await logits("exact"));
    });

    it.runIf(bits === 4)(
      "is farther from the floats than what they are quantised to here, block by block",
      async () => {
        const reference = floats((await oracleTensors(family, "forward")).logits);
        const off = (values: ArrayLike<number>): number =>
          Math.sqrt(reference.reduce((sum, value, i) => sum + (value - (values[i] as number)) ** 2, 0));
        expect(off(await quantisedHere())).toBeLessThan(off(await logits("exact")));
      },
    );

    it("states how far off the fast kernels are", async () => {
      const expected = await oracleTensors(folder, "expected");
      const off = deviation(await logits("fast"), floats(expected.logits));
      expect(off).toBeLessThan(FAST[bits]);
      // They do round: the numbers of the exact ones would mean that they do not run.
      expect(off).toBeGreaterThan(1e-4);
    });

    it.each(["exact", "fast"] as const)(
      "passes an adapter's gradients as the published code does (%s)",
      async (precision) => {
        const { weights, base } = await held(precision);
        const stored = await readAdapter(oracleFolder(family, "lora-all"), base);
        const adapter = createAdapter(stored.config, base);
        const program = await trainingProgram(config, adapter, weights, cpu);
        const { loss, gradients } = await program.gradients(await batch(), stored.tensors, 0);
        await program.dispose();
        const expected = await oracleTensors(folder, "expected");
        const { lora_all_loss } = oracleJson(folder, "expected.json") as { lora_all_loss: number };
        // Training goes through float32 either way; but for a head in 8 bits the numbers are the same.
        const tolerance = precision === "fast" && bits === 4 ? 2e-2 : 1e-4;
        expect(Math.abs(loss - lora_all_loss) / lora_all_loss).toBeLessThan(tolerance);
        expect(Object.keys(gradients)).toHaveLength(Object.keys(expected).length - 2);
        for (const [name, gradient] of Object.entries(gradients)) {
          expect(deviation(gradient.data, floats(expected[`grad.${name}`])), name).toBeLessThan(tolerance);
        }
      },
    );
  });
});
