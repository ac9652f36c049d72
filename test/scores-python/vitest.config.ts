/** @file How `npm run test:scores` runs these tests, which `npm test` leaves out: they need Python's libraries. */
import { configDefaults, defineConfig } from "vitest/config";
import base from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...base.test,
    include: ["test/scores-python/**/*.test.ts"],
    exclude: configDefaults.exclude,
    hookTimeout: 120_000,
  },
});
