/** @file This library's engine as a contender: `glmlab-contender.js FOLDER OPTIONS`, options of `load` as JSON. */
import { adamW, type ChatGLM, type LoadOptions, load, lora } from "../../src/index.ts";
import { type Contender, serve, type Trainer } from "./contender.ts";

const [folder = "", options = "{}"] = process.argv.slice(2);
let model: ChatGLM | undefined;

const loaded = (): ChatGLM => {
  if (!model) throw new Error("the model was not loaded");
  return model;
};

const seconds = (since: number): number => (performance.now() - since) / 1000;

const contender: Contender & Trainer = {
  async load() {
    const started = performance.now();
    model = await load(folder, { ...(JSON.parse(options) as LoadOptions), runtime: "none" });
    const ready = seconds(started);
    await contender.turn([0], 0);
    return { ready, answered: seconds(started) };
  },

  async turn(prompt, tokens) {
    const times: number[] = [];
    let last = performance.now();
    for await (const _ of loaded().generate(prompt, { greedy: true, maxNewTokens: tokens + 1, stop: [] })) {
      times.push(seconds(last));
      last = performance.now();
    }
    const [prefill = Number.NaN, ...decode] = times;
    return { prefill, decode };
  },

  async logits(ids) {
    const { data } = await loaded().logits(ids, { positions: [-1] });
    return data;
  },

  async steps(ids, count) {
    const adapter = await loaded().createAdapter("bench", lora({ r: 8, alpha: 32, targets: ["query_key_value"] }));
    const optimizer = adamW({ lr: 1e-4 });
    const times: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const started = performance.now();
      const { gradients } = await adapter.gradients({ inputIds: [[...ids]], labels: [[...ids]] });
      await optimizer.step(adapter, gradients);
      times.push(seconds(started));
    }
    await adapter.dispose();
    return times;
  },
};

serve(contender);
