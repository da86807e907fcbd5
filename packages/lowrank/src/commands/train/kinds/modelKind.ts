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

/** Dtype in which a model's weights are loaded or written. */
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
  /** Layers and parameter shapes of the model. */
  readonly shapes: StackDescription;
  /**
   * Names of parameters with random initial values, such as a new head's; empty if the checkpoint has all parameters.
   */
  readonly fresh: readonly string[];
  /** Writes the whole model to `place`, in `dtype`. Default: the dtypes that it has in memory. */
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
  /** Seed of the random initial weights of a new head. */
  seed: number;
}

/** Example code that runs a trained adapter, by language, for the model card. */
interface Usage {
  readonly python: readonly string[];
  readonly javascript?: readonly string[];
  readonly command?: string;
}

/** Kind of model that a task trains: a decoder, a classifier or an encoder. `taskType` is PEFT's name for its task. */
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
  /** Returns the label names of the checkpoint's head if training keeps that head, otherwise `wanted`. */
  labelsOf(path: string, wanted: readonly string[]): Promise<readonly string[]>;
  load(path: string, options: KindLoading): Promise<LoadedBase>;
  /** Returns the model's shapes without loading its weights. */
  describe(path: string, labels: readonly string[]): Promise<StackDescription<StackModel>>;
  /** Returns example code that runs an adapter of this kind of model. */
  usage(baseModel: string, labels: readonly string[]): Usage;
}
