/** @file The process that a client starts when no runtime runs; connect.ts starts it. */
import { runRuntimeCli } from "./cli.ts";

process.exit(await runRuntimeCli(["start"]));
