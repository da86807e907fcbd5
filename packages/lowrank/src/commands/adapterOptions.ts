import type { PeftConfig } from "@lowrank/peft";
import type { Command } from "commander";
import type { Method } from "../report/methods.ts";
import { integer, names, number, targetModules } from "./argument.ts";

/** The options that describe an adapter; undefined where they were not given. */
export interface AdapterCommandOptions {
  r?: number;
  alpha?: number;
  dropout?: number;
  targetModules?: string | string[];
  modulesToSave?: string[];
  bias?: string;
  useRslora?: boolean;
  useDora?: boolean;
  initLoraWeights?: boolean | string;
  virtualTokens?: number;
}

/** The fields of configurations that an option may mean; a method has one of them, or nothing to do with the option. */
const fields: Readonly<Record<keyof AdapterCommandOptions, readonly string[]>> = {
  r: ["r", "targetR"],
  alpha: ["loraAlpha", "alpha", "randloraAlpha"],
  dropout: [
    ...["loraDropout", "hiraDropout", "graloraDropout", "missDropout", "randloraDropout", "boftDropout"],
    ...["vbloraDropout", "veraDropout", "moduleDropout"],
  ],
  targetModules: ["targetModules"],
  modulesToSave: ["modulesToSave"],
  bias: ["bias"],
  useRslora: ["useRslora"],
  useDora: ["useDora"],
  initLoraWeights: ["initLoraWeights"],
  virtualTokens: ["numVirtualTokens"],
};

/** Adds the options that describe an adapter. */
export function addAdapterOptions(command: Command): Command {
  return command
    .option("--r <n>", "rank of the adapter (default: 8)", integer(1))
    .option("--alpha <x>", "LoRA's update is scaled by alpha / r (default: 16)", number({ above: 0 }))
    .option(
      "--dropout <p>",
      "chance to drop inputs of the adapter while training (default: 0)",
      number({ least: 0, most: 1 }),
    )
    .option(
      "--target-modules <which>",
      "all-linear, names such as q_proj,v_proj, or a regular expression over whole paths (default: all-linear)",
      targetModules,
    )
    .option("--modules-to-save <names>", "modules to train and save in full, such as lm_head", names)
    .option("--bias <which>", "biases to train: none, all, or those of adapted layers, lora_only (default: none)")
    .option("--use-rslora", "scale LoRA by alpha / sqrt(r)")
    .option("--use-dora", "train the lengths of the weights' rows apart from their directions: DoRA")
    .option(
      "--init-lora-weights <how>",
      "how LoRA starts: true, false, gaussian, orthogonal, pissa, pissa_niter_16, olora or eva (default: true)",
      (text) => (text === "true" || text === "false" ? text === "true" : text),
    )
    .option("--virtual-tokens <n>", "of methods that put some before sequences (default: 20)", integer(1));
}

/** The options that were given, as the command line spells them. */
export function givenAdapterOptions(options: AdapterCommandOptions): string[] {
  return (Object.keys(fields) as (keyof AdapterCommandOptions)[]).filter((key) => options[key] !== undefined).map(flag);
}

function flag(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * The configuration of a method by the options, null where the whole model trains; `steps` are those of the training. Throws
 * for options that the method has nothing to do with.
 */
export function toPeftConfig(method: Method, options: AdapterCommandOptions, steps: number): PeftConfig | null {
  const { r = 8, targetModules = "all-linear", virtualTokens = 20 } = options;
  const made = method.config({ r, targetModules, virtualTokens, steps });
  const given = Object.entries(options).filter(([key, value]) => Object.hasOwn(fields, key) && value !== undefined);
  if (made === null) {
    if (given.length === 0) return null;
    const words = given.map(([key]) => flag(key)).join(", ");
    throw new Error(`${words} is for an adapter; leave it out with --method ${method.name}`);
  }
  const changes: Record<string, unknown> = made.peftType === "LORA" ? { loraAlpha: 16 } : {};
  for (const [key, value] of given) {
    const field = fields[key as keyof AdapterCommandOptions].find((name) => Object.hasOwn(made, name));
    if (field === undefined) {
      throw new Error(
        `${flag(key)} is no option of ${method.name}: ${made.constructor.name} has no ${fields[key as keyof AdapterCommandOptions][0]}; leave it out`,
      );
    }
    changes[field] = value;
  }
  return made.with(changes);
}
