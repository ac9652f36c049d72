/** @file The environment of the runtime's process: how its memory allocator treats large blocks. */

const MB = 2 ** 20;

/**
 * While onnxruntime loads packed weights it packs each of them again, into memory that it gives up at once when it finds
 * the result in the file. By default glibc asks the kernel for every such block and hands it back, which takes a third
 * of a reload: pages that are cleared, used once and unmapped. Blocks below the first size are kept for the next ones,
 * up to the second size.
 */
const TUNABLES = `glibc.malloc.mmap_threshold=${128 * MB}:glibc.malloc.trim_threshold=${256 * MB}`;

/** The first glibc that is known to take such sizes: earlier ones refuse the first alone, and map even small blocks then. */
const SINCE = [2, 36] as const;

/** @param environment of the process that starts another; what it sets itself has the last word */
export function runtimeEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!takesTunables(glibcVersion())) return environment;
  const own = environment.GLIBC_TUNABLES;
  return { ...environment, GLIBC_TUNABLES: own ? `${TUNABLES}:${own}` : TUNABLES };
}

/** @param version such as "2.36"; undefined where another library allocates */
export function takesTunables(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  return major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1]);
}

function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
