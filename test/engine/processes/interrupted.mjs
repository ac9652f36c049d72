// A cell thread that is terminated, as an interrupt does it, in a busy loop that follows an answer of the runtime.
import { Worker } from "node:worker_threads";
import { GREEDY } from "../../../dist/src/generate/sampler.js";
import { connectRuntime } from "../../../dist/src/runtime/connect.js";

const terminator = `
  const { Session } = require("node:inspector");
  const session = new Session();
  session.connectToMainThread();
  require("node:worker_threads").parentPort.on("message", () => setTimeout(() => session.post("Runtime.terminateExecution"), 200));
`;
const worker = new Worker(terminator, { eval: true });
const engine = await connectRuntime();
let model;
for await (const event of engine.stream("load", {
  name: process.argv[2],
  device: "cpu",
  precision: "exact",
  quantize: "none",
})) {
  if (event.type === "ready") model = event.model;
}
const options = {
  maxNewTokens: 100,
  ...GREEDY,
  stop: [],
};
async function cell() {
  for await (const event of engine.stream("generate", {
    model: model.key,
    rows: [{ ids: [5], adapter: null }],
    options,
  })) {
    if (event.type !== "token") continue;
    console.log(JSON.stringify({ busy: event.token }));
    worker.postMessage("interrupt");
    while (true);
  }
}
for (let round = 0; round < 3; round++) {
  void cell();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  console.log(JSON.stringify({ models: (await engine.call("models", {})).length }));
}
await worker.terminate();
await engine.close();
