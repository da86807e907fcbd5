import type { CausalLM, Tokenizer } from "@lowrank/models";
import type { PeftModel } from "@lowrank/peft";
import {
  type DPOOptions,
  distillation,
  dpo,
  type Examples,
  evaluate,
  evaluatePreferences,
  type KTOExample,
  kto,
  type LanguageModel,
  type OwnTask,
  orpo,
  type PreferenceExample,
  type TokenizedExample,
} from "@lowrank/train";
import {
  type IndexedOptions,
  indexTrainData,
  type OpenData,
  type OpenDataOptions,
  openTrainData,
} from "../openTrainData.ts";
import { listed } from "../optionValue.ts";
import { readJudged, readPairs } from "./taskRecords.ts";

/** Options of single tasks. */
export interface TaskFlags {
  task: string;
  teacher?: string;
  beta?: number;
  lossType?: NonNullable<DPOOptions["lossType"]>;
  temperature?: number;
}

/** Data of a task: its examples, and their texts, for probes and answers. */
export interface TaskData extends OpenData {
  /** The trainer's examples; the texts themselves where those are. */
  readonly examples: { readonly train: Examples<unknown>; readonly validation: readonly unknown[] };
}

interface TaskSetting {
  readonly padding: { readonly padTokenId: number; readonly maxLength: number };
  readonly flags: TaskFlags;
  readonly teacher: LanguageModel | null;
}

type Model = PeftModel<CausalLM> | CausalLM;

/** A way to learn from examples, by its name. */
export interface CommandTask {
  readonly name: string;
  readonly title: string;
  /** The options of `TaskFlags` that it has. */
  readonly flags: readonly (keyof TaskFlags)[];
  /** Sequences that a forward pass has for an example. */
  readonly sequences: number;
  /** True if the loss compares with the model without its adapter. */
  readonly comparesWithBase: boolean;
  /** Prepares large data before a model is loaded; for tasks that read them from disk. */
  index?(options: IndexedOptions): Promise<void>;
  read(tokenizer: Tokenizer, options: OpenDataOptions): Promise<TaskData>;
  /** The loss; null for the model's own. */
  own(setting: TaskSetting): OwnTask<never, never, unknown> | null;
  /** Measurements besides the loss, by their names. */
  measure(model: Model, examples: readonly unknown[], setting: TaskSetting, batchSize: number): Promise<Measures>;
}

type Measures = Readonly<Record<string, number>>;

const nothing = async (): Promise<Measures> => ({});

/** Data whose examples are their texts. */
async function readTexts(tokenizer: Tokenizer, options: OpenDataOptions): Promise<TaskData> {
  const data = await openTrainData(tokenizer, options);
  return { ...data, examples: data };
}

/** Rewards of pairs under the adapter, as TRL logs them. */
async function pairMeasures(
  model: Model,
  examples: readonly unknown[],
  { padding, flags: { beta } }: TaskSetting,
  batchSize: number,
): Promise<Measures> {
  const options = { ...padding, beta, batchSize };
  const found = await evaluatePreferences(model, examples as PreferenceExample[], options);
  const { chosen, rejected, margin, accuracy } = found;
  return {
    "rewards/chosen": chosen,
    "rewards/rejected": rejected,
    "rewards/margins": margin,
    "rewards/accuracies": accuracy,
  };
}

/** Mean rewards of good answers and of bad ones. */
async function judgedMeasures(
  model: Model,
  examples: readonly unknown[],
  { padding, flags: { beta } }: TaskSetting,
  batchSize: number,
): Promise<Measures> {
  const mean = async (desirable: boolean) => {
    const rows = (examples as KTOExample[]).filter((example) => example.desirable === desirable);
    if (rows.length === 0) return null;
    const pairs = rows.map((row) => ({ chosen: row, rejected: row }));
    return (await evaluatePreferences(model, pairs, { ...padding, beta, batchSize })).chosen;
  };
  const [chosen, rejected] = [await mean(true), await mean(false)];
  return {
    ...(chosen !== null && { "rewards/chosen": chosen }),
    ...(rejected !== null && { "rewards/rejected": rejected }),
    ...(chosen !== null && rejected !== null && { "rewards/margins": chosen - rejected }),
  };
}

/** The student's own loss on the data. */
async function studentMeasures(
  model: Model,
  examples: readonly unknown[],
  { padding }: TaskSetting,
  batchSize: number,
): Promise<Measures> {
  return { cross_entropy: (await evaluate(model, examples as TokenizedExample[], { ...padding, batchSize })).loss };
}

