import type { Command } from "commander";

/** Option names of PEFT, transformers, TRL and llama.cpp, each with this command's options for the same setting. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  rank: ["r"],
  "lora-r": ["r"],
  "lora-rank": ["r"],
  "lora-alpha": ["alpha"],
  "lora-dropout": ["dropout"],
  targets: ["target-modules"],
  "lora-target-modules": ["target-modules"],
  "learning-rate": ["lr"],
  "num-train-epochs": ["epochs"],
  "max-steps": ["steps"],
  "per-device-train-batch-size": ["batch-size"],
  "gradient-accumulation-steps": ["accumulate"],
  "lr-scheduler-type": ["schedule"],
  "max-seq-length": ["max-length", "max-model-len", "seq"],
  "train-file": ["data"],
  dataset: ["data"],
  "train-data": ["data"],
  "validation-file": ["validation"],
  "output-dir": ["output"],
  "base-model": ["model"],
  "model-name-or-path": ["model"],
  "adapter-name-or-path": ["adapter"],
  lora: ["adapter"],
  "max-tokens": ["max-new-tokens"],
  "n-predict": ["max-new-tokens"],
  temp: ["temperature"],
  "bnb-4bit-quant-type": ["quant-type"],
  "use-double-quant": ["double-quant"],
};

/**
 * Throws for an option that has another name here, such as `--rank` or `--lora_alpha`, with the name to use. Commander
 * would suggest the option with the most similar spelling, which can mean something else.
 */
export function checkForeignFlags(words: readonly string[], program: Command): void {
  const command = program.commands.find((known) => known.name() === words[0]);
  if (!command) return;
  const options = new Map(command.options.map((option) => [option.long, option]));
  let takesNext = false;
  for (const word of words.slice(1)) {
    if (word === "--") return;
    const isValue = takesNext;
    const [flag] = word.split("=", 1);
    // The word after such an option is its value, even if it begins with dashes.
    takesNext = !word.includes("=") && options.get(flag)?.required === true;
    if (isValue || !/^--[a-z]/i.test(flag) || options.has(flag)) continue;
    const name = flag.slice(2).toLowerCase().replaceAll("_", "-");
    const own = [name, ...(otherNames[name] ?? [])].find((other) => options.has(`--${other}`));
    if (own !== undefined) throw new Error(`lowrank ${command.name()} has no option ${flag}; use --${own}`);
  }
}
