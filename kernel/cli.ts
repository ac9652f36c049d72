#!/usr/bin/env node
/** @file The program `glmlab`: installs the kernel, runs it, and manages the runtime. */
import { parseArgs } from "node:util";
import { suggestion } from "../src/suggestion.ts";
import { version } from "../src/version.ts";
import { DEFAULT_NAME, installKernelspec, removeKernelspec, type Where } from "./kernelspec.ts";

interface Option {
  readonly type: "string" | "boolean";
  readonly value?: string;
  readonly help: string;
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, Option>>;
  /** How many words it takes besides options. */
  readonly words: number;
  /** The exit code. */
  run(values: Values, words: readonly string[]): number | Promise<number>;
}

/** What the user typed cannot be run; the message says why, and what would. */
class UsageError extends Error {}

const place: Readonly<Record<string, Option>> = {
  user: { type: "boolean", help: "for this user (the default)" },
  "sys-prefix": { type: "boolean", help: "for the Python environment whose python3 is on the PATH" },
  prefix: { type: "string", value: "DIR", help: "for the Python environment in DIR" },
  name: { type: "string", value: "NAME", help: `the kernel's name for programs (default ${DEFAULT_NAME})` },
};

const commands: Readonly<Record<string, Command>> = {
  install: {
    usage: "install [--user | --sys-prefix | --prefix DIR] [--name NAME] [--display-name TEXT]",
    summary: "makes the kernel known to Jupyter",
    options: { ...place, "display-name": { type: "string", value: "TEXT", help: "the kernel's name for people" } },
    words: 0,
    run(values) {
      const displayName = text(values, "display-name");
      const folder = installKernelspec({
        where: where(values),
        ...named(values),
        ...(displayName !== undefined && { displayName }),
      });
      console.log(`Installed the kernel: ${folder}`);
      if (/[\\/]_npx[\\/]/.test(process.argv[1] ?? "")) {
        console.log(
          "It runs from npx's cache, which npm may empty: to keep it, `npm install --global glmlab && glmlab install`.",
        );
      }
      return 0;
    },
  },
  uninstall: {
    usage: "uninstall [--user | --sys-prefix | --prefix DIR] [--name NAME]",
    summary: "undoes `install` with the same options",
    options: place,
    words: 0,
    run(values) {
      console.log(`Removed ${removeKernelspec({ where: where(values), ...named(values) })}`);
      return 0;
    },
  },
  kernel: {
    usage: "kernel CONNECTION_FILE",
    summary: "runs a kernel, as Jupyter does",
    options: {},
    words: 1,
    async run(_values, [file]) {
      if (file === undefined)
        throw new UsageError("glmlab kernel: expected a CONNECTION_FILE, which Jupyter writes for each kernel.");
      await (await import("./process.ts")).runKernel(file);
      return 0; // once the kernel ends; it ends the process itself
    },
  },
};

const help = `glmlab ${version}: a TypeScript Jupyter kernel for chatting with and fine-tuning ChatGLM

${Object.values(commands)
  .map(({ usage, summary }) => `  glmlab ${usage}\n      ${summary}`)
  .join("\n")}
  glmlab runtime ...
      the process that holds models in memory for all kernels; \`glmlab runtime --help\` tells more
  glmlab COMMAND --help | --help | --version
`;

async function main([first, ...rest]: readonly string[]): Promise<number> {
  if (first === undefined || first === "--help" || first === "-h" || first === "help") return say(help);
  if (first === "--version" || first === "-v") return say(version);
  if (first === "runtime") return (await import("../src/runtime/cli.ts")).runRuntimeCli(rest);
  const command = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (!command) {
    const known = [...Object.keys(commands), "runtime"];
    throw new UsageError(
      `glmlab: there is no command ${first}.${suggestion(first, known)} \`glmlab --help\` lists all.`,
    );
  }
  return await runCommand(first, command, rest);
}

async function runCommand(name: string, command: Command, args: readonly string[]): Promise<number> {
  const options = Object.fromEntries(Object.entries(command.options).map(([option, { type }]) => [option, { type }]));
  const known = { ...options, help: { type: "boolean" as const, short: "h" } };
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: known,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (values.help === true) return say(commandHelp(command));
  for (const token of tokens) {
    if (token.kind === "option") checkOption(name, known, token);
  }
  if (positionals.length > command.words) {
    throw new UsageError(
      `glmlab ${name}: ${positionals[command.words]} is one word too many. Usage: glmlab ${command.usage}`,
    );
  }
  return await command.run(values as Values, positionals);
}

function checkOption(
  name: string,
  known: Readonly<Record<string, { readonly type: "string" | "boolean" }>>,
  { name: option, rawName, value }: { name: string; rawName: string; value: string | undefined },
): void {
  const { type } = (Object.hasOwn(known, option) && known[option]) || {};
  if (type === undefined) {
    throw new UsageError(
      `glmlab ${name}: there is no option ${rawName}.${suggestion(option, Object.keys(known), "--")}`,
    );
  }
  if (type === "string" && (value === undefined || value === ""))
    throw new UsageError(`glmlab ${name}: ${rawName} expects a value.`);
  if (type === "boolean" && value !== undefined)
    throw new UsageError(`glmlab ${name}: ${rawName} takes no value, got ${value}.`);
}

function commandHelp({ usage, summary, options }: Command): string {
  const lines = Object.entries(options).map(([name, { value, help: text }]) => {
    return `  ${`--${name}${value === undefined ? "" : ` ${value}`}`.padEnd(22)} ${text}`;
  });
  return [`Usage: glmlab ${usage}`, `It ${summary}.`, ...lines].join("\n");
}

function where(values: Values): Where {
  const prefix = text(values, "prefix");
  const given = ["user", "sys-prefix", "prefix"].filter((name) => values[name] !== undefined);
  if (given.length > 1) {
    throw new UsageError(
      `glmlab: expected one place, got ${given.map((name) => `--${name}`).join(" and ")}. Give one of them.`,
    );
  }
  if (prefix !== undefined) return { prefix };
  return values["sys-prefix"] === true ? "sys-prefix" : "user";
}

function named(values: Values): { name?: string } {
  const name = text(values, "name");
  return name === undefined ? {} : { name };
}

function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

function say(text: string): number {
  console.log(text.trimEnd());
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
