/** @file Programs that stand where those of a cluster do: a machine's Python (worker.mjs), ssh and srun, which run their commands here. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { shellWord } from "../../src/torchrun/command.ts";

const worker = fileURLToPath(new URL("worker.mjs", import.meta.url));

/** How worker.mjs behaves. */
export interface Behaviour {
  /** Of packages, where they are not as they should be; null for one that is not there. */
  readonly versions?: Readonly<Record<string, string | null>>;
  readonly gpus?: number | string;
  /** Milliseconds to load the model, and for each step. */
  readonly load?: number;
  readonly step?: number;
  /** Statuses with which the processes of machines end at once, by the machine's number. */
  readonly ends?: Readonly<Record<number, number>>;
  /** The step, from 0, at which training breaks down, and what is said of it. */
  readonly failsAt?: number;
  readonly fault?: { readonly code: string; readonly message: string };
}

async function program(folder: string, name: string, script: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${script}`);
  await chmod(join(folder, name), 0o755);
  return join(folder, name);
}

/** The path of a program that takes a Python's place. */
export async function standInPython(folder: string, behaviour: Behaviour = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "behaviour.json");
  await writeFile(file, JSON.stringify(behaviour));
  return program(folder, "python", `exec ${[process.execPath, worker, file].map(shellWord).join(" ")} "$@"\n`);
}

/**
 * An ssh that runs commands here, and writes each host and its command to `log`.
 * @param otherwise shell lines before that, which see the host as $host
 */
export const standInSsh = (folder: string, otherwise = ""): Promise<string> =>
  program(
    folder,
    "ssh",
    `while [ "$1" != -- ]; do shift; done\nhost="$2"\necho "$host $3" >> ${shellWord(join(folder, "log"))}\n${otherwise}\nexec sh -c "$3"\n`,
  );

/** An srun that runs its command once for each node, here. */
export const standInSrun = (folder: string, nodes: readonly string[]): Promise<string> =>
  program(
    folder,
    "srun",
    `echo "$@" >> ${shellWord(join(folder, "log"))}
input=""
while :; do
  case "$1" in
    --input) input=all; shift 2 ;;
    --*) shift 2 ;;
    *) break ;;
  esac
done
[ "$input" = all ] && cat > ${shellWord(join(folder, "input"))} || : > ${shellWord(join(folder, "input"))}
${nodes.map((name, i) => `SLURM_NODEID=${i} SLURMD_NODENAME=${name} "$@" < ${shellWord(join(folder, "input"))} &\npids="$pids $!"`).join("\n")}
status=0
for pid in $pids; do wait "$pid" || status=$?; done
exit $status
`,
  );

/** Does something with a folder's programs before all others. */
export async function withPrograms<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = process.env.PATH;
  process.env.PATH = `${folder}${delimiter}${path}`;
  try {
    return await work();
  } finally {
    process.env.PATH = path;
  }
}
