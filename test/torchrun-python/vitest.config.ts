/** @file How `npm run test:torchrun` runs these tests, which `npm test` leaves out: they need PyTorch and PEFT. */
import { configDefaults, defineConfig } from "vitest/config";
import base from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...base.test,
    include: ["test/torchrun-python/**/*.test.ts"],
    exclude: configDefaults.exclude,
    hookTimeout: 600_000,
  },
});
