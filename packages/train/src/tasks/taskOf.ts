import type { OptionKeys } from "@lowrank/core/internal";
import type { AnyExample } from "../data/batches/collateAny.ts";
import {
  type PaddingOptions,
  paddingOf,
  type TrainableModel,
  type TrainableModule,
} from "../data/batches/modelBatch.ts";
import { collateKeys } from "../data/padRows.ts";
import type { OwnTask } from "./ownTask.ts";
import { languageTask, type TrainingTask } from "./trainingTask.ts";

/**
 * Options that define the loss of a training: a custom task (collator and loss), or padding options for the model's own
 * `loss`.
 */
export type TaskOptions = PaddingOptions | OwnTask<never, never, unknown>;

/** Names of all options of `TaskOptions`. */
export const taskKeys: OptionKeys<TaskOptions> = {
  ...collateKeys,
  ...({ collate: true, loss: true, settings: true, tokens: true } as const),
};

/** Returns only the options that define a training's task. */
export function taskOptionsOf(options: TaskOptions): TaskOptions {
  return Object.fromEntries(Object.entries(options).filter(([key]) => Object.hasOwn(taskKeys, key))) as never;
}

const advice = "give the options collate: (examples) => batch and loss: (model, batch) => Tensor";

/** Returns the options as a custom task if they contain `collate` or `loss`, otherwise undefined. */
export function ownTaskOf(options: object): OwnTask<never, never, unknown> | undefined {
  return "collate" in options || "loss" in options ? (options as OwnTask<never, never, unknown>) : undefined;
}

function expectMethods(caller: string, of: string, value: object, names: readonly string[], fix: string): void {
  for (const name of names) {
    if (typeof (value as Record<string, unknown>)[name] === "function") continue;
    throw new Error(`${caller}: ${of} no ${name}; ${fix}`);
  }
}

/**
 * Returns the task that the options define for a model. Throws if the model or the options lack a method that the task
 * needs; the error's message names this method. Also throws if an example has no token ids and the options contain no
 * custom collator.
 */
export function taskOf(
  caller: string,
  model: TrainableModule,
  examples: readonly unknown[],
  options: TaskOptions,
): TrainingTask {
  const methods = ["namedParameters", "namedModules", "train", "eval"];
  expectMethods(caller, "the model has", model, methods, "give a Module of @lowrank/nn");
  const own = ownTaskOf(options);
  if (own) {
    expectMethods(caller, "the options have", own, ["collate", "loss"], advice);
    return async (examples) => (await import("./ownTask.ts")).ownTask(caller, model as never, own)(examples);
  }
  expectMethods(caller, "the model has", model, ["loss"], advice);
  const other = examples.findIndex((example) => !Array.isArray((example as Partial<AnyExample> | null)?.inputIds));
  if (other >= 0) throw new Error(`${caller}: example ${other} has no inputIds; tokenise it, or ${advice}`);
  return languageTask(model as TrainableModel, paddingOf(options as PaddingOptions, model as TrainableModel));
}
