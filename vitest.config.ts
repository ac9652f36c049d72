/** @file How tests run: in processes of their own, against a fresh build of the package. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Takes as long as all others together: begun last, it would have a processor for itself in the end. */
const LONGEST = "notebooks.test.ts";

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLongest = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith(LONGEST);
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))];
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // What needs PyTorch and PEFT (torchrun as well), or Python's libraries of scores, has a command and a configuration of its own.
    exclude: [...configDefaults.exclude, "test/peft/**", "test/torchrun-python/**", "test/scores-python/**"],
    globalSetup: "test/setup.ts",
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // No test asks the internet, or finds what this machine's user has downloaded; those of downloads bring a hub of their own.
    env: { HF_HUB_OFFLINE: "1", HF_HUB_CACHE: join(tmpdir(), "glmlab-tests-have-no-hub-cache") },
  },
});
