import { styleText } from "node:util";
import { Command } from "commander";
import { chatCommand } from "./chat.ts";
import { styled } from "./colours.ts";
import { compareCommand } from "./compare.ts";
import { completionCommand } from "./completion.ts";
import { convertCommand } from "./convert.ts";
import { evalCommand } from "./eval.ts";
import { generateCommand } from "./generate.ts";
import { infoCommand } from "./info.ts";
import { inspectCommand } from "./inspect.ts";
import { mergeCommand } from "./merge.ts";
import { planCommand } from "./plan.ts";
import { pluginOption } from "./plugins.ts";
import { savesResult } from "./process/lostOutput.ts";
import { reportCommand } from "./report.ts";
import { type RunFile, takeRunFile } from "./runFile.ts";
import { serveCommand } from "./serve.ts";
import { sweepCommand } from "./sweep.ts";
import { trainCommand } from "./train.ts";
import { ownVersion } from "./version.ts";
import { workerCommand } from "./worker.ts";

const help = `
Models and adapters are Hugging Face folders: config.json, model.safetensors and tokenizer.json make a model,
adapter_config.json and adapter_model.safetensors an adapter of PEFT. A model may be a .gguf file too, and all of
these may be on the Hugging Face hub: hf://org/name@revision. Results go to stdout, progress to stderr. LOWRANK_DEBUG=1 adds the stack to an error.

From a model and a text to a model that has learned it:
  $ lowrank train --model ./model --data text.txt --output ./adapter
  $ lowrank generate --model ./model --adapter ./adapter --prompt "Once upon a time"
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged`;

/** The commands whose options may lie in a file. */
export const runFileCommands: readonly string[] = ["train"];

/**
 * The `lowrank` command, ready to parse arguments. `plugins` have been read, and are handed to
 * processes of its own. `runFile` has options of one of `runFileCommands`. Where Commander would
 * end the process, parsing throws its CommanderError.
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
