/** @file Files are looked at before they are opened: what is none is refused at once, and nothing is read without end. */
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFile, namesIn, openFile, readText, readWhole } from "../src/regular-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-regular-"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  await symlink(join(folder, "pipe"), join(folder, "link to a pipe"));
  await symlink("/dev/zero", join(folder, "endless"));
  await mkdir(join(folder, "folder"));
  await writeFile(join(folder, "large"), "");
  await truncate(join(folder, "large"), 1e12);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what is no file", () => {
  it.each([
    ["pipe", "EFTYPE", "it is a named pipe, expected a file"],
    ["link to a pipe", "EFTYPE", "it is a named pipe, expected a file"],
    ["endless", "EFTYPE", "it is a device, expected a file"],
    ["folder", "EISDIR", "it is a folder, expected a file"],
    ["missing", "ENOENT", "no such file"],
  ])("%s is refused at once, however often", async (name, code, why) => {
    const path = join(folder, name);
    const started = performance.now();
    for (let i = 0; i < 20; i += 1) {
      const refused = { code, message: expect.stringContaining(why) };
      await expect(readWhole(path)).rejects.toMatchObject(refused);
      await expect(openFile(path)).rejects.toMatchObject(refused);
    }
    expect(await isFile(path)).toBe(false);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it("a socket is refused, too", async () => {
    const path = join(folder, "socket");
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    await expect(readWhole(path)).rejects.toMatchObject({ code: "EFTYPE", message: /a socket/ });
    server.close();
  });
});

describe("a file", () => {
  it("is read whole: empty, small, of several pieces, and one of the system, which says no size", async () => {
    for (const bytes of [0, 1, 5, 2 ** 22, 2 ** 22 + 1, 10_000_019]) {
      const content = Buffer.alloc(bytes, "0123456789abc");
      await writeFile(join(folder, "file"), content);
      expect((await readWhole(join(folder, "file"))).equals(content), String(bytes)).toBe(true);
    }
    expect(await readText("/proc/self/status")).toMatch(/^Name:/);
    await writeFile(join(folder, "text"), "梦中情炉");
    expect(await readText(join(folder, "text"))).toBe("梦中情炉");
    expect(await isFile(join(folder, "text"))).toBe(true);
    expect(await namesIn(folder)).toContain("text");
  });

  it("that is larger than it may be is not read", async () => {
    await writeFile(join(folder, "file"), "12345");
    expect((await readWhole(join(folder, "file"), 5)).length).toBe(5);
    await expect(readWhole(join(folder, "file"), 4)).rejects.toMatchObject({
      code: "EFBIG",
      message: "it has 5 bytes, expected at most 4",
    });
    await expect(readWhole(join(folder, "large"))).rejects.toMatchObject({ code: "EFBIG" });
  });

  it("that grows while it is read is read as far as it may be", async () => {
    const path = join(folder, "growing");
    await writeFile(path, "");
    const writer = await open(path, "a");
    let grows = true;
    const growing = (async () => {
      while (grows) await appendFile(writer, Buffer.alloc(2 ** 20));
    })();
    const read = await readWhole(path, 2 ** 24).catch((error: unknown) => error);
    grows = false;
    await growing;
    await writer.close();
    if (Buffer.isBuffer(read)) expect(read.length).toBeLessThanOrEqual(2 ** 24);
    else expect(read).toMatchObject({ code: "EFBIG" });
  });

  it("is read by many at once", async () => {
    await writeFile(join(folder, "shared"), "shared");
    const all = await Promise.all(Array.from({ length: 500 }, () => readText(join(folder, "shared"))));
    expect(new Set(all)).toEqual(new Set(["shared"]));
    const handles = await Promise.all(Array.from({ length: 50 }, () => openFile(join(folder, "shared"))));
    await Promise.all(handles.map((handle) => handle.close()));
  });
});
