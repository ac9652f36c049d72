/** @file Every machine of a job, looked at before anything is started: it answers, and has what is needed. */
import { join } from "node:path";
import { z } from "zod";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { plural } from "../plural.ts";
import { readText } from "../regular-file.ts";
import { packageFolder } from "../version.ts";
import { type Answer, answerOf, overSsh, shellWord } from "./command.ts";
import { type Host, type Hosts, isHere } from "./hosts.ts";
import type { JobOptions } from "./options.ts";

/** Milliseconds that a machine may take: importing torch from a network disk takes some ten seconds. */
const PATIENCE = 120_000;

/** What its script prints in front of its line: a login may say more. */
const MARK = "glmlab:";

const PACKAGES = ["torch", "transformers", "peft", "safetensors"] as const;

/** What check.py says of a machine. */
export interface NodeReport {
  readonly host: string;
  /** Versions. */
  readonly python: string;
  readonly versions: Readonly<Record<string, string | null>>;
  /** How many; or why torch cannot tell. */
  readonly gpus: number | string;
  /** Whether the two folders are seen there. */
  readonly job: boolean;
  readonly checkpoint: boolean;
  /** One that was free. */
  readonly port: number;
}

const report: z.ZodType<NodeReport> = z.object({
  host: z.string(),
  python: z.string(),
  versions: z.record(z.string(), z.string().nullable()),
  gpus: z.number().or(z.string()),
  job: z.boolean(),
  checkpoint: z.boolean(),
  port: z.int(),
});

/** A machine that can run its part. */
export interface Node {
  readonly name: string;
  readonly processes: number;
  readonly report: NodeReport;
}

export interface Checked {
  /** The job's folder, with job.json, and the checkpoint's. */
  readonly job: string;
  readonly checkpoint: string;
  readonly options: Pick<JobOptions, "python" | "zero" | "launcher">;
  /** Milliseconds that a machine may take to answer. */
  readonly patience?: number;
}

/**
 * Asks all machines at the same time.
 * @param signal gives that up
 * @throws GlmError "host-unreachable" naming those that do not answer, else "unsupported" naming what each lacks
 */
export async function checkNodes(
  { by, hosts }: Hosts,
  checked: Checked,
  signal?: AbortSignal,
): Promise<readonly Node[]> {
  const script = await readText(join(packageFolder, "src/torchrun/check.py"));
  const { python, zero, launcher } = checked.options;
  const words = [python, "-", checked.job, checked.checkpoint];
  const ask = (line: readonly string[]): Promise<Answer> =>
    answerOf(line, script, checked.patience ?? PATIENCE, signal);
  const answers = by === "slurm" ? await askedBySrun(hosts, words, ask) : await askedBySsh(hosts, words, ask);
  signal?.throwIfAborted();
  const silent = hosts.flatMap((host, i) => (reportOf(answers[i]) ? [] : [`${host.name}: ${whyOf(answers[i])}`]));
  if (silent.length > 0) {
    throw new GlmError(
      "host-unreachable",
      `hosts: expected an answer of ${python} on each machine, got none from ${plural(silent.length, "machine")}:${faultLines(silent)}\n` +
        "Try it by hand (ssh HOST python3 --version must ask for no password); name another Python with python (--python). Nothing was started.",
    );
  }
  const reports = hosts.map((_, i) => reportOf(answers[i]) as NodeReport);
  const needed = [...PACKAGES, ...(zero > 0 || launcher === "deepspeed" ? ["deepspeed"] : [])];
  const faults = hosts.flatMap(({ name, processes }, i) =>
    faultsOf(reports[i] as NodeReport, needed, checked, processes).map((fault) => `${name}: ${fault}`),
  );
  faults.push(...differences(hosts, reports, needed));
  if (faults.length > 0) {
    throw new GlmError(
      "unsupported",
      `hosts: these machines cannot run the job, of which nothing was started:${faultLines(faults)}`,
    );
  }
  return hosts.map(({ name, processes }, i) => {
    const found = reports[i] as NodeReport;
    return { name, processes: processes ?? Math.max(1, Number(found.gpus)), report: found };
  });
}

type Ask = (line: readonly string[]) => Promise<Answer>;

function askedBySsh(hosts: readonly Host[], words: readonly string[], ask: Ask): Promise<readonly Answer[]> {
  const line = words.map(shellWord).join(" ");
  return Promise.all(hosts.map(({ name }) => ask(isHere(name) ? words : overSsh(name, line))));
}

/** One question to all nodes of the allocation; each answers with its name. */
async function askedBySrun(hosts: readonly Host[], words: readonly string[], ask: Ask): Promise<readonly Answer[]> {
  const count = String(hosts.length);
  const answer = await ask([
    "srun",
    "--nodes",
    count,
    "--ntasks",
    count,
    "--ntasks-per-node",
    "1",
    "--input",
    "all",
    ...words,
  ]);
  const lines = answer.output.split("\n").filter((line) => line.includes(MARK));
  return hosts.map(({ name }) => {
    const own = lines.find((line) => shortName(reportIn(line)?.host ?? "") === shortName(name));
    return { ...answer, output: own ?? "", complaint: answer.complaint || "no answer from this node" };
  });
}

const shortName = (host: string): string => host.split(".")[0] ?? "";

const reportOf = (answer: Answer | undefined): NodeReport | undefined =>
  answer?.output
    .split("\n")
    .map(reportIn)
    .find((found) => found !== undefined);

function reportIn(line: string): NodeReport | undefined {
  const at = line.indexOf(MARK);
  if (at < 0) return undefined;
  try {
    return report.safeParse(JSON.parse(line.slice(at + MARK.length))).data;
  } catch {
    return undefined;
  }
}

function whyOf(answer: Answer | undefined): string {
  const last = answer?.complaint.split("\n").findLast((line) => line.trim() !== "");
  return last ?? `it ended with status ${answer?.status ?? "unknown"} and said nothing`;
}

function faultsOf(
  { versions, gpus, job, checkpoint, python }: NodeReport,
  needed: readonly string[],
  checked: Checked,
  processes: number | undefined,
): string[] {
  const missing = needed.filter((name) => !versions[name]);
  const faults: string[] = [];
  if (missing.length > 0) {
    faults.push(
      `Python ${python} (${checked.options.python}) has no ${missing.join(", ")}. Install: pip install ${missing.join(" ")}`,
    );
  }
  // Without torch, that is said already.
  if (typeof gpus === "string" && versions.torch) faults.push(`torch cannot be used: ${gpus}`);
  if (typeof gpus === "number" && gpus > 0 && processes !== undefined && processes > gpus)
    faults.push(`expected a GPU for each of ${processes} processes, got ${plural(gpus, "GPU")}`);
  if (!job) faults.push(`${checked.job} is not seen there. Name a folder on a shared disk with job (--job)`);
  if (!checkpoint)
    faults.push(
      `${checked.checkpoint} is not seen there. Name a folder on a shared disk with checkpoint (--checkpoint)`,
    );
  return faults;
}

/** Versions that must be the same on all machines. */
function differences(hosts: readonly Host[], reports: readonly NodeReport[], needed: readonly string[]): string[] {
  return needed.flatMap((name) => {
    const versions = reports.map((found) => found.versions[name]);
    if (versions.includes(null) || new Set(versions).size <= 1) return [];
    return [
      `${name}: expected one version on all machines, got ${hosts.map((host, i) => `${versions[i]} on ${host.name}`).join(", ")}`,
    ];
  });
}
