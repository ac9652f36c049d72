/** @file llama.cpp through node-llama-cpp, a tool of this bench only: installed on request, loaded from its own folder. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageFolder } from "../../src/version.ts";

const VERSION = "3.22.1";
const folder = join(packageFolder, "bench", ".llama");
const main = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");

/** The packages with compiled code for the CPU; others come with CUDA and the like, and are large. */
const BINARIES: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "mac-x64",
  "darwin-arm64": "mac-arm64-metal",
  "win32-x64": "win-x64",
};

export const hasLlama = (): boolean => existsSync(main);

/** Gets node-llama-cpp and its compiled llama.cpp from the npm registry: some 90 MB, none of their scripts run. */
export function installLlama(): void {
  const binary = BINARIES[`${process.platform}-${process.arch}`];
  if (!binary) throw new Error(`node-llama-cpp has no compiled llama.cpp for ${process.platform} on ${process.arch}`);
  mkdirSync(folder, { recursive: true });
  const dependencies = { "node-llama-cpp": VERSION, [`@node-llama-cpp/${binary}`]: VERSION };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", ["install", ...options], { cwd: folder, stdio: "inherit", shell: process.platform === "win32" });
}

/** The part of node-llama-cpp's interface that is used here. */
export interface LlamaPackage {
  getLlama(options: {
    readonly gpu: false;
    readonly build: "never";
    readonly skipDownload: true;
    readonly progressLogs: false;
    readonly logLevel: "error";
    readonly maxThreads: number;
  }): Promise<{
    loadModel(options: {
      readonly modelPath: string;
      readonly gpuLayers: 0;
      readonly useMmap: boolean;
      readonly ignoreMemorySafetyChecks: true;
    }): Promise<LlamaModel>;
  }>;
}

export interface LlamaModel {
  createContext(options: {
    readonly contextSize: number;
    readonly batchSize: number;
    readonly threads: number;
    readonly ignoreMemorySafetyChecks: true;
  }): Promise<{ getSequence(): LlamaSequence }>;
}

/** Tokens that follow one another, with their cache. */
export interface LlamaSequence {
  clearHistory(): Promise<void>;
  /** A token, or one after which something is asked for. */
  controlledEvaluate(
    input: readonly (number | readonly [token: number, ask: LlamaAsk])[],
  ): Promise<readonly (undefined | { readonly next: LlamaNext })[]>;
}

export interface LlamaAsk {
  readonly generateNext: {
    readonly token: true;
    readonly logits?: true;
    readonly options: { readonly temperature: 0 };
  };
}

export interface LlamaNext {
  readonly token?: number | null;
  readonly logits?: ReadonlyMap<number, number>;
}

export const importLlama = async (): Promise<LlamaPackage> =>
  (await import(pathToFileURL(main).href)) as unknown as LlamaPackage;
