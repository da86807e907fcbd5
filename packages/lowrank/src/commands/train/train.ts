import type { OptimizerName } from "@lowrank/train";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  integer,
  type LoadedWeights,
  names,
  number,
  threadsOption,
  weightsOption,
  wideSimdOption,
} from "../../cli/argument.ts";
import { backendOption } from "../../cli/loading/backends.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { addAdapterOptions } from "../../cli/options/adapterOptions.ts";
import { addQuantizeOptions, type QuantizeCommandOptions } from "../../cli/options/quantizeOptions.ts";
import { peftConfigOption } from "../../cli/options/trainedConfig.ts";
import { addTrainerFlags, type TrainerFlags } from "../../cli/options/trainerFlags.ts";
import { overwriteOption } from "../../cli/outputs/newOutput.ts";
import { defaultMethod, findMethods, methodNames, quantizedWords } from "../../report/methods.ts";
import { wrapped } from "../plan/plan.ts";
import { runTraining } from "./runTraining.ts";
import type { TaskFlags } from "./tasks/commandTask.ts";
import { tasks } from "./tasks/index.ts";
import { keepYoungSpaceSmall } from "./youngObjects.ts";

/** Options of `lowrank train`. */
export interface TrainCommandOptions extends QuantizeCommandOptions, TrainerFlags, TaskFlags {
  model: string;
  data: string[];
  columns?: Record<string, string>;
  onBadRecord: "error" | "skip";
  stream?: boolean;
  dataCache?: string;
  validation?: string;
  validationFraction: number;
  output: string;
  overwrite?: boolean;
  method: string;
  peftConfig?: string;
  optimizer: OptimizerName;
  findLr?: boolean;
  gradientCheckpointing?: boolean;
  lr?: number;
  loraplusLrRatio?: number;
  verify?: boolean;
  schedule: "constant" | "linear" | "cosine";
  warmupSteps: number;
  weightDecay: number;
  maxGradNorm: number;
  batchSize: number;
  accumulate: number;
  blockSize?: number;
  maxLength?: number;
  steps?: number;
  epochs: number;
  seed: number;
  weights: LoadedWeights;
  backend: string;
  threads: number;
  wideSimd?: boolean;
  pack?: boolean;
  saveEvery?: number;
  saveTotalLimit?: number;
  resume?: string;
  allowChanges?: boolean;
  logEvery: number;
  sampleEvery?: number;
  samples: number;
  samplePrompt?: string[];
  dryRun?: boolean;
  quiet?: boolean;
  json?: boolean;
  trainTokens?: number;
  validationTokens?: number;
}

const help = (): string => `
A text file is tokenized as a whole and cut into blocks. Files of records (.jsonl, .json, .csv, .tsv, .parquet) hold
examples: {"text"}, {"prompt", "completion"} (the loss counts only the completion), {"messages": [{"role", "content"}]}
(only the assistant's turns are learned), those of Alpaca or ShareGPT, or others by --columns. Ctrl-C stops after the running step, saves, and ends with code 130.

${quantizedWords()} trains on a model whose linear layers are quantised to 4 bits while they are read, so that they take an eighth of
the memory. Use the adapter on the model quantised in the same way (generate --quant-type). What does not fit still may with
--optimizer adamw8bit and --gradient-checkpointing.

Methods: ${wrapped(methodNames().join(", "))}.
An option that the method does not have is an error. What no option says, --peft-config says: any method with all its fields.

Options may be in a file of YAML or JSON, named first: "lowrank train run.yaml". Its keys are the options' names, as batchSize or
batch-size; options beside it go first. The config.json that a run leaves is such a file.

Examples:
  $ lowrank train --model ./model --data examples.jsonl --output ./adapter --r 16 --alpha 32 --epochs 2 --method qlora
  $ lowrank train run.yaml --lr 1e-3 --dry-run`;

/** Parses `--columns`, as in "prompt=question,completion=answer". */
function columns(list: string): Record<string, string> {
  const pairs = list.split(",").map((pair) => pair.split("="));
  const wrong = pairs.find((pair) => pair.length !== 2 || pair.includes(""));
  if (!wrong) return Object.fromEntries(pairs);
  throw new InvalidArgumentError(`"${wrong.join("=")}" is no key=column; give prompt=question,completion=answer`);
}

