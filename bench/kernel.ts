/**
 * @file This kernel beside tslab's own, started as Jupyter starts them: until they answer, until the first result, after a
 * restart, and their memory at rest.
 *
 * They take turns within each round, so that whatever else the machine does slows both; ratios are taken within a round.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { packageFolder } from "../src/version.ts";
import { type Message, type StartOptions, TestKernel } from "../test/kernel/client.ts";
import { memoryOf } from "./memory.ts";
import { markdownTable } from "./table.ts";
import { median, spread, timed } from "./timing.ts";

/** As the kernelspec has it that `tslab install` writes. */
const tslab: NonNullable<StartOptions["command"]> = (connectionFile) => [
  process.execPath,
  join(packageFolder, "node_modules", "tslab", "bin", "tslab"),
  "kernel",
  "--config-path",
  connectionFile,
];

/** Milliseconds of the rest before a kernel is started, and before its memory is read. */
const REST = { start: 300, memory: 1500 };
/** Seconds of running cells in a kernel that has started. */
const LATER = 0.5;
/** Milliseconds in which a kernel has written its code cache. */
const CACHE_PATIENCE = 20_000;

/** What is seen of a kernel in one round. */
interface Seen {
  /** Milliseconds from the start of the process. */
  readonly information: number;
  readonly firstResult: number;
  /** Milliseconds from the request of a cell to its end, when others have run before. */
  readonly nextResult: number;
  /** Milliseconds from the request to shut down to the first result of the next process. */
  readonly restart: number;
  /** Bytes. */
  readonly resident: number;
  readonly private: number;
}

const rows: Readonly<Record<string, readonly [measure: keyof Seen, unit: "ms" | "MB"]>> = {
  "process start to kernel_info": ["information", "ms"],
  "process start to the first result": ["firstResult", "ms"],
  "a later cell, to its end": ["nextResult", "ms"],
  "restart to the first result": ["restart", "ms"],
  "memory at rest, resident": ["resident", "MB"],
  "memory at rest, private": ["private", "MB"],
};

export async function kernels(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: "string", default: "9" } } });
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
  const folder = await mkdtemp(join(tmpdir(), "glmlab-bench-"));
  // Code caches of its own, one that is filled and one that is emptied: what is compared is a usual start, and the very first.
  const usual = { XDG_CACHE_HOME: join(folder, "usual") };
  const empty = { XDG_CACHE_HOME: join(folder, "empty") };
  try {
    await fillCache(usual.XDG_CACHE_HOME);
    const seen: { ours: Seen; theirs: Seen; first: number }[] = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const turns = { ours: { env: usual }, theirs: { env: usual, command: tslab } };
      const order = round % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const);
      const results = {} as { ours: Seen; theirs: Seen };
      for (const who of order) results[who] = await observe(turns[who]);
      await rm(empty.XDG_CACHE_HOME, { recursive: true, force: true });
      seen.push({ ...results, first: await firstStart(empty) });
    }
    console.log(report(seen));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function observe(options: StartOptions): Promise<Seen> {
  await setTimeout(REST.start);
  const kernel = await TestKernel.start(options);
  try {
    const firstResult = (await result(kernel)).time - kernel.started;
    const nextResult = median(await timed(() => result(kernel), LATER)) * 1000;
    const restarted = performance.now();
    await kernel.shutdown({ restart: true });
    const successor = await TestKernel.start({ ...options, like: kernel });
    try {
      const restart = (await result(successor)).time - restarted;
      await setTimeout(REST.memory);
      const memory = memoryOf(successor.process.pid as number);
      return {
        information: kernel.startup,
        firstResult,
        nextResult,
        restart,
        resident: memory.resident,
        private: memory.private ?? Number.NaN,
      };
    } finally {
      successor.dispose();
    }
  } finally {
    kernel.dispose();
  }
}

/** The first result of a kernel that nothing was cached for, in milliseconds from its start. */
async function firstStart(env: Readonly<Record<string, string>>): Promise<number> {
  await setTimeout(REST.start);
  const kernel = await TestKernel.start({ env });
  try {
    return (await result(kernel)).time - kernel.started;
  } finally {
    kernel.dispose();
  }
}

/** Runs `1+1`: its execute_result, or what tslab prints in the place of one. */
async function result(kernel: TestKernel): Promise<Message> {
  const id = kernel.begin("1+1");
  const shows = ({ type, content }: Message): boolean =>
    type === "stream" ? content.text === "2\n" : content.data?.["text/plain"] === "2";
  const found = await kernel.broadcast((message) => message.parentId === id && shows(message));
  await kernel.ended(id);
  return found;
}

async function fillCache(folder: string): Promise<void> {
  const kernel = await TestKernel.start({ env: { XDG_CACHE_HOME: folder } });
  try {
    await result(kernel);
    for (const until = performance.now() + CACHE_PATIENCE; performance.now() < until; await setTimeout(100)) {
      const files = await readdir(folder, { recursive: true }).catch(() => []);
      if (files.some((file) => file.endsWith(".bin"))) return;
    }
    throw new Error(`The kernel wrote no code cache to ${folder} within ${CACHE_PATIENCE / 1000} s`);
  } finally {
    kernel.dispose();
  }
}

function report(seen: readonly { ours: Seen; theirs: Seen; first: number }[]): string {
  const scale = { ms: 1, MB: 1e-6 };
  const table = Object.entries(rows).map(([row, [measure, unit]]) => {
    const [ours, theirs] = (["ours", "theirs"] as const).map((who) =>
      seen.map((round) => round[who][measure] * scale[unit]),
    ) as [number[], number[]];
    const ratios = seen.map((round) => round.ours[measure] / round.theirs[measure]);
    return {
      [`median (lowest to highest) of ${seen.length}`]: `${row}, ${unit}`,
      glmlab: spread(ours),
      tslab: spread(theirs),
      "glmlab / tslab": median(ratios).toFixed(2),
    };
  });
  const first = seen.map((round) => round.first);
  const [label] = Object.keys(table[0] ?? {}) as [string];
  return markdownTable([
    ...table,
    { [label]: "the same without a code cache (the very first start), ms", glmlab: spread(first) },
  ]);
}
