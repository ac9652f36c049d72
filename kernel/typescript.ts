/** @file The types of the TypeScript that tslab compiles with; the compiler itself comes from tslab.ts. */
import type ts from "@tslab/typescript-for-tslab";

export type { ts };
export type TypeScript = typeof ts;
