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

/** The dtype of weights in a folder. */
export type LoadedDType = Exclude<LoadedWeights, "packed">;

/** A model that a run trains, below its adapter. */
export type BaseModel = CausalLM | SequenceClassifier | TokenClassifier | Encoder;

/** The object that trains: a model with its adapter, or the whole model. */
export type TrainedModel = BaseModel | PeftModel<BaseModel>;

/** A model as a run trains on it. */
export interface LoadedBase extends Pick<LoadedModel, "quantization"> {
  readonly model: BaseModel;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly padTokenId: number;
  /** The model's shapes. */
  readonly shapes: StackDescription;
  /** Names of parameters that start at random: those of a new head. */
  readonly fresh: readonly string[];
  /** Writes the whole model, in a dtype of its own or as it is in memory. */
  save(place: WritablePlace, dtype?: LoadedDType): Promise<void>;
}

/** Options of loading a model that is trained. */
export interface KindLoading extends BackendSettings {
  backend?: string;
  weights: LoadedWeights;
  quantize?: QuantizeOptions;
  silent?: boolean;
  /** The names of a classifier's labels; none for other models. */
  labels: readonly string[];
  /** Draws a new head. */
  seed: number;
}

/** Code that uses an adapter. */
interface Usage {
  readonly python: readonly string[];
  readonly javascript?: readonly string[];
  readonly command?: string;
}

/** A kind of model that tasks train, and PEFT's name for what it does. */
export interface ModelKind {
  readonly taskType: TaskType;
  /** The hub's name for it. */
  readonly pipelineTag: string;
  /** True for models that answer prompts with texts. */
  readonly writes: boolean;
  /** True where the whole model can be trained and written. */
  readonly trainsWhole: boolean;
  /** True where an adapter may start from what the model says of examples. */
  readonly startsFromData: boolean;
  /** The names of labels of a model's head that is kept; else those that are wanted. */
  labelsOf(path: string, wanted: readonly string[]): Promise<readonly string[]>;
  load(path: string, options: KindLoading): Promise<LoadedBase>;
  /** Describes the model without its weights. */
  describe(path: string, labels: readonly string[]): Promise<StackDescription<StackModel>>;
  /** Returns code that uses an adapter of it. */
  usage(baseModel: string, labels: readonly string[]): Usage;
}
