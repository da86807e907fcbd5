import { styleText } from "node:util";
import { Command } from "commander";
import { pluginOption } from "../cli/options/plugins.ts";
import { type RunFile, takeRunFile } from "../cli/options/runFile.ts";
import { savesResult } from "../cli/process/lostOutput.ts";
import { ownVersion } from "../cli/process/nodeVersion.ts";
import { styled } from "../cli/terminalView.ts";
import { chatCommand } from "../commands/chat/chat.ts";
import { compareCommand } from "../commands/compare/compare.ts";
import { completionCommand } from "../commands/completion/completion.ts";
import { convertCommand } from "../commands/convert/convert.ts";
import { evalCommand } from "../commands/eval/eval.ts";
import { generateCommand } from "../commands/generate/generate.ts";
import { infoCommand } from "../commands/info/info.ts";
import { inspectCommand } from "../commands/inspect/inspect.ts";
import { mergeCommand } from "../commands/merge/merge.ts";
import { planCommand } from "../commands/plan/plan.ts";
import { reportCommand } from "../commands/report/report.ts";
import { serveCommand } from "../commands/serve/serve.ts";
import { sweepCommand } from "../commands/sweep/sweep.ts";
import { testCommand } from "../commands/test/test.ts";
import { trainCommand } from "../commands/train/train.ts";
import { workerCommand } from "../commands/worker/worker.ts";

const help = `
Models and adapters are Hugging Face folders: config.json, model.safetensors and tokenizer.json make a model,
adapter_config.json and adapter_model.safetensors an adapter of PEFT. A model may be a .gguf file too, and all of
these may be on the Hugging Face hub: hf://org/name@revision. Results go to stdout, progress to stderr. LOWRANK_DEBUG=1 adds the stack to an error.

From a model and a text to a model that has learned it:
  $ lowrank train --model ./model --data text.txt --output ./adapter
  $ lowrank generate --model ./model --adapter ./adapter --prompt "Once upon a time"
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged`;

/** Exit codes of commands after an error, if it is not 1. Tests end with 1 if a check fails. */
export const errorCodes: ReadonlyMap<string, number> = new Map([["test", 2]]);

/** Commands whose options can be given in a file. */
export const runFileCommands: readonly string[] = ["train"];

/**
 * Returns the `lowrank` command, ready to parse arguments. `plugins` are plugin modules that this process has imported;
 * child processes import them as well. `runFile` holds options of one of `runFileCommands`. Parsing throws a
 * CommanderError instead of ending the process.
 */
export function createProgram(plugins: readonly string[], runFile: RunFile | null = null): Command {
  const program = new Command("lowrank");
  program
    .description("Fine-tunes and runs language models with LoRA, in TypeScript and WebAssembly.")
    .version(ownVersion())
    .helpCommand("help [command]", "the options and examples of a command")
    .exitOverride()
    .configureHelp({ styleTitle: (title) => styleText("bold", title, { validateStream: false }) })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error:/, styled("red", "error:", process.stderr))),
    })
    .showHelpAfterError("(add --help for the options and examples)")
    .addHelpText("after", help);
  for (const command of [
    savesResult(trainCommand(), ({ json, dryRun, findLr }) => !json && !dryRun && !findLr),
    generateCommand(),
    chatCommand(),
    savesResult(mergeCommand(), ({ json }) => !json),
    savesResult(convertCommand(), ({ json }) => !json),
    reportCommand(),
    infoCommand(),
    inspectCommand(),
    evalCommand(),
    savesResult(testCommand(), ({ json, output }) => !json && output !== undefined),
    planCommand(),
    savesResult(compareCommand(plugins), ({ json, output }) => !json && output !== undefined),
    savesResult(serveCommand(plugins), () => true),
    savesResult(workerCommand(plugins), ({ failed }) => !failed),
    completionCommand(),
    savesResult(sweepCommand(plugins), ({ json }) => !json),
  ]) {
    program.addCommand(command.addOption(pluginOption()).copyInheritedSettings(program));
    if (runFile && runFileCommands.includes(command.name())) takeRunFile(command, runFile);
  }
  return program;
}

/**
 * Maps option names of PEFT, transformers, TRL and llama.cpp to Lowrank's names for the same setting. If several names
 * are listed, the first one that is an option of the command is used.
 */
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
 * Throws for an option that has another name in this command, such as `--rank` or `--lora_alpha`. The error gives the
 * right name. Without this check, Commander would suggest the option with the most similar spelling, which may have
 * another meaning.
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
