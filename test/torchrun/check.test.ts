/** @file Machines are looked at before anything is started: what each answers, and what is said of those that cannot run a job. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensurePython } from "../../scripts/python.ts";
import { type Checked, checkNodes } from "../../src/torchrun/check.ts";
import type { Hosts } from "../../src/torchrun/hosts.ts";
import { type Behaviour, standInPython, standInSrun, standInSsh, withPrograms } from "./stand-ins.ts";

let folder: string;
let made = 0;
let checked: { readonly job: string; readonly checkpoint: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-check-"));
  await mkdir(join(folder, "job"));
  await writeFile(join(folder, "job", "job.json"), "{}");
  await mkdir(join(folder, "model"));
  await writeFile(join(folder, "model", "config.json"), "{}");
  checked = { job: join(folder, "job"), checkpoint: join(folder, "model") };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const newPlace = (): string => join(folder, `programs-${made++}`);

const here = (processes?: number): Hosts => ({
  by: "ssh",
  hosts: [{ name: "localhost", ...(processes === undefined ? {} : { processes }) }],
});

async function asked(behaviour: Behaviour, hosts = here(), more: Partial<Checked> = {}) {
  const python = await standInPython(newPlace(), behaviour);
  return checkNodes(hosts, { ...checked, options: { python, zero: 0, launcher: "torchrun" }, ...more });
}

describe("a machine", () => {
  it("has a process for each GPU, else one, unless a number is named", async () => {
    expect(await asked({ gpus: 4 })).toMatchObject([{ name: "localhost", processes: 4, report: { port: 29511 } }]);
    expect(await asked({ gpus: 0 })).toMatchObject([{ processes: 1 }]);
    expect(await asked({ gpus: 0 }, here(3))).toMatchObject([{ processes: 3 }]);
  });

  it.each<[string, Behaviour, Hosts, Partial<Checked>, string]>([
    [
      "lacks packages",
      { versions: { torch: null, peft: null } },
      here(),
      {},
      "localhost: Python 3.12.0 (PYTHON) has no torch, peft. Install: pip install torch peft",
    ],
    [
      "has fewer GPUs than processes",
      { gpus: 2 },
      here(4),
      {},
      "localhost: expected a GPU for each of 4 processes, got 2 GPUs",
    ],
    [
      "has a torch that does not work",
      { gpus: "OSError: libcudart.so" },
      here(),
      {},
      "localhost: torch cannot be used: OSError: libcudart.so",
    ],
    [
      "does not see the folders",
      {},
      here(),
      { job: "/elsewhere/job", checkpoint: "/elsewhere/model" },
      "/elsewhere/job is not seen there. Name a folder on a shared disk with job (--job)",
    ],
  ])("that %s is told of", async (_, behaviour, hosts, more, message) => {
    const failing = asked(behaviour, hosts, more);
    await expect(failing).rejects.toMatchObject({ code: "unsupported" });
    await expect(failing.catch((error: Error) => error.message.replace(/\/\S*\/python/, "PYTHON"))).resolves.toContain(
      message,
    );
  });

  it("needs deepspeed for ZeRO and for its launcher only", async () => {
    const versions = { deepspeed: null };
    await expect(asked({ versions })).resolves.toHaveLength(1);
    const python = await standInPython(newPlace(), { versions });
    for (const more of [
      { zero: 2, launcher: "torchrun" },
      { zero: 0, launcher: "deepspeed" },
    ] as const)
      await expect(checkNodes(here(), { ...checked, options: { python, ...more } })).rejects.toThrow("no deepspeed");
  });

  it("with a real Python that has no torch says what to install", { timeout: 600_000 }, async () => {
    // The project's own, for Jupyter; test/peft has another one.
    const python = (await ensurePython()).program("python");
    await expect(
      checkNodes(here(), { ...checked, options: { python, zero: 0, launcher: "torchrun" } }),
    ).rejects.toThrow(
      /localhost: Python 3\.\d+\.\d+ \(.*\) has no torch, transformers, peft, safetensors\. Install: pip/,
    );
  });
});

describe("a machine that does not answer", () => {
  const far: Hosts = { by: "ssh", hosts: [{ name: "me@far" }, { name: "near" }] };

  it("has no such Python", async () => {
    const options = { python: "/no/such/python", zero: 0, launcher: "torchrun" } as const;
    const failing = checkNodes(here(), { ...checked, options });
    await expect(failing).rejects.toMatchObject({ code: "host-unreachable" });
    await expect(failing).rejects.toThrow(
      /got none from 1 machine:\s+- localhost: spawn \/no\/such\/python ENOENT\s+Try it by hand.*Nothing was started/s,
    );
  });

  it("is named with what ssh says; those that answer are not", async () => {
    const bin = newPlace();
    await standInSsh(
      bin,
      'if [ "$host" = me@far ]; then echo "me@far: Permission denied (publickey)." >&2; exit 255; fi',
    );
    const failing = withPrograms(bin, () => asked({}, far));
    await expect(failing).rejects.toThrow("- me@far: me@far: Permission denied (publickey).");
    await expect(failing).rejects.not.toThrow("- near");
  });

  it("is given up after a while, and at once when that is wished", async () => {
    const bin = newPlace();
    await standInSsh(bin, "exec sleep 60");
    await withPrograms(bin, async () => {
      await expect(asked({}, far, { patience: 300 })).rejects.toThrow("- near: no answer within 0.3 s");
      const abort = new AbortController();
      const python = await standInPython(newPlace());
      const asking = checkNodes(far, { ...checked, options: { python, zero: 0, launcher: "torchrun" } }, abort.signal);
      setTimeout(() => abort.abort(new Error("given up")), 100);
      await expect(asking).rejects.toThrow("given up");
    });
  });

  it("is asked without a password, for a program whose name a shell would take apart", async () => {
    const bin = join(newPlace(), "with 'quotes' and spaces");
    await standInSsh(bin);
    const python = await standInPython(bin);
    const nodes = await withPrograms(bin, () =>
      checkNodes(far, { ...checked, options: { python, zero: 0, launcher: "torchrun" } }),
    );
    expect(nodes.map(({ name }) => name)).toEqual(["me@far", "near"]);
    const log = (await readFile(join(bin, "log"), "utf8")).trim().split("\n").sort();
    expect(log.map((line) => line.split(" ")[0])).toEqual(["me@far", "near"]);
  });
});

describe("the nodes of a SLURM allocation", () => {
  const nodes: Hosts = { by: "slurm", hosts: [{ name: "n1" }, { name: "n2" }, { name: "n3" }] };

  it("are asked by one srun, and known by their names", async () => {
    const bin = newPlace();
    await standInSrun(bin, ["n3.cluster", "n1", "n2"]);
    const found = await withPrograms(bin, () => asked({ gpus: 2 }, nodes));
    expect(found.map(({ name, processes, report }) => [name, processes, report.host])).toEqual([
      ["n1", 2, "n1"],
      ["n2", 2, "n2"],
      ["n3", 2, "n3.cluster"],
    ]);
    const log = await readFile(join(bin, "log"), "utf8");
    expect(log.trim().split("\n")).toHaveLength(1);
    expect(log).toMatch(/^--nodes 3 --ntasks 3 --ntasks-per-node 1 --input all /);
  });

  it("of which one says nothing", async () => {
    const bin = newPlace();
    await standInSrun(bin, ["n1", "n3"]);
    await expect(withPrograms(bin, () => asked({}, nodes))).rejects.toThrow("- n2: no answer from this node");
  });
});

it("versions that differ are told", async () => {
  const [bin, older] = [newPlace(), newPlace()];
  const answersForB = `${await standInPython(older, { versions: { torch: "2.8.0" } })} - ${checked.job} ${checked.checkpoint}`;
  await standInSsh(bin, `[ "$host" = b ] && exec ${answersForB}`);
  const hosts: Hosts = { by: "ssh", hosts: [{ name: "a" }, { name: "b" }] };
  await expect(withPrograms(bin, () => asked({}, hosts))).rejects.toThrow(
    "torch: expected one version on all machines, got 2.9.0 on a, 2.8.0 on b",
  );
});
