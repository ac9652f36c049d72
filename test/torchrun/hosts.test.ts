/** @file Hosts as they are named: lists, host files, SLURM's nodes; and what is refused. */
import { describe, expect, it } from "vitest";
import { hostsOfFile, readHosts, slurmNodes } from "../../src/torchrun/hosts.ts";

describe("lists", () => {
  it("names, users, numbers of processes", async () => {
    expect(await readHosts("localhost:2")).toEqual({ by: "ssh", hosts: [{ name: "localhost", processes: 2 }] });
    expect((await readHosts("me@a:4, b")).hosts).toEqual([{ name: "me@a", processes: 4 }, { name: "b" }]);
  });

  it.each([
    ["-oProxyCommand=x", "expected a host"],
    ["a:0", "expected 1 to"],
    ["a,a", "comes twice"],
    ["localhost,b", "another machine for each host"],
    ["", "expected a host"],
    ["@/no/such/file", "cannot be read"],
  ])("%j is refused", async (text, why) => {
    await expect(readHosts(text)).rejects.toThrow(why);
  });
});

it("host files of DeepSpeed, Open MPI and MPICH", () => {
  const faults: string[] = [];
  const text = "# ours\nnode1 slots=4\nnode2:2  # old\n\nnode3\nnode4 slots=2 max_slots=8\nnode5 four\n";
  expect(hostsOfFile(text, faults)).toEqual([
    { name: "node1", processes: 4 },
    { name: "node2", processes: 2 },
    { name: "node3" },
    { name: "node4", processes: 2 },
  ]);
  expect(faults).toEqual(['line 7: expected "node5 slots=4", got "node5 four"']);
});

describe("SLURM", () => {
  it("expands names", () => {
    expect(slurmNodes("gpu[01-03,7],login-2")).toEqual(["gpu01", "gpu02", "gpu03", "gpu7", "login-2"]);
    expect(slurmNodes("r[1-2]n[3-4]")).toEqual(["r1n3", "r1n4", "r2n3", "r2n4"]);
  });

  it.each(["gpu[", "gpu[3-1]", "gpu[a]", "", "a[1-999999999]"])("%j is refused", (list) => {
    expect(() => slurmNodes(list)).toThrow("SLURM_JOB_NODELIST");
  });

  it("needs an allocation", async () => {
    await expect(readHosts("slurm", {})).rejects.toThrow("salloc");
    expect(await readHosts("slurm:4", { SLURM_JOB_NODELIST: "n[1-2]" })).toEqual({
      by: "slurm",
      hosts: [
        { name: "n1", processes: 4 },
        { name: "n2", processes: 4 },
      ],
    });
  });
});
