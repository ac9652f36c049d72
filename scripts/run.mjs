/**
 * @file Runs `npm run demo`, `npm test` and their like from a fresh clone: installs packages and compiles when that has
 * not been done, then hands over. Plain JavaScript, since it runs before anything is compiled.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const commands = {
  demo: "scripts/demo.js",
  test: "scripts/test.js",
  "test:peft": "scripts/test-peft.js",
  "test:torchrun": "scripts/test-torchrun.js",
  "test:scores": "scripts/test-scores.js",
  lab: "scripts/lab.js",
  bench: "bench/main.js",
  fuzz: "scripts/fuzz.js",
  support: "scripts/support.js",
};

const [command, ...args] = process.argv.slice(2);
const entry = commands[command];
if (!entry) fail(`expected one of ${Object.keys(commands).join(", ")}, got ${command}`);
checkNode();
installPackages();
await build();
process.argv = [process.execPath, join(root, "dist", entry), ...args];
await import(pathToFileURL(process.argv[1]).href);

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node 20.19 or newer is needed, this is ${process.versions.node}. Get one from https://nodejs.org/`);
}

/** Installs what the lockfile pins, unless that has been done. */
function installPackages() {
  const lockfile = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules", ".glmlab-lockfile");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lockfile) return;
  console.log("Installing npm packages (once) ...");
  // onnxruntime-node's install script would download CUDA libraries that nothing here needs.
  const env = { ...process.env, npm_config_ignore_scripts: "true", ONNXRUNTIME_NODE_INSTALL: "skip" };
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], env);
  writeFileSync(stamp, lockfile);
}

async function build() {
  const built = join(root, "dist", "scripts", "build.js");
  if (!existsSync(built)) {
    console.log("Compiling ...");
    run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json")]);
  }
  const { ensureBuilt } = await import(pathToFileURL(built).href);
  await ensureBuilt();
}

function run(program, args, env = process.env) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    env,
    stdio: "inherit",
    shell: process.platform === "win32" && program === "npm",
  });
  if (error) fail(`${program} did not start: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
