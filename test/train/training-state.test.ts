import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { normals, randomStream } from "../../src/random.ts";
import { type FloatTensor, tensor } from "../../src/tensor.ts";
import { adamW, adamWConfig } from "../../src/train/optimizer.ts";
import { loadTrainingState, saveTrainingState } from "../../src/train/training-state.ts";
import { sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-training-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const random = (...place: (string | number)[]): Record<string, FloatTensor> => ({
  "layers.0/a": tensor("float32", [2, 3], normals(randomStream(1, "a", ...place), 6)),
  b: tensor("float32", [4], normals(randomStream(1, "b", ...place), 4)),
});

test("a run that is saved and loaded goes on exactly as one that was not", async () => {
  const path = join(folder, "new/state.safetensors");
  const train = async (interrupted: boolean): Promise<unknown> => {
    let parameters = random("start");
    let optimizer = adamW.init(parameters);
    for (let step = 0; step < 6; step++) {
      if (interrupted && step === 3) {
        await saveTrainingState(path, {
          parameters,
          optimizer,
          progress: { epoch: 2, losses: [1.5, null], name: "梦" },
        });
        const loaded = await loadTrainingState(path);
        expect(loaded.progress).toEqual({ epoch: 2, losses: [1.5, null], name: "梦" });
        parameters = { ...loaded.parameters };
        if (!loaded.optimizer) throw new Error("the optimizer was lost");
        optimizer = loaded.optimizer;
      }
      adamW.update(adamWConfig(), optimizer, parameters, random("gradient", step));
    }
    return { parameters, optimizer };
  };
  expect(await train(true)).toEqual(await train(false));
});

test("without an optimizer", async () => {
  const path = join(folder, "state.safetensors");
  const state = { parameters: random(), optimizer: null, progress: null };
  await saveTrainingState(path, state);
  expect(await loadTrainingState(path)).toEqual(state);
});

test("other and damaged files are refused", async () => {
  const path = join(folder, "state.safetensors");
  await expect(loadTrainingState(path)).rejects.toMatchObject({ code: "model-not-found" });
  await writeSafetensors(path, sourcesOf(random()));
  await expect(loadTrainingState(path)).rejects.toThrow(
    /state\.safetensors: expected a saved training state, got format null\. Delete/,
  );
  const parameters = random();
  await saveTrainingState(path, { parameters, optimizer: adamW.init({ b: parameters.b! }), progress: 1 });
  await expect(loadTrainingState(path)).rejects.toThrow("moments of layers.0/a that do not fit it");
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 1));
  await expect(loadTrainingState(path)).rejects.toMatchObject({
    code: "model-invalid",
    message: expect.stringMatching(/truncated/),
  });
});
