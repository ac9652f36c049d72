import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { userDataFolder } from "../../kernel/kernelspec.ts";
import { notebookPath } from "../../kernel/notebook.ts";

const cli = fileURLToPath(new URL("../../dist/kernel/cli.js", import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "glmlab-spec-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function glmlab(
  args: string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [cli, ...args], { encoding: "utf8", env: { ...process.env, ...env } });
}

describe("install", () => {
  test("writes a kernelspec that starts this package's kernel", () => {
    expect(glmlab(["install", "--prefix", folder])).toMatchObject({ status: 0 });
    const spec = join(folder, "share", "jupyter", "kernels", "glmlab");
    const { argv, ...rest } = JSON.parse(readFileSync(join(spec, "kernel.json"), "utf8"));
    expect(rest).toMatchObject({
      display_name: "TypeScript (glmlab)",
      language: "typescript",
      interrupt_mode: "message",
    });
    expect(argv[0]).toBe(process.execPath);
    expect(existsSync(argv[1])).toBe(true);
    expect(argv[2]).toBe("{connection_file}");
    expect(readFileSync(join(spec, "logo-svg.svg"), "utf8")).toContain("<svg");
  });

  test("is repeatable, and uninstall undoes it", () => {
    const place = ["--prefix", folder, "--name", "Other"];
    expect(glmlab(["install", ...place]).status).toBe(0);
    expect(glmlab(["install", ...place, "--display-name", "Mine"]).status).toBe(0);
    const spec = join(folder, "share", "jupyter", "kernels", "other");
    expect(JSON.parse(readFileSync(join(spec, "kernel.json"), "utf8")).display_name).toBe("Mine");
    expect(glmlab(["uninstall", ...place]).status).toBe(0);
    expect(existsSync(spec)).toBe(false);
    expect(glmlab(["uninstall", ...place])).toMatchObject({ status: 1, stderr: expect.stringContaining(spec) });
  });

  test("--user is Jupyter's own folder", () => {
    expect(glmlab(["install", "--user"], { JUPYTER_DATA_DIR: folder }).status).toBe(0);
    expect(existsSync(join(folder, "kernels", "glmlab", "kernel.json"))).toBe(true);
  });

  test("--sys-prefix is the environment of the Python on the PATH", () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const python = join(bin, "python3");
    writeFileSync(python, `#!/bin/sh\necho ${folder}/env\n`, { mode: 0o755 });
    expect(glmlab(["install", "--sys-prefix"], { PATH: `${bin}:${process.env.PATH}` }).status).toBe(0);
    expect(existsSync(join(folder, "env", "share", "jupyter", "kernels", "glmlab", "kernel.json"))).toBe(true);
    expect(glmlab(["install", "--sys-prefix"], { PATH: folder })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("--prefix DIR"),
    });
  });

  test("another kernel of that name is left alone", () => {
    const other = join(folder, "share", "jupyter", "kernels", "glmlab");
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "kernel.json"), '{"argv":["x"]}');
    expect(glmlab(["install", "--prefix", folder])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("--name"),
    });
    expect(glmlab(["uninstall", "--prefix", folder])).toMatchObject({ status: 1 });
    expect(readFileSync(join(other, "kernel.json"), "utf8")).toBe('{"argv":["x"]}');
  });
});

describe("the command line", () => {
  test.each([
    [["instal"], /Did you mean install\?/],
    [["install", "--usr"], /Did you mean --user\?/],
    [["install", "--prefix"], /--prefix expects a value/],
    [["install", "--user=yes"], /--user takes no value/],
    [["install", "--user", "--sys-prefix"], /--user and --sys-prefix/],
    [["install", "here"], /here is one word too many/],
    [["install", "--name", "a b"], /"a b" cannot name a kernel/],
    [["kernel"], /CONNECTION_FILE/],
  ])("refuses %j", (args, message) => {
    const { status, stderr } = glmlab(args, { JUPYTER_DATA_DIR: folder });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(existsSync(join(folder, "kernels"))).toBe(false);
  });

  test("tells its version and its commands", () => {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(glmlab(["--version"]).stdout.trim()).toBe(manifest.version);
    for (const command of ["install", "uninstall", "kernel", "runtime"])
      expect(glmlab(["--help"]).stdout).toContain(`glmlab ${command}`);
    expect(glmlab(["install", "--help"]).stdout).toContain("--sys-prefix");
    expect(execFileSync(process.execPath, [cli, "runtime", "--help"], { encoding: "utf8" })).toContain("status");
  });

  test("a connection file that cannot be used is named with its fault", () => {
    const file = join(folder, "connection.json");
    writeFileSync(file, JSON.stringify({ shell_port: "many" }));
    const { status, stderr } = glmlab(["kernel", file]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/connection\.json: expected shell_port to be a positive integer, got "many"/);
  });
});

test("Jupyter's data folder by system", () => {
  expect(userDataFolder({ XDG_DATA_HOME: "/x" }, "linux")).toBe("/x/jupyter");
  expect(userDataFolder({ APPDATA: "/a" }, "win32")).toBe("/a/jupyter");
  expect(userDataFolder({}, "darwin")).toMatch(/Library\/Jupyter$/);
  expect(userDataFolder({}, "linux")).toMatch(/\.local\/share\/jupyter$/);
  expect(userDataFolder({ JUPYTER_DATA_DIR: "/j" }, "darwin")).toBe("/j");
});

test("a notebook is its file, or else its folder", () => {
  expect(notebookPath({ JPY_SESSION_NAME: "/home/a/b.ipynb" }, "/c")).toBe("/home/a/b.ipynb");
  expect(notebookPath({ JPY_SESSION_NAME: "b.ipynb" }, "/c")).toBe("/c/b.ipynb");
  expect(notebookPath({}, "/c")).toBe("/c");
});
