import type { Tokenizer } from "@lowrank/models";
import type { DPOOptions, Examples, LanguageModel, Measures, OwnTask, TokenizedExample } from "@lowrank/train";
import type { RecordForm } from "@lowrank/train/internal";
import type { IndexedOptions, OpenDataOptions } from "../data/openTrainData.ts";
import type { ModelKind, TrainedModel } from "../kinds/modelKind.ts";
import type { ShownText } from "../view/renderExample.ts";

/** Command-line options that only some tasks use, and `--task` itself. */
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

/** Name of an option that only some tasks use. */
type OwnFlag = Exclude<keyof TaskFlags, "task">;

/** Names of the options that only some tasks use. */
export const ownFlags: readonly OwnFlag[] = [
  ...(["teacher", "beta", "lossType", "temperature", "scale", "centerRewardsCoefficient", "labels"] as const),
];

/** Training and validation data of a run, with a description for the output. */
export interface TaskData {
  /** Training examples, in memory or streamed from disk. */
  readonly train: Examples<unknown>;
  /** The first training examples. They are in memory even if the data are streamed. */
  readonly first: readonly unknown[];
  readonly validation: readonly unknown[];
  readonly description: string;
}

/** Options and models that determine a task's loss. */
export interface TaskSetting {
  readonly padding: { readonly padTokenId: number; readonly maxLength: number };
  readonly flags: TaskFlags;
  readonly teacher: LanguageModel | null;
}

/** Training task that `lowrank train --task` offers: its model, data, loss and metrics. */
export interface CommandTask<Example = unknown> {
  readonly name: string;
  readonly title: string;
  /** Kind of model that the task trains. */
  readonly kind: ModelKind;
  /** Options of `TaskFlags` that the task uses. */
  readonly flags: readonly OwnFlag[];
  /** Number of sequences that each example adds to a forward pass, such as 2 for preference pairs. */
  readonly sequences: number;
  /** True if the loss compares the adapted model with the model without its adapter, as DPO does. */
  readonly comparesWithBase: boolean;
  /** True if several examples can be packed into one block of tokens. */
  readonly packs: boolean;
  /** Collects the label names from the data. Only tasks with named labels have it. */
  labels?(options: IndexedOptions & TaskFlags): Promise<readonly string[]>;
  /** Returns the format of the task's records, with which data files are indexed. */
  form(labels: readonly string[]): RecordForm<unknown>;
  read(tokenizer: Tokenizer, options: OpenDataOptions, labels: readonly string[]): Promise<TaskData>;
  /**
   * Returns the token sequences of an example that are passed to the model. The loss of the base model is measured on
   * these sequences, and prompts for sample answers are taken from them.
   */
  texts(example: Example): readonly TokenizedExample[];
  /** Returns the texts of an example, cut to `maxLength` tokens, with marks on the tokens that count in the loss. */
  show(tokenizer: Tokenizer, example: Example, labels: readonly string[], maxLength: number): readonly ShownText[];
  /**
   * True if the task trains with the model's own loss instead of a loss of the task. Only the model's loss supports
   * `--metrics` and `--group-by-length`.
   */
  readonly lossOfModel: boolean;
  /** Returns the task's loss; null to use the model's own. */
  own(setting: TaskSetting): OwnTask<never, never, unknown> | null;
  /**
   * True if `lowrank train` uses the task's own loss to check that training left the base model unchanged. If false, it
   * uses the model's loss.
   */
  readonly probesOwn: boolean;
  /** Names of the metrics that are better the smaller they are. */
  readonly lowerIsBetter?: readonly string[];
  /** Returns metrics other than the loss, by name. */
  measure(
    model: TrainedModel,
    examples: readonly Example[],
    setting: TaskSetting,
    batchSize: number,
  ): Promise<Measures>;
}

/**
 * Returns `task` with the type of its examples removed from its own type. Tasks with different examples can then be in
 * one list.
 */
export function commandTask<Example>(task: CommandTask<Example>): CommandTask {
  return task as unknown as CommandTask;
}
