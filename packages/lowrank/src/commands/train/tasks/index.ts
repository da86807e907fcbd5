import { listed } from "../../../cli/optionValue.ts";
import { type CommandTask, ownFlags, type TaskFlags } from "./commandTask.ts";
import { contrast } from "./contrast.ts";
import { distillation, sft } from "./languageTasks.ts";
import { dpo, kto, orpo, reward } from "./preferenceTasks.ts";
import { tokenClassification } from "./tokenClassification.ts";

/** All tasks, the default first. */
export const tasks: readonly CommandTask[] = [sft, dpo, orpo, kto, reward, tokenClassification, contrast, distillation];

/** Returns the task called `name`. One of `tasks` must have this name. */
export function findTask(name: string): CommandTask {
  return tasks.find((task) => task.name === name) as CommandTask;
}

/** Options that only some tasks use: the options in `TaskFlags`, and the options that several tasks share. */
interface SharedFlags extends TaskFlags {
  pack?: boolean;
  blockSize?: number;
  metrics?: readonly string[];
  groupByLength?: boolean;
  sampleEvery?: number;
  samplePrompt?: readonly string[];
}

/** For each option that several tasks share, a function that returns true if a given task uses the option. */
const uses: Readonly<Record<Exclude<keyof SharedFlags, keyof TaskFlags>, (task: CommandTask) => boolean>> = {
  pack: ({ packs }) => packs,
  blockSize: ({ packs }) => packs,
  metrics: ({ lossOfModel }) => lossOfModel,
  groupByLength: ({ lossOfModel }) => lossOfModel,
  sampleEvery: ({ kind }) => kind.writes,
  samplePrompt: ({ kind }) => kind.writes,
};

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Returns the task that the options select. Throws for options of other tasks, for a distillation without a teacher,
 * and for full fine-tuning of a task that needs an adapter.
 */
export function taskOfFlags(flags: SharedFlags, wholeModel: boolean): CommandTask {
  const task = findTask(flags.task);
  const refuse = (name: keyof SharedFlags, takes: (task: CommandTask) => boolean) => {
    if (flags[name] === undefined || takes(task)) return;
    const takers = tasks.filter(takes).map((other) => other.name);
    throw new Error(`${flagOf(name)} is for --task ${listed(takers)}; leave it out with --task ${task.name}`);
  };
  for (const name of ownFlags) refuse(name, (other) => other.flags.includes(name));
  for (const [name, takes] of Object.entries(uses)) refuse(name as keyof typeof uses, takes);
  if (task.flags.includes("teacher") && flags.teacher === undefined) {
    throw new Error(`--task ${task.name} needs a teacher model; give its folder as --teacher`);
  }
  if (wholeModel && task.comparesWithBase) {
    throw new Error(
      `--task ${task.name} compares the model with and without its adapter; give a --method other than full`,
    );
  }
  if (wholeModel && !task.kind.trainsWhole) {
    throw new Error(`--task ${task.name} can only train an adapter; give a --method other than full`);
  }
  return task;
}
