import { LoraConfig } from "@lowrank/peft";
import { type Command, Option } from "commander";
import { integer, names, number, targetModules } from "./argument.ts";

/** The options that describe a LoRA adapter. */
export interface LoraCommandOptions {
  r: number;
  alpha: number;
  dropout: number;
  targetModules: string | string[];
  modulesToSave?: string[];
  useRslora?: boolean;
  bias: "none" | "all" | "lora_only";
}

/** Adds the options that describe a LoRA adapter. */
export function addLoraOptions(command: Command): Command {
  return command
    .option("--r <n>", "rank of the adapter", integer(1), 8)
    .option("--alpha <x>", "the update is scaled by alpha / r", number({ above: 0 }), 16)
    .option(
      "--dropout <p>",
      "chance to drop each input of the adapter while training",
      number({ least: 0, most: 1 }),
      0,
    )
    .option(
      "--target-modules <which>",
      "all-linear, names such as q_proj,v_proj, or a regular expression over whole paths",
      targetModules,
      "all-linear",
    )
    .option("--modules-to-save <names>", "modules to train and save in full, such as lm_head", names)
    .option("--use-rslora", "scale by alpha / sqrt(r)")
    .addOption(new Option("--bias <which>", "biases to train").choices(["none", "all", "lora_only"]).default("none"));
}

/** The config of PEFT that the options mean, for the model in the folder `model`. */
export function toLoraConfig(options: LoraCommandOptions, model: string): LoraConfig {
  return new LoraConfig({
    baseModelNameOrPath: model,
    r: options.r,
    loraAlpha: options.alpha,
    loraDropout: options.dropout,
    targetModules: options.targetModules,
    modulesToSave: options.modulesToSave,
    useRslora: options.useRslora,
    bias: options.bias,
    taskType: "CAUSAL_LM",
  });
}
