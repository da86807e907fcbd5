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

How to choose the method, the rank and the learning rate: https://github.com/lowrank/lowrank/blob/main/docs/choosing.md
Three defaults differ from LoraConfig and Trainer: --alpha is twice the rank (8 in LoraConfig), --target-modules is all-linear (queries and
values in LoraConfig, as in PEFT), and a tenth of the data is kept for validation (none in Trainer). The page has the reasons.

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
  throw new InvalidArgumentError(
    `"${wrong.join("=")}" is not of the form key=column; give pairs such as prompt=question,completion=answer`,
  );
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
      new Option(
        "--columns <list>",
        "keys of the data's records that hold the prompt, the completion and so on, such as prompt=question,completion=answer",
      ).argParser(columns),
    )
    .addOption(
      new Option(
        "--on-bad-record <how>",
        "for a broken or empty record: error stops the command, skip leaves the record out with a warning",
      )
        .choices(["error", "skip"])
        .default("error"),
    )
    .option(
      "--stream",
      "read each example from disk when it is needed, instead of keeping all in memory (default: for data of more than 64 MB)",
    )
    .option(
      "--data-cache <dir>",
      "folder for the index files of --stream (default: lowrank/datasets in the user's cache folder)",
    )
    .requiredOption("--output <dir>", "folder to write the adapter to")
    .addOption(overwriteOption())
    .addOption(
      new Option(
        "--task <name>",
        `training objective: ${tasks.map(({ name, title }) => `${name}, ${title}`).join("; ")}`,
      )
        .choices(tasks.map(({ name }) => name))
        .default(tasks[0].name),
    )
    .option(
      "--beta <x>",
      "with --task dpo or kto: strength of the pull towards the reference model (default: 0.1); with orpo: weight of the odds ratio loss (default: 0.1); with distillation: 0 for forward KL divergence, 1 for reverse, between them a mixture",
      number({ least: 0 }),
    )
    .addOption(
      new Option("--loss-type <name>", "with --task dpo: form of the loss (default: sigmoid)").choices([
        "sigmoid",
        "hinge",
        "ipo",
      ]),
    )
    .option(
      "--teacher <path>",
      "with --task distillation: folder of the teacher model, which must have the same vocabulary",
    )
    .option(
      "--temperature <x>",
      "with --task distillation: teacher and student logits are divided by this number (default: 1)",
      number({ above: 0 }),
    )
    .option(
      "--labels <names>",
      "with --task token-classification: labels in the order of their numbers, such as O,B-PER,I-PER (default: the labels found in the data)",
      names,
    )
    .option(
      "--scale <x>",
      "with --task contrast: cosine similarities are multiplied by this number (default: 20)",
      number({ above: 0 }),
    )
    .option(
      "--center-rewards-coefficient <x>",
      "with --task reward: weight of a penalty that keeps the mean reward near 0, such as 0.01",
      number({ least: 0 }),
    )
    .addOption(
      new Option("--validation <file>", "file of examples for the validation loss").conflicts("validationFraction"),
    )
    .option(
      "--validation-fraction <x>",
      "without --validation: fraction of the data, from its end, that is kept for validation; 0 turns validation off",
      number({ least: 0, most: 0.9 }),
      0.1,
    )
    .addOption(
      new Option("--method <name>", "adapter method, one of the list below")
        .argParser((name) => findMethods([name])[0].name)
        .default(defaultMethod().name),
    )
    .addOption(peftConfigOption());
  addQuantizeOptions(command, `with ${quantizedWords()} (default: nf4)`)
    .addOption(
      new Option(
        "--optimizer <name>",
        "adamw; adamw8bit, whose state takes a quarter of the memory; lion; adafactor, almost without state; or muon, which refuses parameters that are not matrices",
      )
        .choices(["adamw", "adamw8bit", "lion", "adafactor", "muon"] satisfies OptimizerName[])
        .default("adamw"),
    )
    .option(
      "--gradient-checkpointing",
      "recompute activations in the backward pass instead of storing them: less memory, about a third slower",
    )
    .option("--lr <x>", "peak learning rate (default: the method's usual rate, which is printed)", number({ above: 0 }))
    .option(
      "--find-lr",
      "learning rate finder: try increasing learning rates, print the loss at each, and suggest one; nothing is written",
    )
    .option(
      "--loraplus-lr-ratio <x>",
      "LoRA+: learning rate of the matrices B divided by that of A, such as 16",
      number({ least: 1 }),
    )
    .addOption(
      new Option("--schedule <name>", "learning rate schedule after the warmup")
        .choices(["constant", "linear", "cosine"])
        .default("linear"),
    )
    .option("--warmup-steps <n>", "steps in which the learning rate rises linearly from 0", integer(0), 0)
    .option("--weight-decay <x>", "decoupled weight decay, as in AdamW", number({ least: 0 }), 0)
    .option(
      "--max-grad-norm <x>",
      "clip the norm of all gradients to this value; 0 turns clipping off",
      number({ least: 0 }),
      1,
    )
    .option("--batch-size <n>", "examples or blocks per batch", integer(1), 8)
    .option("--accumulate <n>", "gradient accumulation: batches per optimizer step", integer(1), 1)
    .option(
      "--block-size <n>",
      "tokens per block that a text is cut into or examples are packed into (default: 256, or the model's maximum length if that is less)",
      integer(2),
    )
    .option(
      "--max-length <n>",
      "truncate longer examples to n tokens (default: the model's maximum length)",
      integer(2),
    )
    .addOption(
      new Option("--steps <n>", "optimizer steps to train, instead of --epochs")
        .argParser(integer(1))
        .conflicts("epochs"),
    )
    .option("--epochs <n>", "passes over the data", number({ above: 0 }), 3)
    .option("--seed <n>", "seed of the random order of the data and of the adapter's initial weights", integer(0), 0)
    .addOption(weightsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--pack", "pack several examples into one block instead of padding each; attention does not cross examples")
    .option(
      "--eval-every <n>",
      "measure the validation loss every n steps too, not only before and after training (default: a tenth of the steps, or more if that took over 5 % of the time)",
      integer(1),
    )
    .option("--log-every <n>", "write the metrics to <output>/metrics.jsonl every n steps", integer(1), 1)
    .option(
      "--sample-every <n>",
      "generate answers to sample prompts every n steps too, not only before and after training",
      integer(1),
    )
    .addOption(
      new Option(
        "--samples <n>",
        "generate answers to the prompts of n examples before and after training, for the report",
      )
        .argParser(integer(0))
        .default(3)
        .conflicts("samplePrompt"),
    )
    .option("--sample-prompt <text...>", "prompts to answer instead of those of the data")
    .option("--save-every <n>", "save a checkpoint to <output>/checkpoint-<step> every n steps", integer(1))
    .option("--save-total-limit <n>", "keep the n newest checkpoints; older ones are removed", integer(1))
    .option(
      "--resume <dir>",
      "continue from this checkpoint folder, or from the newest checkpoint in this folder, with the same options",
    )
    .option(
      "--allow-changes",
      "with --resume: continue even if options, data or model differ from those of the checkpoint; the differences are printed",
    )
    .option("--verify", "load the written adapter again and compare its outputs with those of the adapter in memory")
    .option(
      "--dry-run",
      "print the plan only: trained modules, parameter counts, memory, steps and one example; nothing is trained or written",
    )
    .option("--quiet", "print only warnings and errors on stderr")
    .option("--json", "print the result as one JSON object on stdout, and progress as lines of JSON on stderr")
    .option("--train-tokens <n>", "use only the first n tokens of the training data", integer(1))
    .option("--validation-tokens <n>", "use only the first n tokens of the validation data", integer(1));
  return addAdapterOptions(addTrainerFlags(command))
    .addHelpText("after", help())
    .action((_, options) => {
      keepYoungSpaceSmall();
      return runTraining(options);
    });
}
