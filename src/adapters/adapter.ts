/**
 * @file What an adapter is: a few hooks. The trainer and the generator know these and never ask which method it is.
 */
import type { Value } from "../graph/value.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { ModuleSpec, ParameterBinder, ParameterSpec } from "../models/context.ts";
import type { FloatTensor } from "../tensor.ts";

/**
 * Modules by their names or the endings of these ("query_key_value", "dense", "word_embeddings", "output_layer"), or by a regular
 * expression for the whole name, in Python's syntax; "all-linear" are all linear ones but the output layer.
 */
export type Targets = string | readonly string[];

export interface LoraConfig {
  readonly method: "lora";
  /** Rank of the update. */
  readonly r: number;
  /** The update is scaled by alpha / r. */
  readonly alpha: number;
  /** Probability that an input of the update is dropped while training. */
  readonly dropout: number;
  readonly targets: Targets;
  /** Scales by alpha / sqrt(r) instead (rank-stabilised LoRA, `use_rslora` in PEFT). */
  readonly rankStabilized?: boolean;
  /** Other ranks and alphas for some modules; keys are regular expressions for the end of a module's name, as in PEFT. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Biases of the base that are trained as well: all, or those of the targets. None when absent. */
  readonly bias?: "all" | "lora_only";
  /** Learns the length of each row of the changed weights apart from its direction (DoRA, `use_dora` in PEFT). */
  readonly dora?: boolean;
  /** Modules that train whole beside the updates, by the endings of their names (`modules_to_save`). */
  readonly modulesToSave?: readonly string[];
  /** How A starts: from a normal distribution of deviation 1/r; uniform in ±1/sqrt(in) when absent. */
  readonly init?: "gaussian";
}

export interface FullConfig {
  readonly method: "full";
  /** Trains only parameters whose name contains one of these; all parameters when absent. */
  readonly match?: readonly string[];
}

export interface AdaLoraConfig {
  readonly method: "adaLora";
  /** Rank of a module in the mean, when it has trained (`target_r` in PEFT). */
  readonly r: number;
  /** Rank at first (`init_r`). */
  readonly initR: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly targets: Targets;
  /** Steps before the first singular value is given up, and after the last. */
  readonly tinit: number;
  readonly tfinal: number;
  /** Steps between two times at which some are given up. */
  readonly deltaT: number;
  /** How slowly importance and its uncertainty change. */
  readonly beta1: number;
  readonly beta2: number;
  /** How much it costs that singular vectors are not orthogonal (`orth_reg_weight`). */
  readonly orthogonality: number;
  /** Steps of training, for loops by hand: a run knows its own. */
  readonly totalStep?: number;
}

/** One of the two is given. */
export interface FreezeConfig {
  readonly method: "freeze";
  /** Trains the last so many layers; everything else is frozen. */
  readonly layers?: number;
  /** Trains parameters whose name contains one of these ("layers.27."); everything else is frozen. */
  readonly match?: readonly string[];
}

export interface EmbeddingsConfig {
  readonly method: "embeddings";
}

export interface PTuningConfig {
  readonly method: "pTuning";
  /** Virtual tokens: keys and values of so many places, in each layer (`pre_seq_len` of the published scripts). */
  readonly length: number;
  /** Made from embeddings by a small network that trains, too, rather than trained themselves (`prefix_projection`). */
  readonly projection: boolean;
  /** Probability that a number of the keys and values is dropped while training. */
  readonly dropout: number;
}

export type AdapterConfig = LoraConfig | AdaLoraConfig | PTuningConfig | FreezeConfig | EmbeddingsConfig | FullConfig;
export type Method = AdapterConfig["method"];

/** Named float32 tensors: an adapter's values, in the names of its files. */
export type AdapterTensors = Record<string, FloatTensor>;

/**
 * Keys and values that every token of a row sees before the row's own, float32 [1, groups, length, headSize] for each layer. They
 * are not rotated, and take no position from the row's tokens.
 */
export interface Prefix {
  readonly length: number;
  readonly layers: readonly { readonly keys: FloatTensor; readonly values: FloatTensor }[];
}

/** What a module's output becomes: x·W·gain + x·down·up + bias. An embedding's x is a row of the identity. */
export interface LowRankUpdate {
  /** [in, r] */
  readonly down: FloatTensor;
  /** [r, out], with scale and gain folded in. */
  readonly up: FloatTensor;
  /** [out]: what the base's product is multiplied by; 1 when absent. */
  readonly gain?: FloatTensor;
}

/** What an adapter does to a model that only runs forward. Absent parts have no effect. */
export interface AdapterEffect {
  readonly lowRank?: ReadonlyMap<string, LowRankUpdate>;
  /** Base parameters that have other values, by checkpoint name. */
  readonly overrides?: ReadonlyMap<string, FloatTensor>;
  readonly prefix?: Prefix;
}

