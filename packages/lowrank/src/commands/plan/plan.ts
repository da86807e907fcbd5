import type { MatmulPrecision } from "@lowrank/core";
import { describeModel, presetNames } from "@lowrank/models";
import {
  type FloatDType,
  type PeftConfig,
  type PlannedOptimizer,
  type PlanOptions,
  planMemory,
  plannedOptimizers,
} from "@lowrank/peft";
import { webAssemblyMemory } from "@lowrank/peft/internal";
import { Command, InvalidArgumentError, Option } from "commander";
import { integer } from "../../cli/argument.ts";
import { parseBytes } from "../../cli/byteCount.ts";
import { printJson } from "../../cli/json.ts";
import { warn } from "../../cli/loading/loading.ts";
import { findModelConfig } from "../../cli/loading/modelConfig.ts";
import { plannedSteps } from "../../cli/options/adapterConfig.ts";
import { addAdapterOptions } from "../../cli/options/adapterOptions.ts";
import {
  addQuantizeOptions,
  givenQuantizeOptions,
  type QuantizeCommandOptions,
  toQuantizeOptions,
} from "../../cli/options/quantizeOptions.ts";
import { peftConfigOption, trainedConfig } from "../../cli/options/trainedConfig.ts";
import { precisionOption } from "../../cli/options/trainerFlags.ts";
import { defaultMethod, findMethods, type Method, methodNames, quantizedWords } from "../../report/methods.ts";
import { fitLowrank } from "./lowrankFit.ts";
import { planJson, planLines } from "./planReport.ts";

/** Options of `lowrank plan`. */
export interface PlanCommandOptions extends QuantizeCommandOptions {
  method: string;
  peftConfig?: string;
  seq?: number;
  batch: number;
  accumulate: number;
  dtype: FloatDType;
  adapterDtype?: FloatDType;
  gradientDtype?: FloatDType;
  gradientCheckpointing?: boolean;
  precision?: MatmulPrecision;
  /** Memory budget in bytes. The command prints whether training and generation fit into it. */
  memory?: number;
  optimizer: PlannedOptimizer;
  json?: boolean;
}

const help = `
No weights are read and nothing is computed: the model is built and trained for one step on shapes alone, so the bytes are
those of the tensors that Lowrank would hold. Sizes are in MB of 10^6 bytes, and bytes with --json.

Presets: ${wrapped(presetNames().join(", "))}.

Examples:
  $ lowrank plan llama-65b --method qlora --double-quant --r 64 --dtype bf16 --adapter-dtype bf16 --gradient-checkpointing
  $ lowrank plan ./model/config.json --method full --seq 1024 --batch 4 --memory 24GB --json`;

/** Breaks a text into lines of at most 110 characters. */
export function wrapped(text: string): string {
  return text.replace(/(.{1,110})( |$)/g, "$1\n").trimEnd();
}

const dtypes = ["f32", "f16", "bf16"];

/** Returns the `lowrank plan` command. */
export function planCommand(): Command {
  const command = new Command("plan")
    .summary("estimates the memory that fine-tuning and generation need")
    .description(
      "Estimates the memory that fine-tuning a model and generating with it take, part by part, and the devices that they fit on.",
    )
    .argument("<model>", "a model folder, a config.json, a GGUF file, or the name of a preset")
    .addOption(
      new Option("--method <name>", "what is trained: the whole model, an adapter, or an adapter on 4-bit weights")
        .choices(methodNames())
        .default(defaultMethod().name),
    )
    .addOption(peftConfigOption())
    .option(
      "--seq <n>",
      "tokens per sequence (default: 512, or the model's maximum length if that is less)",
      integer(1),
    )
    .option("--batch <n>", "sequences per batch", integer(1), 1)
    .option("--accumulate <n>", "gradient accumulation: batches per optimizer step", integer(1), 1)
    .addOption(new Option("--dtype <type>", "dtype of the base model's weights").choices(dtypes).default("f32"))
    .addOption(
      new Option("--adapter-dtype <type>", "dtype of the adapter (default: f32, as Lowrank trains it)").choices(dtypes),
    )
    .addOption(
      new Option(
        "--gradient-dtype <type>",
        "dtype of the gradients (default: the dtype of the trained parameters)",
      ).choices(dtypes),
    )
    .option("--gradient-checkpointing", "estimate with activations that are recomputed in the backward pass")
    .addOption(precisionOption())
    .option("--memory <size>", "check that the estimate fits this much memory, such as 8GB or 6GiB", memorySize)
    .addOption(
      new Option("--optimizer <name>", "optimizer whose state is counted").choices(plannedOptimizers).default("adamw"),
    );
  addQuantizeOptions(command, `with ${quantizedWords()} (default: nf4)`).option("--json", "print one JSON object");
  return addAdapterOptions(command).addHelpText("after", help).action(plan);
}

/** Parses a size in bytes, with a unit such as MB, GB, MiB or GiB. */
export function memorySize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== null) return bytes;
  throw new InvalidArgumentError("Expected a size above 0, such as 8GB or 6GiB.");
}

async function plan(source: string, options: PlanCommandOptions): Promise<void> {
  const [method] = findMethods([options.method]);
  checkOptions(method, options);
  const adapter = (await trainedConfig(options))(plannedSteps);
  const model = describeModel(await findModelConfig(source));
  const planned = await planMemory(model, { adapter, ...toPlanOptions(method, options) });
  const { memory: budget = Number.POSITIVE_INFINITY } = options;
  const bytes = Math.min(budget, webAssemblyMemory.bytes);
  const fit = await fitLowrank(planned, options, bytes, async (other) => {
    const [otherMethod] = findMethods([other.method]);
    const changed = otherMethod === method ? adapter : (await trainedConfig(other))(plannedSteps);
    return planMemory(model, { adapter: changed, ...toPlanOptions(otherMethod, other) });
  });
  for (const warning of planned.warnings) warn(warning);
  const what = {
    ...options,
    method: options.peftConfig === undefined ? method.name : (adapter as PeftConfig).peftType,
  };
  if (options.json) printJson(planJson(model, planned, fit, what));
  else console.log(planLines(source, model, planned, fit, what).join("\n"));
}

/** Throws for options that the method does not use. */
function checkOptions(method: Method, options: PlanCommandOptions): void {
  const quantizing = givenQuantizeOptions(options);
  if (!method.quantized && quantizing.length > 0) {
    throw new Error(
      `${quantizing.join(", ")} is for ${quantizedWords()}; change --method, or leave ${quantizing.join(", ")} out`,
    );
  }
  if (method.peft === null && options.adapterDtype !== undefined) {
    throw new Error(`--adapter-dtype is for an adapter; leave it out with --method ${method.name}`);
  }
}

function toPlanOptions({ quantized }: Method, options: PlanCommandOptions): Omit<PlanOptions, "adapter"> {
  return {
    quantization: quantized ? toQuantizeOptions(options) : null,
    dtype: options.dtype,
    adapterDtype: options.adapterDtype,
    gradientDtype: options.gradientDtype,
    optimizer: options.optimizer,
    batchSize: options.batch,
    sequenceLength: options.seq,
    gradientAccumulationSteps: options.accumulate,
    gradientCheckpointing: options.gradientCheckpointing,
    precision: options.precision,
  };
}
