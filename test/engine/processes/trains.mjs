// Trains an adapter of a model in this process until it is killed; prints each step.
import { load } from "../../../dist/src/index.js";

const [folder, name] = process.argv.slice(2);
const glm = await load(folder, { runtime: "none" });
const adapter = await glm.adapter(name);
for await (const event of adapter.fit([{ prompt: "ab", response: "a" }], { epochs: 1e6, scheduler: "constant" })) {
  if (event.type === "step") console.log(JSON.stringify({ step: event.step }));
}