/** A training graph's model with an adapter laid over it. */
export interface AdaptedModel {
  readonly context: ParameterBinder;
  /** Keys and values before every row's own, by layer: [1, groups, length, headSize]. */
  readonly prefix?: (layer: number) => { readonly keys: Value; readonly values: Value };
  /** Added to the loss: []. */
  readonly penalty?: Value;
}

/** How much of its rank a module has left. */
export interface ModuleRank {
  /** In the base's words: "transformer.encoder.layers.0.self_attention.query_key_value". */
  readonly module: string;
  readonly rank: number;
  /** The rank that it began with. */
  readonly of: number;
}

/** What an adapter is told of a step that an optimiser has taken. */
export interface TakenStep {
  /** The values after it; they may be changed in place. */
  readonly tensors: AdapterTensors;
  /** Those that it was taken along, clipped. */
  readonly gradients: AdapterTensors;
  /** What the adapter remembers; undefined at first. */
  readonly memory?: AdapterTensors | undefined;
  /** Counted from 0, and how many there will be. */
  readonly step: number;
  readonly steps: number;
}

/** The base as an adapter meets it: which tensors there are, and their values when it must start from them. */
export interface BaseModel {
  readonly parameters: readonly ParameterSpec[];
  /** Elements that it counts as, where that is not those of its parameters: packed codes and their scales. */
  readonly count?: number;
  /** Parameters that do not train by themselves: their modules are held in fewer bits. Biases still train as a LoRA's (`bias`). */
  readonly frozen?: ReadonlySet<string>;
  /** Linear modules by name ("transformer.encoder.layers.0.mlp.dense_h_to_4h"), with weights [out, in]. */
  readonly modules: readonly ModuleSpec[];
  readonly config: ChatGLMConfig;
  read(name: string): Promise<FloatTensor>;
}

/** A way of fine-tuning, configured and laid over one base model. Stateless: values travel as AdapterTensors. */
export interface Adapter {
  readonly config: AdapterConfig;
  readonly parameters: readonly ParameterSpec[];
  /** What its user should know of how the configuration was understood. */
  readonly note?: string;
  /** Starting values: no effect on the base's answers until trained. Reproducible from the seed. */
  initialize(seed: number): Promise<AdapterTensors>;
  /** Numbers that training graphs are fed beside the parameters, by name: graphs that differ only in them are one. */
  readonly numbers?: AdapterTensors;
  /** More of these, which are made of the base's values. */
  readonly measured?: { readonly shapes: readonly ParameterSpec[]; read(): Promise<AdapterTensors> };
  /** Lays the adapter over a training graph; `inputs` are its parameters and numbers as graph inputs, by name. */
  applyToTraining(base: ParameterBinder, inputs: ReadonlyMap<string, Value>, dropout: Dropout): AdaptedModel;
  /** Those of its parameters that stand for ones of the base which PEFT trains where they are, by their names here. */
  readonly inPlace?: ReadonlySet<string>;
  /** Elements of each token that dropout has masks for, in all modules together; 0 when absent. */
  readonly masked?: number;
  /** Elements that it counts as besides its parameters, where PEFT has some that do not train. */
  readonly counters?: number;
  /** Does what it does after each step, and returns what it will remember. */
  readonly afterStep?: (step: TakenStep) => AdapterTensors;
  /** How large what it remembers of steps is, in copies of its parameters; 0 when absent. */
  readonly remembered?: number;
  /**
   * What is left of each module's rank, where training gives ranks up.
   * @param memory what it remembered after the last step, where that is known
   */
  readonly ranks?: (tensors: AdapterTensors, memory?: AdapterTensors) => readonly ModuleRank[];
  /**
   * To be asked before a run.
   * @throws GlmError "option-invalid" when so many steps are too few for what it does over a run
   */
  readonly mustLast?: (steps: number) => void;
  /** Steps that there will be, where only its configuration can tell. */
  readonly totalSteps?: number;
  /** Places before every row's own in attention; 0 when absent. */
  readonly prefixLength?: number;
  /** The same, for graphs that only run forward; of these values, also where it takes time. */
  forInference(tensors: AdapterTensors): AdapterEffect | Promise<AdapterEffect>;
  /** Base parameters that merging changes, by name. */
  readonly mergeTargets: ReadonlySet<string>;
  /** Why no weights of the model can hold its effect, where that is so. */
  readonly unmergeable?: string;
  /** What one of them becomes: a tensor of its own, `base` stays as it is. */
  merge(tensors: AdapterTensors, name: string, base: FloatTensor): FloatTensor;
}

/** Drops elements of a [rows, width] value while training, by a mask that is fed at every step. */
export type Dropout = (x: Value, place: string, rate: number) => Value;
