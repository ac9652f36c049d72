/** @file Which machines a job runs on: a list of hosts, a host file as MPI and DeepSpeed have them, or the nodes of a SLURM allocation. */
import { hostname } from "node:os";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { readText } from "../regular-file.ts";

export interface Host {
  /** As ssh takes it: a name or address, perhaps with a user before it. */
  readonly name: string;
  /** How many processes it is to run; undefined leaves that to its GPUs. */
  readonly processes?: number;
}

export interface Hosts {
  /** How commands come there: by ssh and on this machine, or by srun. */
  readonly by: "ssh" | "slurm";
  readonly hosts: readonly Host[];
}

/** One machine; a leading dash would be an option of ssh. */
const NAME = /^(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;
const MOST_PROCESSES = 1024;
/** Most nodes that one bracket of SLURM's names: a slip must not fill the memory. */
const MOST_NODES = 10_000;

/** Whether commands for a host need no ssh: it is this machine. */
export const isHere = (name: string): boolean => ["localhost", "127.0.0.1", hostname()].includes(name);

/**
 * Reads what `hosts` says: "localhost:2", "user@a:4,b:4", "@hostfile" (or a path with a slash), "slurm" or "slurm:4" inside an allocation.
 * The number is that of processes on each machine.
 * @throws GlmError "option-invalid" with every fault
 */
export async function readHosts(text: string, env: NodeJS.ProcessEnv = process.env): Promise<Hosts> {
  const slurm = /^slurm(?::(.*))?$/.exec(text.trim());
  if (slurm) return checked(text, "slurm", slurmHosts(slurm[1], env), []);
  const faults: string[] = [];
  const isFile = text.startsWith("@") || text.includes("/");
  const hosts = isFile
    ? hostsOfFile(await hostFile(text.replace(/^@/, "")), faults)
    : text.split(",").flatMap((word) => hostOf(word.trim(), faults));
  return checked(text, "ssh", hosts, faults);
}

async function hostFile(path: string): Promise<string> {
  return readText(path).catch((cause: Error) => {
    throw invalid(
      `${path}: expected a host file with lines such as "node1 slots=4", but it cannot be read (${cause.message}).`,
    );
  });
}

/** Lines of "node1 slots=4" (DeepSpeed, Open MPI), "node1:4" (MPICH) or "node1", with comments after #. */
export function hostsOfFile(text: string, faults: string[]): readonly Host[] {
  return text.split("\n").flatMap((line, i) => {
    const [first = "", ...rest] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (first === "") return [];
    const slots = rest.map((word) => /^(?:slots|max_slots|max-slots)=(\d+)$/.exec(word));
    if (slots.includes(null)) {
      faults.push(`line ${i + 1}: expected "${first} slots=4", got ${JSON.stringify(line.trim())}`);
      return [];
    }
    const named = rest.findIndex((word) => word.startsWith("slots="));
    const count = slots[named]?.[1];
    return hostOf(count === undefined ? first : `${first}:${count}`, faults);
  });
}

function hostOf(word: string, faults: string[]): Host[] {
  const [, name = "", count] = /^(.*?)(?::([^:]*))?$/.exec(word) ?? [];
  if (!NAME.test(name)) {
    faults.push(`expected a host such as node1, user@node1 or node1:4, got ${JSON.stringify(word)}`);
    return [];
  }
  if (count === undefined) return [{ name }];
  const processes = processesOf(count);
  if (processes !== undefined) return [{ name, processes }];
  faults.push(`${name}: expected 1 to ${MOST_PROCESSES} processes after the colon, got ${JSON.stringify(count)}`);
  return [];
}

function processesOf(text: string): number | undefined {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MOST_PROCESSES ? count : undefined;
}

function slurmHosts(count: string | undefined, env: NodeJS.ProcessEnv): readonly Host[] {
  const list = env.SLURM_JOB_NODELIST ?? env.SLURM_NODELIST;
  if (!list) {
    throw invalid(
      "slurm: expected to run inside an allocation, but SLURM_JOB_NODELIST is not set. Begin one (salloc --nodes 2 --gpus-per-node 4), " +
        "and start the notebook or glmlab train in it.",
    );
  }
  const processes = count === undefined ? undefined : processesOf(count);
  if (count !== undefined && processes === undefined)
    throw invalid(
      `slurm: expected 1 to ${MOST_PROCESSES} processes a node after the colon, got ${JSON.stringify(count)}.`,
    );
  return slurmNodes(list).map((name) => ({ name, ...(processes === undefined ? {} : { processes }) }));
}

/**
 * The names of SLURM's compressed list: "gpu[01-03,7],login-2" are gpu01, gpu02, gpu03, gpu7 and login-2.
 * @throws GlmError "option-invalid" when it is none
 */
export function slurmNodes(list: string): readonly string[] {
  // Commas within brackets divide numbers, the others names.
  const words = list.match(/(?:[^,[\]]|\[[^[\]]*\])+/g) ?? [];
  const isWhole = words.join(",") === list.trim() && words.length > 0;
  const names = isWhole ? words.flatMap((word) => expanded(word, list)) : [];
  if (names.length === 0) throw badList(list);
  return names;
}

function expanded(word: string, list: string): string[] {
  const bracket = /^([^[]*)\[([^\]]*)\](.*)$/.exec(word);
  if (!bracket) return [word];
  const [, before = "", inside = "", after = ""] = bracket;
  const tails = expanded(after, list);
  return inside
    .split(",")
    .flatMap((range) => numbersOf(range, list).flatMap((n) => tails.map((tail) => before + n + tail)));
}

/** "01-03" are 01, 02, 03: as wide as they are written. */
function numbersOf(range: string, list: string): string[] {
  const [, from = "", to = from] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
  const count = Number(to) - Number(from) + 1;
  if (from === "" || count < 1 || count > MOST_NODES) throw badList(list);
  return Array.from({ length: count }, (_, i) => String(Number(from) + i).padStart(from.length, "0"));
}

const badList = (list: string): GlmError =>
  invalid(`SLURM_JOB_NODELIST: expected names such as gpu[01-03,7],login-2, got ${JSON.stringify(list)}.`);

function checked(text: string, by: Hosts["by"], hosts: readonly Host[], faults: readonly string[]): Hosts {
  const found = [...faults];
  if (hosts.length === 0 && found.length === 0) found.push("expected at least one host, got none");
  const names = hosts.map(({ name }) => name);
  for (const name of new Set(names.filter((one, i) => names.indexOf(one) !== i)))
    found.push(`${name} comes twice: name it once, with the number of its processes (${name}:2)`);
  const here = names.find((name) => ["localhost", "127.0.0.1"].includes(name));
  if (here !== undefined && names.length > 1)
    found.push(`${here} is another machine for each host: name this one as the others reach it (${hostname()})`);
  if (found.length > 0) throw invalid(`${JSON.stringify(text)} cannot be used:${faultLines(found)}`);
  return { by, hosts };
}

const invalid = (message: string): GlmError => new GlmError("option-invalid", `hosts: ${message}`);
