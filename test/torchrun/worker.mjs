/**
 * @file Stands where a machine's Python does, with what PyTorch would take: it answers check.py's question, and under torchrun's command
 * line takes a job's steps as train.py tells and keeps them. A step adds its rate to every value that is trained.
 *
 *     worker.mjs BEHAVIOUR - JOB CHECKPOINT                                  one line, as check.py
 *     worker.mjs BEHAVIOUR -m torch.distributed.run ... JOB/train.py JOB     the processes of one machine, here a single one
 */
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../dist/src/weights/safetensors.js";

const TENSORS = "adapter_model.safetensors";
const VERSIONS = { torch: "2.9.0", transformers: "5.0.0", peft: "0.18.0", safetensors: "0.7.0", deepspeed: "0.18.0" };

const [behaviourFile, ...words] = process.argv.slice(2);
const behaviour = {
  ...{ versions: {}, gpus: 0, load: 0, step: 0 },
  ...JSON.parse(readFileSync(behaviourFile, "utf8")),
};
if (words[0] === "-") answer(words[1], words[2]);
else await work(words[words.findIndex((word) => basename(word) === "train.py") + 1]);

function answer(job, checkpoint) {
  const host = process.env.SLURMD_NODENAME ?? hostname();
  const seen = { job: existsSync(join(job, "job.json")), checkpoint: existsSync(join(checkpoint, "config.json")) };
  const found = { host, python: "3.12.0", versions: { ...VERSIONS, ...behaviour.versions }, gpus: behaviour.gpus };
  console.log(`Welcome to this machine\nglmlab:${JSON.stringify({ ...found, ...seen, port: 29511 })}`);
}

async function work(folder) {
  const rank = Number(process.env.SLURM_NODEID ?? words[words.indexOf("--node-rank") + 1] ?? 0) || 0;
  appendFileSync(join(folder, "launched.jsonl"), `${JSON.stringify({ rank, words })}\n`);
  if (behaviour.ends?.[rank] !== undefined) {
    console.error("the last thing that it says");
    process.exit(behaviour.ends[rank]);
  }
  let isAsked = false;
  process.on("SIGTERM", () => {
    isAsked = true;
  });
  for (let ms = 0; ms < behaviour.load; ms += 20) {
    await wait(20);
    // Loading the model, Python is ended by it.
    if (isAsked) process.exit(143);
  }
  if (rank > 0) return;
  await train(folder, () => isAsked || existsSync(join(folder, "stop")));
}

async function train(folder, mustEnd) {
  const read = (name) => readFileSync(join(folder, name), "utf8");
  const { start, settings } = JSON.parse(read("job.json"));
  const plan = read("steps.jsonl").trim().split("\n").map(JSON.parse);
  const rows = read("rows.jsonl").trim().split("\n").map(JSON.parse);
  const emit = (event) => appendFileSync(join(folder, "metrics.jsonl"), `${JSON.stringify(event)}\n`);
  const { values } = await readSafetensors(join(folder, "adapter", TENSORS));
  const keep = async (step) => {
    const place = join(folder, "result");
    mkdirSync(place, { recursive: true });
    copyFileSync(join(folder, "adapter", "adapter_config.json"), join(place, "adapter_config.json"));
    await writeSafetensors(join(place, TENSORS), sourcesOf(values));
    writeFileSync(join(place, "state.json.part"), JSON.stringify({ step }));
    renameSync(join(place, "state.json.part"), join(place, "state.json"));
  };
  emit(start);
  for (const [i, { epoch, lr, parts }] of plan.entries()) {
    if (mustEnd()) {
      await keep(i);
      return emit({ type: "stopped", step: i });
    }
    if (behaviour.failsAt === i) {
      await keep(i);
      return fail(folder);
    }
    const tokens = parts
      .flat()
      .flatMap((row) => rows[row].labels.slice(1))
      .filter((label) => label >= 0).length;
    for (const { data } of Object.values(values)) for (const at of data.keys()) data[at] += lr;
    const [loss, step] = [1 / (i + 1), i + 1];
    emit({ type: "step", step, steps: plan.length, epoch, loss, lr, gradientNorm: 1, tokens, seconds: 0.01 });
    if (plan[i + 1]?.epoch !== epoch) emit({ type: "epoch", epoch, loss, best: true });
    await wait(behaviour.step);
  }
  await keep(plan.length);
  const [steps, last] = [plan.length, plan.at(-1)];
  const best = { bestEpoch: last.epoch, bestStep: steps, loss: 1 / steps };
  emit({ type: "done", steps, ...best, seconds: 0.1, reason: settings.maxSteps > 0 ? "steps" : "epochs" });
}

function fail(folder) {
  if (behaviour.fault) {
    mkdirSync(join(folder, "faults"), { recursive: true });
    writeFileSync(join(folder, "faults", "0.json"), JSON.stringify({ ...behaviour.fault, time: 1 }));
  }
  console.error("the last thing that it says");
  process.exit(1);
}