/** Examples of records, the last part of which validates unless a file of its own does. */
async function divided<T>(
  options: OpenDataOptions,
  read: (paths: readonly string[]) => Promise<T[]>,
  textsOf: (example: T) => readonly TokenizedExample[],
  unit: string,
): Promise<TaskData> {
  for (const flag of ["pack", "stream", "trainTokens", "validationTokens"] as const) {
    if (options[flag] !== undefined) {
      const name = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw new Error(`--${name} is for --task sft and distillation; leave it out`);
    }
  }
  const all = await read(options.data);
  const at = options.validation ? all.length : Math.ceil(all.length * (1 - options.validationFraction));
  const train = all.slice(0, at);
  const validation = options.validation ? await read([options.validation]) : all.slice(at);
  const count = (examples: readonly T[]) => {
    const tokens = examples.flatMap(textsOf).reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    return `${tokens.toLocaleString("en-US")} tokens in ${examples.length} ${unit}`;
  };
  const texts = train.map((example) => textsOf(example)[0]);
  return {
    train: texts,
    first: texts,
    validation: validation.map((example) => textsOf(example)[0]),
    examples: { train, validation },
    description: `${count(train)} to train on, ${count(validation)} to validate`,
  };
}

const readTaskPairs: CommandTask["read"] = (tokenizer, options) =>
  divided(
    options,
    (paths) => readPairs(tokenizer, paths, options.columns),
    ({ chosen, rejected }) => [chosen, rejected],
    "pairs",
  );

const readTaskJudged: CommandTask["read"] = (tokenizer, options) =>
  divided(
    options,
    (paths) => readJudged(tokenizer, paths, options.columns),
    (example) => [example],
    "judged answers",
  );

/** All tasks, the usual one first. */
export const tasks: readonly CommandTask[] = [
  {
    name: "sft",
    title: "texts and answers as they are",
    flags: [],
    sequences: 1,
    comparesWithBase: false,
    index: indexTrainData,
    read: readTexts,
    own: () => null,
    measure: nothing,
  },
  {
    name: "dpo",
    title: "better answers over worse ones",
    flags: ["beta", "lossType"],
    sequences: 2,
    comparesWithBase: true,
    read: readTaskPairs,
    own: ({ padding, flags: { beta, lossType } }) =>
      dpo({ ...padding, beta, lossType }) as OwnTask<never, never, unknown>,
    measure: pairMeasures,
  },
  {
    name: "orpo",
    title: "the same, without a reference",
    flags: ["beta"],
    sequences: 2,
    comparesWithBase: false,
    read: readTaskPairs,
    own: ({ padding, flags: { beta } }) => orpo({ ...padding, beta }) as OwnTask<never, never, unknown>,
    measure: pairMeasures,
  },
  {
    name: "kto",
    title: "answers that are good or bad by themselves",
    flags: ["beta"],
    sequences: 1,
    comparesWithBase: true,
    read: readTaskJudged,
    own: ({ padding, flags: { beta } }) => kto({ ...padding, beta }) as OwnTask<never, never, unknown>,
    measure: judgedMeasures,
  },
  {
    name: "distillation",
    title: "a teacher's distributions",
    flags: ["teacher", "beta", "temperature"],
    sequences: 1,
    comparesWithBase: false,
    index: indexTrainData,
    read: readTexts,
    own: ({ padding, flags: { beta, temperature }, teacher }) =>
      distillation({ ...padding, beta, temperature, teacher: teacher as LanguageModel }) as OwnTask<
        never,
        never,
        unknown
      >,
    measure: studentMeasures,
  },
];

/**
 * Returns the task that options name. Throws for options of other tasks, and where the whole model
 * trains and the task compares with it as it was.
 */
export function taskOfFlags(flags: TaskFlags, wholeModel: boolean): CommandTask {
  const task = tasks.find(({ name }) => name === flags.task) as CommandTask;
  const own = ["teacher", "beta", "lossType", "temperature"] as const;
  for (const flag of own.filter((flag) => flags[flag] !== undefined && !task.flags.includes(flag))) {
    const name = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const takers = tasks.filter((other) => other.flags.includes(flag)).map((other) => other.name);
    throw new Error(`--${name} is for --task ${listed(takers)}; leave it out with --task ${task.name}`);
  }
  if (task.flags.includes("teacher") && flags.teacher === undefined) {
    throw new Error(`--task ${task.name} learns from a model: give its folder as --teacher`);
  }
  if (wholeModel && task.comparesWithBase) {
    throw new Error(`--task ${task.name} compares with the model without its adapter; give a --method that has one`);
  }
  return task;
}
