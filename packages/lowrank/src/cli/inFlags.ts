import { OptionError } from "@lowrank/core";
import type { Command } from "commander";
import { adapterFlags } from "./options/adapterFlags.ts";

/**
 * Returns a command's flag for a library option; null if the command has no such flag. `where` is the name of the
 * library function that checked the option.
 */
export type FlagOf = (option: string, where: string) => string | null;

/**
 * Flags of options that have another name in the library, by the name in the library. A key `function.option` applies
 * only to the option of this function.
 */
const otherNames: Readonly<Record<string, string>> = {
  "planMemory.batchSize": "--batch",
  "quantize4bit.blockSize": "--quant-block-size",
  applyGS: "--apply-gs",
  arithmetic: "the backend's arithmetic (--backend, --wide-simd, processor)",
  columns: "--columns prompt=KEY,completion=KEY",
  evaluationEvery: "--eval-every",
  evaluationExamples: "--validation",
  examples: "--data",
  gradientAccumulationSteps: "--accumulate",
  learningRate: "--lr",
  lora_alpha: "--alpha",
  maxSteps: "--steps (or --epochs)",
  sequenceLength: "--seq",
};

/**
 * Returns the flag for a library option: "batchSize" and "batch_size" become --batch-size. `where` is the name of the
 * library function that checked the option.
 */
export function flagName(option: string, where = ""): string {
  const dashes = (letter: string) => `-${letter.toLowerCase().replace("_", "")}`;
  const own = otherNames[`${where}.${option}`] ?? otherNames[option];
  return own ?? `--${option.replace(/[A-Z]|_(?=[a-z])/g, dashes)}`;
}

/**
 * Returns a function that converts library options to flags of a command. With `--peft-config`, the function returns
 * null for options of adapters, since the config file sets them.
 */
export function flagsOf(command: Command): FlagOf {
  const flags = new Set(command.options.map(({ long }) => long));
  if (command.getOptionValue("peftConfig") !== undefined)
    for (const { flag } of adapterFlags()) flags.delete(`--${flag}`);
  return (option, where) => {
    const flag = flagName(option, where);
    return flags.has(flag.split(" ")[0]) ? flag : null;
  };
}

/**
 * Returns an error's message with flags instead of the names of library options. If the message names a flag, it does
 * not begin with the name of the library's function.
 */
export function inFlags(error: unknown, flagOf: FlagOf): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (!(error instanceof OptionError)) {
    return cause instanceof Error ? message.replace(cause.message, () => inFlags(cause, flagOf)) : message;
  }
  let named = false;
  const text = error.describe((option, value) => {
    const flag = flagOf(option, error.where);
    named ||= flag !== null;
    if (value === undefined) return flag ?? option;
    return flag === null ? `${option} "${value}"` : `${flag} ${value}`;
  });
  return named ? text : message;
}
