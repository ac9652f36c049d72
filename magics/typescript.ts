/** @file TypeScript's parser: the one that cells are compiled with, which a kernel has in memory already. */
import { createRequire } from "node:module";
import type ts from "@tslab/typescript-for-tslab";

/** Required, not imported: Node reads the 9 MB of this CommonJS file twice more before it can import it. */
export const typescript: typeof ts = createRequire(import.meta.url)("@tslab/typescript-for-tslab") as typeof ts;
