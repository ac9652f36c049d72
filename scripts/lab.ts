/** @file `npm run lab`: opens JupyterLab with this kernel in it, on the tutorial notebooks. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { packageFolder } from "../src/version.ts";
import { ensureJupyter } from "./jupyter.ts";

const python = await ensureJupyter();
const rights = process.getuid?.() === 0 ? ["--allow-root"] : [];
const args = ["lab", `--notebook-dir=${join(packageFolder, "notebooks")}`, ...rights, ...process.argv.slice(2)];
const lab = spawn(python.program("jupyter"), args, { stdio: "inherit" });
// JupyterLab asks before it ends; both get the keyboard's interrupt, and only it decides.
process.on("SIGINT", () => undefined);
lab.on("exit", (code) => process.exit(code ?? 0));
