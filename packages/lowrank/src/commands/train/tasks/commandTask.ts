import type { Tokenizer } from "@lowrank/models";
import type { DPOOptions, Examples, LanguageModel, Measures, OwnTask, TokenizedExample } from "@lowrank/train";
import type { RecordForm } from "@lowrank/train/internal";
import type { IndexedOptions, OpenDataOptions } from "../data/openTrainData.ts";
import type { ModelKind, TrainedModel } from "../kinds/modelKind.ts";
import type { ShownText } from "../view/renderExample.ts";

/** Options of individual tasks. */
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

/** Name of an option of individual tasks. */
type OwnFlag = Exclude<keyof TaskFlags, "task">;

/** Names of the options of individual tasks. */
export const ownFlags: readonly OwnFlag[] = [
  ...(["teacher", "beta", "lossType", "temperature", "scale", "centerRewardsCoefficient", "labels"] as const),
];

/** Data of a run. */
export interface TaskData {
  /** Examples for the trainer. */
  readonly train: Examples<unknown>;
  /** First training examples, in memory. */
  readonly first: readonly unknown[];
  readonly validation: readonly unknown[];
  readonly description: string;
}

/** Parts of a run that determine a task's loss. */
export interface TaskSetting {
  readonly padding: { readonly padTokenId: number; readonly maxLength: number };
  readonly flags: TaskFlags;
  readonly teacher: LanguageModel | null;
}

/** Training task, by name. */
export interface CommandTask<Example = unknown> {
  readonly name: string;
  readonly title: string;
  /** Kind of model that the task trains. */
  readonly kind: ModelKind;
  /** Options of `TaskFlags` that the task uses. */
  readonly flags: readonly OwnFlag[];
  /** Sequences in a forward pass for each example. */
  readonly sequences: number;
  /** True if the loss compares with the model without its adapter. */
  readonly comparesWithBase: boolean;
  /** True if examples can be packed into blocks. */
  readonly packs: boolean;
  /** Finds the labels in the data, for tasks with named labels. */
  labels?(options: IndexedOptions & TaskFlags): Promise<readonly string[]>;
  /** Returns the record form, for an index. */
  form(labels: readonly string[]): RecordForm<unknown>;
  read(tokenizer: Tokenizer, options: OpenDataOptions, labels: readonly string[]): Promise<TaskData>;
  /** Returns the texts of an example that go through the model, for loss probes and sample answers. */
  texts(example: Example): readonly TokenizedExample[];
  /** Returns the texts of an example up to `maxLength` tokens, with the learned tokens marked. */
  show(tokenizer: Tokenizer, example: Example, labels: readonly string[], maxLength: number): readonly ShownText[];
  /** True if the task uses the model's own loss, which supports metrics and grouping by length. */
  readonly lossOfModel: boolean;
  /** Returns the task's loss; null to use the model's own. */
  own(setting: TaskSetting): OwnTask<never, never, unknown> | null;
  /** True if the task's own loss can detect a changed base model. Otherwise the model's loss is used. */
  readonly probesOwn: boolean;
  /** Names of metrics for which smaller is better. */
  readonly lowerIsBetter?: readonly string[];
  /** Measures metrics in addition to the loss. */
  measure(
    model: TrainedModel,
    examples: readonly Example[],
    setting: TaskSetting,
    batchSize: number,
  ): Promise<Measures>;
}

/** Erases the example type of a task. */
export function commandTask<Example>(task: CommandTask<Example>): CommandTask {
  return task as unknown as CommandTask;
}
