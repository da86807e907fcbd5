import type { Tokenizer } from "@lowrank/models";
import type {
  DPOOptions,
  Examples,
  LanguageModel,
  Measures,
  OwnTask,
  RecordForm,
  TokenizedExample,
} from "@lowrank/train";
import type { IndexedOptions, OpenDataOptions } from "../data/openTrainData.ts";
import type { ModelKind, TrainedModel } from "../kinds/modelKind.ts";
import type { ShownText } from "../view/renderExample.ts";

/** Options of single tasks. */
export interface TaskFlags {
  task: string;
  teacher?: string;
  beta?: number;
  lossType?: NonNullable<DPOOptions["lossType"]>;
  temperature?: number;
  scale?: number;
  centerRewardsCoefficient?: number;
  labels?: string[];
}

/** The name of an option of single tasks. */
type OwnFlag = Exclude<keyof TaskFlags, "task">;

/** The names of options of single tasks. */
export const ownFlags: readonly OwnFlag[] = [
  ...(["teacher", "beta", "lossType", "temperature", "scale", "centerRewardsCoefficient", "labels"] as const),
];

/** The data of a run. */
export interface TaskData {
  /** The trainer's examples. */
  readonly train: Examples<unknown>;
  /** The first ones of these, in memory. */
  readonly first: readonly unknown[];
  readonly validation: readonly unknown[];
  readonly description: string;
}

/** The parts of a run that decide a task's loss. */
export interface TaskSetting {
  readonly padding: { readonly padTokenId: number; readonly maxLength: number };
  readonly flags: TaskFlags;
  readonly teacher: LanguageModel | null;
}

/** A way to learn from examples, by its name. */
export interface CommandTask<Example = unknown> {
  readonly name: string;
  readonly title: string;
  /** The kind of model that it trains. */
  readonly kind: ModelKind;
  /** The options of `TaskFlags` that it has. */
  readonly flags: readonly OwnFlag[];
  /** Sequences that a forward pass has for an example. */
  readonly sequences: number;
  /** True if the loss compares with the model without its adapter. */
  readonly comparesWithBase: boolean;
  /** True if examples can be packed into blocks. */
  readonly packs: boolean;
  /** Finds the labels that data have; for tasks that name them. */
  labels?(options: IndexedOptions & TaskFlags): Promise<readonly string[]>;
  /** Returns the form of records, for an index. */
  form(labels: readonly string[]): RecordForm<unknown>;
  read(tokenizer: Tokenizer, options: OpenDataOptions, labels: readonly string[]): Promise<TaskData>;
  /** The texts of an example that go through the model, for probes and answers. */
  texts(example: Example): readonly TokenizedExample[];
  /** Shows the texts of an example, as far as they are not cut, and what is learned of them. */
  show(tokenizer: Tokenizer, example: Example, labels: readonly string[], maxLength: number): readonly ShownText[];
  /** True if the loss is the model's own, which has metrics and lengths. */
  readonly lossOfModel: boolean;
  /** The loss; null for the model's own. */
  own(setting: TaskSetting): OwnTask<never, never, unknown> | null;
  /** True if that loss tells a changed base model; else the model's own does. */
  readonly probesOwn: boolean;
  /** Names of measurements that are better when smaller. */
  readonly lowerIsBetter?: readonly string[];
  /** Measurements besides the loss. */
  measure(
    model: TrainedModel,
    examples: readonly Example[],
    setting: TaskSetting,
    batchSize: number,
  ): Promise<Measures>;
}

/** Returns a task of examples of one kind as one of any. */
export function commandTask<Example>(task: CommandTask<Example>): CommandTask {
  return task as unknown as CommandTask;
}
