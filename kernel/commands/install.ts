/** @file `glmlab install` and `uninstall`: makes the kernel known to Jupyter, or forgotten. */
import type { OptionTable } from "../../magics/option.ts";
import { DEFAULT_NAME, installKernelspec, removeKernelspec, type Where } from "../kernelspec.ts";
import { type Command, UsageError, type Values } from "./command.ts";

const PLACE: OptionTable = {
  user: { kind: "flag", help: "for this user (the default)" },
  "sys-prefix": { kind: "flag", help: "for the Python environment whose python3 is on the PATH" },
  prefix: { kind: "text", value: "DIR", help: "for the Python environment in DIR" },
  name: { kind: "text", value: "NAME", help: `the kernel's name for programs (default ${DEFAULT_NAME})` },
};

export const install: Command = {
  options: { ...PLACE, "display-name": { kind: "text", value: "TEXT", help: "the kernel's name for people" } },
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
};

export const uninstall: Command = {
  options: PLACE,
  words: 0,
  run(values) {
    console.log(`Removed ${removeKernelspec({ where: where(values), ...named(values) })}`);
    return 0;
  },
};

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
