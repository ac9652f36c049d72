/**
 * @file glmlab: chat with ChatGLM and fine-tune it, from a notebook cell or a script. This file is the map.
 *
 *   load("tiny")  ->  ChatGLM            chat, ask, askAll, generate, logits, prompt, tokenizer   src/api/chatglm.ts
 *                       |
 *                       createAdapter(name, lora({ r: 8 }))  ->  AdapterHandle                    src/api/adapter.ts
 *                                                                  |
 *      dataset(rows).batches(...)  ->  gradients(batch)  ->  adamW({ lr }).step(adapter, ...)     src/api/optimizer.ts
 *      dataset(rows)  ------------------>  fit(rows, { epochs, rehearse, ... })  ->  events       src/train/trainer.ts
 *
 *      loadDataset("rows.jsonl")  ->  Dataset   ->  data(...)  ->  what is in it, what is learnt of it       src/data/, src/api/data.ts
 *
 *                       knowledge(name)  ->  KnowledgeBook      add, update, delete, check        src/api/knowledge.ts
 *
 *                       evaluate(rows, { scores, adapters }), forgetting(adapter)  ->  Evaluation  src/api/evaluate.ts, src/scores
 *
 *   countParameters("THUDM/chatglm3-6b", lora())  ->  PEFT's line, from config.json alone         src/api/count-parameters.ts
 *
 * Behind it, an engine holds the weights (src/engine/engine.ts): LocalEngine in this process, or one in a runtime that
 * notebooks share, reached through ReconnectingEngine. It runs ONNX graphs that src/graph builds from a model's one definition
 * (src/models) and that src/train differentiates; src/adapters says what a fine-tuning method does to them, src/quantization in
 * which form weights are held, src/weights how they lie in files. src/hub fetches models, src/text turns text into ids and back.
 */

export type {
  AdaLoraConfig,
  AdapterConfig,
  AdapterTensors,
  EmbeddingsConfig,
  FreezeConfig,
  FullConfig,
  LoraConfig,
  Method,
  ModuleRank,
  PTuningConfig,
} from "./adapters/adapter.ts";
export { type Ambient, ambient, type Frontend, type MimeBundle, withAmbient } from "./ambient.ts";
// Fine-tuning
export {
  AdapterHandle,
  type AdapterSaveOptions,
  type BaseAnswersOptions,
  type GradientOptions,
  type StepResult,
} from "./api/adapter.ts";
export type { KnowledgeProgress, TeachSettings } from "./api/book-training.ts";
export { ChatGLM } from "./api/chatglm.ts";
export type {
  AdapterAnswer,
  AdapterChoice,
  AnswerProgress,
  AskAllOptions,
  AskEachOptions,
  ChatOptions,
  CreateAdapterOptions,
  GenerateOptions,
  KnowledgeOptions,
  LoadAdapterOptions,
  LogitsOptions,
  SaveOptions,
} from "./api/chatglm-options.ts";
export { type CountedParameters, type CountOptions, countParameters } from "./api/count-parameters.ts";
export type { DataOptions } from "./api/data.ts";
export type { DataReport, LabelledRow, LengthReport } from "./api/data-report.ts";
export { devices } from "./api/devices.ts";
// Knowledge
// Scores
export type {
  AnswersOptions,
  EvaluateOptions,
  EvaluateProgress,
  ScoreChoice,
  ScoreFunction,
} from "./api/evaluate.ts";
export type { AskingProgress, ExamineOptions } from "./api/examiner.ts";
export type { FitSettings } from "./api/fit-request.ts";
export type { ForgettingOptions } from "./api/forgetting.ts";
export type { GenerationDefaults } from "./api/generation.ts";
export { type GradientStep, Gradients } from "./api/gradients.ts";
export { KnowledgeBook } from "./api/knowledge.ts";
export type { BookMethod } from "./api/knowledge-method.ts";
export type { Pace } from "./api/knowledge-pace.ts";
// Loading and asking
export { type LoadOptions, type LoadProgress, load } from "./api/load.ts";
export {
  type AdaLoraOptions,
  adaLora,
  embeddings,
  type FreezeOptions,
  type FullOptions,
  freeze,
  full,
  type LoraOptions,
  lora,
  type PTuningOptions,
  pTuning,
} from "./api/methods.ts";
export { adamW, Optimizer, type StepOptions } from "./api/optimizer.ts";
export type { RehearsalRows, Rows } from "./api/rows.ts";
export type { Abortable } from "./api/signal.ts";
export type { SourceOptions } from "./api/source.ts";
export { TrainableSummary } from "./api/summary.ts";
// Text
export { loadTokenizer } from "./api/tokenizer.ts";
export type { DeviceReport } from "./backend/devices.ts";
// Data
export type { ColumnMap, ColumnTarget } from "./data/columns.ts";
export {
  type BatchOptions,
  type Dataset,
  type DatasetRules,
  dataset,
  type LoadDatasetOptions,
  loadDataset,
  type RowBatch,
} from "./data/dataset.ts";
export { type FileRules, type ReadingProgress, readRows, type StreamRules, streamRows } from "./data/read-files.ts";
export type { Row, RowTurn } from "./data/row.ts";
export { parseRows, type RowInput, type RowRules, type Turn } from "./data/rows.ts";
export type {
  AdapterInfo,
  AdapterRef,
  Batch,
  DeviceChoice,
  MergedForm,
  ModelInfo,
  ParameterInfo,
  Precision,
  RunInfo,
  SaveReport,
} from "./engine/engine.ts";
export { type ErrorCode, GlmError } from "./errors.ts";
export type { SamplingOptions } from "./generate/sampler.ts";
export type { HubName } from "./hub/names.ts";
export type { Fact, FactInput } from "./knowledge/fact.ts";
export { rehearsalQuestions, unrelatedQuestions } from "./knowledge/questions.ts";
export { type FactReport, KnowledgeReport, type LocalityReport, type ReportData } from "./knowledge/report.ts";
export type { ChatGLMConfig, Family } from "./models/config.ts";
// Around it
export type { Given } from "./options.ts";
export {
  type Answerer,
  type EvaluatedAnswer,
  type EvaluatedRow,
  Evaluation,
  type EvaluationData,
  type ScoreInfo,
  type Totals,
} from "./scores/evaluation.ts";
export { type ForgettingQuestions, forgettingQuestions } from "./scores/forgetting-questions.ts";
export { type Check, type Checked, questionRubric, type Rubric, rubric } from "./scores/rubric.ts";
export { type ScoreName, scoreNames } from "./scores/score.ts";
export type { DataOf, DType, FloatTensor, Tensor } from "./tensor.ts";
export type { History } from "./text/history.ts";
export type { Message, Role } from "./text/prompt.ts";
export type { DecodeStream, Tokenizer } from "./text/tokenizer.ts";
export type { Cut } from "./train/cut.ts";
export type { FitOptions } from "./train/fit-options.ts";
export type { Monitor } from "./train/monitor.ts";
export type { AdamWOptions, OptimizerConfig } from "./train/optimizer.ts";
export type { SchedulerName } from "./train/schedule.ts";
export type { FitEvent } from "./train/trainer.ts";
export { version } from "./version.ts";
