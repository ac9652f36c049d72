// A client of the runtime in a process of its own: loads the model it is told, then does what its second argument says.
// It prints one line of JSON for each thing that happened.
import { connectRuntime } from "../../../dist/src/runtime/connect.js";

const [name, task] = process.argv.slice(2);
const say = (event) => console.log(JSON.stringify(event));
const engine = await connectRuntime();
let model;
for await (const event of engine.stream("load", { name, device: "cpu", precision: "exact", quantize: "none" })) {
  if (event.type === "ready") model = event.model;
}
say({ ready: model.key, runtime: (await engine.status()).pid });
if (task === "wait") await new Promise((resolve) => process.stdin.once("data", resolve));
if (task === "train") {
  const adapter = { owner: "client", name: "trained" };
  const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] };
  await engine.call("createAdapter", { model: model.key, adapter, config, seed: 0 });
  const options = {
    ...{ epochs: 100_000, lr: 0.001, batchSize: 1, accumulate: 1, clip: 1, weightDecay: 0, scheduler: "constant" },
    ...{ warmup: 0, patience: 0, rehearse: [], rehearsePerBatch: 1, maxLength: 64, seed: 0, stop: [] },
  };
  const rows = [{ prompt: "a", response: "b" }];
  for await (const event of engine.stream("fit", { model: model.key, adapter, rows, validation: [], options }))
    say(event);
}
if (task === "exit") {
  const ending = performance.now();
  process.on("exit", () => say({ closedAfter: performance.now() - ending }));
  process.exit(0);
}
await engine.close();
