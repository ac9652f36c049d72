/** @file llama.cpp as a contender: `llama-contender.js FILE THREADS`. It is given ids, never text. */
import { type Contender, serve } from "./contender.ts";
import { importLlama, type LlamaAsk, type LlamaNext, type LlamaSequence } from "./llama-package.ts";

const [file = "", threads = "1"] = process.argv.slice(2);
/** Tokens of the context, and of one batch: as many as prompt and answer together need. */
const CONTEXT = 512;
const greedy = { token: true, options: { temperature: 0 } } as const;

let sequence: LlamaSequence | undefined;

/** Evaluates ids after those that came before, and asks for what follows the last. */
async function evaluate(ids: readonly number[], ask: LlamaAsk): Promise<LlamaNext> {
  if (!sequence) throw new Error("the model was not loaded");
  const last = ids.length - 1;
  const results = await sequence.controlledEvaluate(ids.map((id, i) => (i === last ? [id, ask] : id)));
  const next = results[last]?.next;
  if (!next) throw new Error("llama.cpp gave no result for the last token");
  return next;
}

const seconds = (since: number): number => (performance.now() - since) / 1000;

const contender: Contender = {
  async load() {
    const { getLlama } = await importLlama();
    const llama = await getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      progressLogs: false,
      logLevel: "error",
      maxThreads: Number(threads),
    });
    const started = performance.now();
    const model = await llama.loadModel({
      modelPath: file,
      gpuLayers: 0,
      useMmap: true,
      ignoreMemorySafetyChecks: true,
    });
    const context = await model.createContext({
      contextSize: CONTEXT,
      batchSize: CONTEXT,
      threads: Number(threads),
      ignoreMemorySafetyChecks: true,
    });
    sequence = context.getSequence();
    const ready = seconds(started);
    await contender.turn([0], 0);
    return { ready, answered: seconds(started) };
  },

  async turn(prompt, tokens) {
    await sequence?.clearHistory();
    let last = performance.now();
    let next = await evaluate(prompt, { generateNext: greedy });
    const prefill = seconds(last);
    const decode: number[] = [];
    for (let i = 0; i < tokens; i += 1) {
      last = performance.now();
      next = await evaluate([next.token ?? 0], { generateNext: greedy });
      decode.push(seconds(last));
    }
    return { prefill, decode };
  },

  async logits(ids) {
    await sequence?.clearHistory();
    const { logits } = await evaluate(ids, { generateNext: { ...greedy, logits: true } });
    const values = new Float32Array(logits?.size ?? 0);
    for (const [id, value] of logits ?? []) values[id] = value;
    return values;
  },
};

serve(contender);
