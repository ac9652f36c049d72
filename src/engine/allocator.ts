/** @file The environment of processes that load models: how their memory allocator treats large blocks. */

const MB = 2 ** 20;

/**
 * While onnxruntime loads packed weights it packs each of them again, into memory that it gives up at once when it finds
 * the result in the file. By default glibc asks the kernel for every such block and hands it back, which takes a third
 * of a reload: pages that are cleared, used once and unmapped. Blocks below the first size are kept for the next ones,
 * up to the second size. Other systems' allocators ignore this.
 */
const TUNABLES = `glibc.malloc.mmap_threshold=${128 * MB}:glibc.malloc.trim_threshold=${256 * MB}`;

/** @param environment of the process that starts another; what it sets itself has the last word */
export function modelProcessEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = environment.GLIBC_TUNABLES;
  return { ...environment, GLIBC_TUNABLES: own ? `${TUNABLES}:${own}` : TUNABLES };
}
