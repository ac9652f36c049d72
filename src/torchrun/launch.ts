/** @file Starts a job, detached from this process, over what is installed: scripts that a person can read and start as well. */
import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { GlmError } from "../errors.ts";
import { onDisk, replaceFiles, textFile } from "../files.ts";
import { isFile } from "../regular-file.ts";
import type { Node } from "./check.ts";
import { overSsh, shellWord } from "./command.ts";
import { type Hosts, isHere } from "./hosts.ts";
import type { JobOptions } from "./options.ts";

/** Seconds between two looks at the processes. */
const BEAT = 1;
/** Seconds that the others have to end by themselves when one has failed. */
const GRACE = 20;
/** Milliseconds that launch.sh has to begin, and between two looks whether it has. */
const START = 20_000;
const LOOK = 50;

type Launch = Pick<JobOptions, "launcher" | "python">;

/** Writes launch.sh and node.sh, and for DeepSpeed a host file. */
export async function writeLaunch(
  folder: string,
  by: Hosts["by"],
  nodes: readonly Node[],
  launch: Launch,
): Promise<void> {
  const files = {
    "launch.sh": launchScript(folder, by, nodes, launch),
    "node.sh": nodeScript(folder, by, nodes, launch),
  };
  const isRemote = launch.launcher === "deepspeed" && nodes.length > 1;
  const hostFile = nodes.map(({ name, processes }) => `${name} slots=${processes}\n`).join("");
  await replaceFiles(folder, [
    ...Object.entries(files).map(([name, text]) => textFile(name, text)),
    ...(isRemote ? [textFile("hostfile", hostFile)] : []),
  ]);
}

/** The processes of one machine: `node.sh NUMBER PROCESSES`. They end when the file `halt` appears. */
function nodeScript(folder: string, by: Hosts["by"], nodes: readonly Node[], { launcher, python }: Launch): string {
  const train = shellWord(join(folder, "train.py"));
  const place = shellWord(folder);
  const command =
    launcher === "deepspeed"
      ? deepSpeedCommand(nodes, python, folder)
      : `${shellWord(python)} -m torch.distributed.run ${rendezvous(nodes)} --nproc-per-node "$processes" ${train} ${place}`;
  return `#!/bin/sh
# The processes of one machine. Their number in the job, and how many: ${by === "slurm" ? "SLURM says the first" : "launch.sh says both"}.
number=${by === "slurm" ? '"$SLURM_NODEID"' : '"$1"'}
processes="$2"
export PYTHONUNBUFFERED=1
cd ${place} || exit 1
${command} &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
while kill -0 "$child" 2>/dev/null; do
  [ -f halt ] && kill -TERM "$child" 2>/dev/null
  sleep ${BEAT}
done
wait "$child"
`;
}

/** How the machines find each other. */
function rendezvous(nodes: readonly Node[]): string {
  const [first] = nodes;
  if (!first || nodes.length === 1) return "--standalone --nnodes 1";
  return `--nnodes ${nodes.length} --node-rank "$number" --master-addr ${addressOf(first.name)} --master-port ${first.report.port}`;
}

/** How the other machines reach one: without the user's name. */
const addressOf = (name: string): string => shellWord(name.split("@").pop() as string);

function deepSpeedCommand(nodes: readonly Node[], python: string, folder: string): string {
  const [first] = nodes;
  const where =
    nodes.length > 1
      ? `--hostfile ${shellWord(join(folder, "hostfile"))} --master_addr ${addressOf(first?.name ?? hostname())}`
      : '--num_gpus "$processes"';
  const main = "import sys; from deepspeed.launcher.runner import main; sys.exit(main())";
  return (
    `${shellWord(python)} -c ${shellWord(main)} ${where} --master_port ${first?.report.port ?? 29500} ` +
    `${shellWord(join(folder, "train.py"))} ${shellWord(folder)}`
  );
}

/** Starts node.sh on every machine, beats while it waits, and writes in the end with which status they ended. */
function launchScript(folder: string, by: Hosts["by"], nodes: readonly Node[], { launcher }: Launch): string {
  // DeepSpeed's own launcher goes to the other machines.
  const starts =
    by === "slurm"
      ? [srunOf(folder, nodes)]
      : (launcher === "deepspeed" ? nodes.slice(0, 1) : nodes).map((node, i) =>
          startOf(folder, node, i, launcher === "deepspeed"),
        );
  return `#!/bin/sh
# Starts the job on its machines and waits for them. glmlab runs it; by hand: sh launch.sh
cd ${shellWord(folder)} || exit 1
rm -rf alive ended halt stop log faults result best metrics.jsonl
mkdir -p log
start() {
  name="$1"
  shift
  ( "$@" > "log/$name.txt" 2>&1 < /dev/null; echo $? > "log/$name.exit" ) &
}
${starts.map((words, i) => `start ${i} ${words.map(shellWord).join(" ")}`).join("\n")}
beat=0
late=0
status=0
while :; do
  beat=$((beat + 1))
  echo "$beat" > alive
  running=0
  for number in ${starts.map((_, i) => i).join(" ")}; do
    if [ -s "log/$number.exit" ]; then
      code=$(cat "log/$number.exit")
      [ "$code" = 0 ] || status=$code
    else
      running=1
    fi
  done
  [ "$running" = 0 ] && break
  if [ "$status" != 0 ]; then
    # One has failed: the others wait for it in vain.
    late=$((late + ${BEAT}))
    [ "$late" -ge ${GRACE} ] && : > halt
    [ "$late" -ge ${GRACE * 3} ] && break
  fi
  sleep ${BEAT}
done
echo "$status" > ended.part
mv ended.part ended
`;
}

function startOf(folder: string, { name, processes }: Node, number: number, isHereAnyway: boolean): readonly string[] {
  const words = ["sh", join(folder, "node.sh"), String(number), String(processes)];
  return isHereAnyway || isHere(name) ? words : overSsh(name, words.map(shellWord).join(" "));
}

function srunOf(folder: string, nodes: readonly Node[]): readonly string[] {
  const count = String(nodes.length);
  const processes = String(Math.min(...nodes.map((node) => node.processes)));
  return [
    ...["srun", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1"],
    ...["sh", join(folder, "node.sh"), "0", processes],
  ];
}

/** Starts the scripts in a session of their own: they outlive this process and its terminal. */
export async function launch(folder: string): Promise<void> {
  await onDisk(folder, 0, async () => {
    const child = spawn("sh", [join(folder, "launch.sh")], { cwd: folder, detached: true, stdio: "ignore" });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
  });
  // What is written into the folder before its first beat, it would remove.
  const from = performance.now();
  while (!(await isFile(join(folder, "alive")))) {
    if (performance.now() - from > START)
      throw new GlmError(
        "job-failed",
        `job ${folder}: expected launch.sh to start, but sh shows no sign of it. Try it by hand: sh ${join(folder, "launch.sh")}`,
      );
    await wait(LOOK);
  }
}
