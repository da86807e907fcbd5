import type { Command } from "commander";

/**
 * Adds `--model` to a command that needs one; a word without an option means the same. Throws
 * where there is neither, or both. The option `otherSource` may give the model too.
 */
export function addModelOption(command: Command, otherSource?: string): Command {
  return command
    .argument("[model]", "the same as --model")
    .option("--model <path>", "folder of the model, a .gguf file, or either on the Hugging Face hub: hf://org/name")
    .hook("preAction", () => {
      const [word] = command.args;
      const { model } = command.opts<{ model?: string }>();
      // A file's model gives way to a word, as to --model.
      if (word !== undefined && model !== undefined && command.getOptionValueSource("model") !== "config") {
        command.error(`error: there are two models, ${word} and --model ${model}; give one`);
      }
      const elsewhere = otherSource !== undefined && command.getOptionValue(otherSource) !== undefined;
      if (word === undefined && model === undefined && !elsewhere)
        command.error("error: required option '--model <path>' not specified");
      command.setOptionValue("model", word ?? model);
    });
}
