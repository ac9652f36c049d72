/** @file What kernel_info says about this kernel. */
import { createRequire } from "node:module";
import { version } from "../src/version.ts";
import { PROTOCOL_VERSION } from "./wire.ts";

/** The TypeScript that cells are read with; only its manifest is opened, since loading it takes a second. */
function languageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)("@tslab/typescript-for-tslab/package.json");
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "";
}

export function kernelInformation(): Readonly<Record<string, unknown>> {
  return {
    status: "ok",
    protocol_version: PROTOCOL_VERSION,
    implementation: "glmlab",
    implementation_version: version,
    language_info: {
      name: "typescript",
      version: languageVersion(),
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: "typescript",
      nbconvert_exporter: "script",
    },
    banner: `glmlab ${version}: TypeScript on Node ${process.versions.node}, with ChatGLM to talk to and to teach. %lsmagic lists the magics.`,
    debugger: false,
    supported_features: [],
    help_links: [
      { text: "TypeScript", url: "https://www.typescriptlang.org/docs/" },
      { text: "Node.js", url: "https://nodejs.org/docs/latest/api/" },
    ],
  };
}
