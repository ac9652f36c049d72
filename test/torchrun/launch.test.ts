/** @file The scripts that start a job, run: on this machine, by ssh, by srun, under either launcher; and how they end. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Node } from "../../src/torchrun/check.ts";
import { untilEnded } from "../../src/torchrun/follow.ts";
import { type Hosts, readHosts } from "../../src/torchrun/hosts.ts";
import { launch, writeLaunch } from "../../src/torchrun/launch.ts";
import { type Behaviour, standInPython, standInSrun, standInSsh, withPrograms } from "./stand-ins.ts";

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-launch-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A job without rows: its processes only tell how they were started. A path that a shell would take apart. */
async function newJob(): Promise<string> {
  const job = join(folder, `it's job ${made++}`);
  await mkdir(join(job, "adapter"), { recursive: true });
  await writeFile(join(job, "train.py"), "");
  return job;
}

/** They all end at once: nothing is trained here. */
const IDLE: Behaviour = { ends: { 0: 0, 1: 0, 2: 0 } };

const nodesOf = ({ hosts }: Hosts): readonly Node[] =>
  hosts.map(({ name, processes = 1 }) => {
    const found = { host: name, python: "3.12.0", versions: {}, gpus: 0, job: true, checkpoint: true, port: 29511 };
    return { name, processes, report: found };
  });

interface Launched {
  readonly rank: number;
  readonly words: readonly string[];
}

/** Starts a job's processes, waits for their end, and says how they were started, by rank, and with which status they ended. */
async function launched(
  job: string,
  hosts: string,
  how: {
    readonly launcher?: "torchrun" | "deepspeed";
    readonly behaviour?: Behaviour;
    readonly programs?: string;
  } = {},
) {
  const { launcher = "torchrun", behaviour = IDLE, programs = join(folder, `programs ${made++}`) } = how;
  const python = await standInPython(programs, behaviour);
  const read = await readHosts(hosts, { SLURM_JOB_NODELIST: "n[1-2]" });
  await writeLaunch(job, read.by, nodesOf(read), { launcher, python });
  await withPrograms(programs, () => launch(job));
  await untilEnded(job);
  const lines = existsSync(join(job, "launched.jsonl")) ? await readFile(join(job, "launched.jsonl"), "utf8") : "";
  const started = lines
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Launched);
  return {
    status: (await readFile(join(job, "ended"), "utf8")).trim(),
    words: started.sort((a, b) => a.rank - b.rank).map(({ words }) => words),
  };
}

const TORCHRUN = ["-m", "torch.distributed.run"];

describe("torchrun", () => {
  it("on this machine needs no other, and no port", async () => {
    const job = await newJob();
    const { words, status } = await launched(job, "localhost:3");
    expect(status).toBe("0");
    expect(words).toEqual([
      [...TORCHRUN, "--standalone", "--nnodes", "1", "--nproc-per-node", "3", join(job, "train.py"), job],
    ]);
    expect(existsSync(join(job, "hostfile"))).toBe(false);
  });

  it("by ssh starts every machine with its number, which meet at the first", async () => {
    const [job, programs] = [await newJob(), join(folder, `ssh ${made++}`)];
    await standInSsh(programs);
    const { words, status } = await launched(job, "me@a:4,b:2", { programs });
    expect(status).toBe("0");
    const meet = (rank: string) => [
      "--nnodes",
      "2",
      "--node-rank",
      rank,
      "--master-addr",
      "a",
      "--master-port",
      "29511",
    ];
    expect(words).toEqual([
      [...TORCHRUN, ...meet("0"), "--nproc-per-node", "4", join(job, "train.py"), job],
      [...TORCHRUN, ...meet("1"), "--nproc-per-node", "2", join(job, "train.py"), job],
    ]);
    const hosts = (await readFile(join(programs, "log"), "utf8")).trim().split("\n");
    expect(hosts.map((line) => line.split(" ")[0]).sort()).toEqual(["b", "me@a"]);
  });

  it("takes machines from a host file, and needs no ssh to its own", async () => {
    const [job, programs] = [await newJob(), join(folder, `hostfile ${made++}`)];
    await standInSsh(programs);
    const file = join(folder, "hosts");
    await writeFile(file, `${hostname()} slots=2\nfar slots=1 # old\n`);
    const { words } = await launched(job, `@${file}`, { programs });
    expect(words.map((line) => line.slice(2, 10))).toEqual([
      ["--nnodes", "2", "--node-rank", "0", "--master-addr", hostname(), "--master-port", "29511"],
      ["--nnodes", "2", "--node-rank", "1", "--master-addr", hostname(), "--master-port", "29511"],
    ]);
    expect((await readFile(join(programs, "log"), "utf8")).trim().split("\n")).toEqual([
      expect.stringMatching(/^far /),
    ]);
  });

  it("in a SLURM allocation goes by one srun, which numbers the machines", async () => {
    const [job, programs] = [await newJob(), join(folder, `srun ${made++}`)];
    await standInSrun(programs, ["n1", "n2"]);
    const { words, status } = await launched(job, "slurm:4", { programs });
    expect(status).toBe("0");
    expect(words.map((line) => line.slice(2, 12))).toEqual(
      ["0", "1"].map((rank) => [
        ...["--nnodes", "2", "--node-rank", rank, "--master-addr", "n1", "--master-port", "29511"],
        ...["--nproc-per-node", "4"],
      ]),
    );
    expect((await readFile(join(programs, "log"), "utf8")).trim()).toBe(
      `--nodes 2 --ntasks 2 --ntasks-per-node 1 sh ${join(job, "node.sh")} 0 4`,
    );
  });
});

