#!/usr/bin/env node
/** @file The program `glmlab`: finds the command that is asked for, and says what went wrong. */
import { GlmError } from "../src/errors.ts";
import { suggestion } from "../src/suggestion.ts";
import { version } from "../src/version.ts";
import { runCommand, UsageError } from "./commands/command.ts";
import { InterruptedError } from "./commands/interrupts.ts";
import { COMMANDS } from "./commands/table.ts";

const help = `glmlab ${version}: a TypeScript Jupyter kernel for chatting with and fine-tuning ChatGLM

${Object.values(COMMANDS)
  .map(({ usage, summary }) => `  glmlab ${usage}\n      ${summary}`)
  .join("\n")}
  glmlab COMMAND --help | --help | --version`;

async function main([first, ...rest]: readonly string[]): Promise<number> {
  if (first === undefined || first === "--help" || first === "-h" || first === "help") return say(help);
  if (first === "--version" || first === "-v") return say(version);
  for (const words of [2, 1]) {
    const name = [first, ...rest].slice(0, words).join(" ");
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command) return await runCommand(name, command, rest.slice(words - 1));
  }
  const hint = suggestion(first, Object.keys(COMMANDS));
  throw new UsageError(`glmlab: there is no command ${first}.${hint} \`glmlab --help\` lists all.`);
}

function say(text: string): number {
  console.log(text);
  return 0;
}

/** Of what the user typed: the library judges some of it. */
const isUsage = (error: unknown): boolean =>
  error instanceof UsageError || (error instanceof GlmError && error.code === "option-invalid");

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InterruptedError)) console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof InterruptedError ? error.status : isUsage(error) ? 2 : 1;
}