/** Returns the `lowrank train` command. */
export function trainCommand(): Command {
  const command = addModelOption(new Command("train"))
    .summary("trains an adapter and writes a folder that PEFT loads")
    .description(
      "Trains an adapter for a model on texts or examples, prints the loss before and after, and writes a folder that " +
        "PEFT loads.",
    )
    .requiredOption("--data <file...>", "files to train on: texts, or examples as .jsonl, .json, .csv or .parquet")
    .addOption(
      new Option("--columns <list>", "keys of the records, as prompt=question,completion=answer").argParser(columns),
    )
    .addOption(
      new Option(
        "--on-bad-record <how>",
        "error ends at a record that is broken or empty; skip leaves it out with a warning",
      )
        .choices(["error", "skip"])
        .default("error"),
    )
    .option("--stream", "read examples from disk when they are wanted, by an index (default: for data of over 64 MB)")
    .option("--data-cache <dir>", "folder for indices (default: lowrank/datasets in the user's cache)")
    .requiredOption("--output <dir>", "folder to write the adapter to")
    .addOption(overwriteOption())
    .addOption(
      new Option("--task <name>", `what is learned: ${tasks.map(({ name, title }) => `${name}, ${title}`).join("; ")}`)
        .choices(tasks.map(({ name }) => name))
        .default(tasks[0].name),
    )
    .option(
      "--beta <x>",
      "with dpo, orpo, kto: the weight of the reference or the odds (0.1); with distillation: from the teacher's divergence (0) to the student's (1)",
      number({ least: 0 }),
    )
    .addOption(new Option("--loss-type <name>", "with dpo (default: sigmoid)").choices(["sigmoid", "hinge", "ipo"]))
    .option("--teacher <path>", "with distillation: the model to learn from, of the same vocabulary")
    .option("--temperature <x>", "with distillation: logits are divided by it (default: 1)", number({ above: 0 }))
    .option(
      "--labels <names>",
      "with token-classification: the labels in their order, as O,B-PER,I-PER (default: the labels of the data)",
      names,
    )
    .option("--scale <x>", "with contrast: the factor of cosines (default: 20)", number({ above: 0 }))
    .option(
      "--center-rewards-coefficient <x>",
      "with reward: the weight of rewards that add up to 0, 0.01 say",
      number({ least: 0 }),
    )
    .addOption(new Option("--validation <file>", "measure the loss on this file").conflicts("validationFraction"))
    .option(
      "--validation-fraction <x>",
      "without --validation, hold back this last part of the data; 0 measures nothing",
      number({ least: 0, most: 0.9 }),
      0.1,
    )
    .addOption(
      new Option("--method <name>", "what trains: one of those named below")
        .argParser((name) => findMethods([name])[0].name)
        .default(defaultMethod().name),
    )
    .addOption(peftConfigOption());
  addQuantizeOptions(command, `with ${quantizedWords()} (default: nf4)`)
    .addOption(
      new Option("--optimizer <name>", "adamw; adamw8bit: its moments in a quarter of the memory; or lion")
        .choices(["adamw", "adamw8bit", "lion"])
        .default("adamw"),
    )
    .option(
      "--gradient-checkpointing",
      "compute activations again instead of keeping them: less memory, a third slower",
    )
    .option("--lr <x>", "peak learning rate (default: the method's usual rate, which is printed)", number({ above: 0 }))
    .option("--find-lr", "try learning rates from small to large, print what they do, suggest one, and write nothing")
    .option("--loraplus-lr-ratio <x>", "LoRA+: how many times as fast B learns as A, 16 say", number({ least: 1 }))
    .addOption(
      new Option("--schedule <name>", "the learning rate over the steps")
        .choices(["constant", "linear", "cosine"])
        .default("linear"),
    )
    .option("--warmup-steps <n>", "steps over which the rate rises from 0", integer(0), 0)
    .option("--weight-decay <x>", "decoupled weight decay", number({ least: 0 }), 0)
    .option("--max-grad-norm <x>", "scale larger gradients down to this norm; 0 leaves them", number({ least: 0 }), 1)
    .option("--batch-size <n>", "examples or blocks in a forward pass", integer(1), 8)
    .option("--accumulate <n>", "forward passes that make one step", integer(1), 1)
    .option(
      "--block-size <n>",
      "tokens in a block of a text or of packed examples (default: 256, or less where the model ends)",
      integer(2),
    )
    .option("--max-length <n>", "cut longer examples to this (default: where the model ends)", integer(2))
    .addOption(
      new Option("--steps <n>", "optimiser steps, instead of --epochs").argParser(integer(1)).conflicts("epochs"),
    )
    .option("--epochs <n>", "passes over the data", number({ above: 0 }), 3)
    .option("--seed <n>", "orders the data and draws the adapter's start", integer(0), 0)
    .addOption(weightsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--pack", "put several examples into a block instead of padding them; they do not see each other")
    .option("--eval-every <n>", "also measure the validation loss every n steps", integer(1))
    .option("--log-every <n>", "write a line to <output>/metrics.jsonl every n steps", integer(1), 1)
    .option("--sample-every <n>", "also answer prompts every n steps", integer(1))
    .addOption(
      new Option("--samples <n>", "answer the prompts of n examples before and after, for the report")
        .argParser(integer(0))
        .default(3)
        .conflicts("samplePrompt"),
    )
    .option("--sample-prompt <text...>", "answer these prompts instead")
    .option("--save-every <n>", "write <output>/checkpoint-<step> every n steps", integer(1))
    .option("--save-total-limit <n>", "keep the n newest checkpoints; older ones are removed", integer(1))
    .option("--resume <dir>", "go on from such a checkpoint, or from the newest in a folder, with the same options")
    .option(
      "--allow-changes",
      "resume although options, data or model differ from the checkpoint's, and print the differences",
    )
    .option("--verify", "read the written adapter again and compare its outputs with the trained adapter's")
    .option("--dry-run", "print modules, counts, memory, steps and an example, and write nothing")
    .option("--quiet", "print only warnings and errors on stderr")
    .option("--json", "print the result as one JSON object, and what goes on as lines of JSON on stderr")
    .option("--train-tokens <n>", "use only the first n tokens of the training data", integer(1))
    .option("--validation-tokens <n>", "use only the first n tokens of the validation data", integer(1));
  return addAdapterOptions(addTrainerFlags(command))
    .addHelpText("after", help())
    .action((_, options) => {
      keepYoungSpaceSmall();
      return runTraining(options);
    });
}
