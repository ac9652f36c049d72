/** @file `npm test`: every test, with its own set-up, the time of each suite and one closing line. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { packageFolder } from "../src/version.ts";
import { ensureJupyter } from "./jupyter.ts";

/** Vitest's JSON report, as far as it matters here. Times are in milliseconds. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: "passed" | "failed";
    readonly assertionResults: readonly unknown[];
    readonly startTime: number;
    readonly endTime: number;
  }[];
}

await ensureJupyter();
const file = join(packageFolder, "out", "test-report.json");
mkdirSync(join(packageFolder, "out"), { recursive: true });
rmSync(file, { force: true });
const vitest = join(packageFolder, "node_modules", "vitest", "vitest.mjs");
const report = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
const { status } = spawnSync(process.execPath, [vitest, "run", ...report, ...process.argv.slice(2)], {
  cwd: packageFolder,
  stdio: "inherit",
});
if (!existsSync(file)) {
  console.error("vitest ended before it wrote its report; see above.");
  process.exit(status ?? 1);
}
const results = JSON.parse(readFileSync(file, "utf8")) as Report;

const slowestFirst = [...results.testResults].sort((a, b) => b.endTime - b.startTime - (a.endTime - a.startTime));
console.log("\nSeconds by suite:");
for (const { name, startTime, endTime } of slowestFirst) {
  console.log(`${((endTime - startTime) / 1000).toFixed(1).padStart(7)}  ${relative(packageFolder, name)}`);
}
const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : "";
// A suite that does not even load has no tests that could fail: it counts as one.
const broken = results.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
);
console.log(`\n${results.numPassedTests} passed, ${results.numFailedTests + broken.length} failed${skipped}`);
process.exitCode = status ?? 1;
