/** @file What cells call when they use magics: the package's entry point "glmlab/magics". */

export type { MethodChoice } from "../src/api/methods.ts";
export { readRows } from "../src/data/read-files.ts";
export { parseRows } from "../src/data/rows.ts";
export { adaLora, embeddings, freeze, full, lora, pTuning } from "../src/index.ts";
export type { Round } from "./conversation.ts";
export { parseFacts, readFacts } from "./facts.ts";
export { LossChart, type LossChartOptions, type LossChartPoint, lossChart } from "./loss-chart.ts";
export { RankChart, type RankChartOptions, type RankChartPoint, rankChart } from "./rank-chart.ts";
export type { EpochPoint, LossPoint } from "./render/chart.ts";
export * from "./run/adapter.ts";
export * from "./run/chat.ts";
export * from "./run/chatglm.ts";
export * from "./run/data.ts";
export * from "./run/evaluate.ts";
export type { TrainCheck } from "./run/gauge.ts";
export * from "./run/knowledge.ts";
export * from "./run/model.ts";
export * from "./run/params.ts";
export * from "./run/runtime.ts";
export * from "./run/show.ts";
export * from "./run/train.ts";
export * from "./run/train-runs.ts";
export type { EpochRow } from "./run/training-view.ts";
export { vegaChart } from "./vega-chart.ts";
