import type { Backend } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import type {
  CausalLM,
  Encoder,
  LoadedModel,
  SequenceClassifier,
  StackDescription,
  StackModel,
  TokenClassifier,
  Tokenizer,
} from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftModel, TaskType } from "@lowrank/peft";
import type { LoadedWeights } from "../../../cli/argument.ts";
import type { BackendSettings } from "../../../cli/loading/backends.ts";

/** Dtype of weights in a model's folder. */
export type LoadedDType = Exclude<LoadedWeights, "packed">;

/** Model that a run trains, without its adapter. */
export type BaseModel = CausalLM | SequenceClassifier | TokenClassifier | Encoder;

/** Object that is trained: a model with its adapter, or the whole model. */
export type TrainedModel = BaseModel | PeftModel<BaseModel>;

/** Loaded base model of a run. */
export interface LoadedBase extends Pick<LoadedModel, "quantization"> {
  readonly model: BaseModel;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly padTokenId: number;
  /** Shapes of the model. */
  readonly shapes: StackDescription;
  /** Names of randomly initialised parameters: a new head's. */
  readonly fresh: readonly string[];
  /** Writes the whole model, in `dtype` or as it is in memory. */
  save(place: WritablePlace, dtype?: LoadedDType): Promise<void>;
}

/** Options for loading a model to train. */
export interface KindLoading extends BackendSettings {
  backend?: string;
  weights: LoadedWeights;
  quantize?: QuantizeOptions;
  silent?: boolean;
  /** Label names of a classifier; empty for other models. */
  labels: readonly string[];
  /** Seed of a new head's weights. */
  seed: number;
}

/** Code that uses an adapter. */
interface Usage {
  readonly python: readonly string[];
  readonly javascript?: readonly string[];
  readonly command?: string;
}

/** Kind of model that tasks train, with PEFT's name for its task. */
export interface ModelKind {
  readonly taskType: TaskType;
  /** Pipeline tag on the Hugging Face hub. */
  readonly pipelineTag: string;
  /** True for models that generate text. */
  readonly writes: boolean;
  /** True if the whole model can be trained and written. */
  readonly trainsWhole: boolean;
  /** True if an adapter can be initialised from the model's activations on examples. */
  readonly startsFromData: boolean;
  /** Returns the label names of a checkpoint's head if it is kept, and `wanted` otherwise. */
  labelsOf(path: string, wanted: readonly string[]): Promise<readonly string[]>;
  load(path: string, options: KindLoading): Promise<LoadedBase>;
  /** Describes the model without loading its weights. */
  describe(path: string, labels: readonly string[]): Promise<StackDescription<StackModel>>;
  /** Returns code that uses an adapter of the model. */
  usage(baseModel: string, labels: readonly string[]): Usage;
}