describe("DeepSpeed's launcher", () => {
  const MAIN = "import sys; from deepspeed.launcher.runner import main; sys.exit(main())";

  it("on this machine", async () => {
    const job = await newJob();
    const { words } = await launched(job, "localhost:2", { launcher: "deepspeed" });
    expect(words).toEqual([["-c", MAIN, "--num_gpus", "2", "--master_port", "29511", join(job, "train.py"), job]]);
  });

  it("goes to other machines itself, by a host file of theirs", async () => {
    const [job, programs] = [await newJob(), join(folder, `deepspeed ${made++}`)];
    await standInSsh(programs);
    const { words } = await launched(job, "me@a:4,b:2", { launcher: "deepspeed", programs });
    const meet = ["--hostfile", join(job, "hostfile"), "--master_addr", "a", "--master_port", "29511"];
    expect(words).toEqual([["-c", MAIN, ...meet, join(job, "train.py"), job]]);
    expect(await readFile(join(job, "hostfile"), "utf8")).toBe("me@a slots=4\nb slots=2\n");
    expect(existsSync(join(programs, "log"))).toBe(false);
  });
});

describe("the end", () => {
  it("has the status of whoever failed, whose words are in its log", async () => {
    const job = await newJob();
    const { status } = await launched(job, "localhost", { behaviour: { ends: { 0: 3 } } });
    expect(status).toBe("3");
    expect(readFileSync(join(job, "log", "0.txt"), "utf8")).toContain("the last thing that it says");
  });

  it("of one machine is that of the others, which would wait for it in vain", { timeout: 90_000 }, async () => {
    const [job, programs] = [await newJob(), join(folder, `ends ${made++}`)];
    await standInSsh(programs);
    const begun = performance.now();
    const { status } = await launched(job, "a,b", { programs, behaviour: { load: 600_000, ends: { 1: 7 } } });
    expect(status).toBe("7");
    expect(readFileSync(join(job, "log", "0.exit"), "utf8").trim()).toBe("143");
    expect(performance.now() - begun).toBeLessThan(80_000);
  });

  it("comes at once where the file halt appears", { timeout: 60_000 }, async () => {
    const job = await newJob();
    const ending = launched(job, "localhost", { behaviour: { load: 600_000 } });
    await vi.waitFor(() => expect(existsSync(join(job, "launched.jsonl"))).toBe(true), { timeout: 20_000 });
    const begun = performance.now();
    await writeFile(join(job, "halt"), "");
    expect((await ending).status).toBe("143");
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  it("of a job that was started again by hand forgets what was before", async () => {
    const [job, programs] = [await newJob(), join(folder, `again ${made++}`)];
    await launched(job, "localhost", { behaviour: { ends: { 0: 3 } }, programs });
    await mkdir(join(job, "faults"));
    await writeFile(join(job, "stop"), "");
    await standInPython(programs, IDLE);
    spawnSync("sh", [join(job, "launch.sh")]);
    const left = ["stop", "faults"].map((name) => existsSync(join(job, name)));
    expect([readFileSync(join(job, "ended"), "utf8").trim(), ...left]).toEqual(["0", false, false]);
  });
});
