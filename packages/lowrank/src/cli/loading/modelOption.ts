import type { Command } from "commander";

/**
 * Adds `--model` to a command. The model can also be given as an argument without a flag. The command fails if both are
 * given. It also fails if both are missing and the option named `otherSource` is not given.
 */
export function addModelOption(command: Command, otherSource?: string): Command {
  return command
    .argument("[model]", "the same as --model")
    .option("--model <path>", "folder of the model, a .gguf file, or either on the Hugging Face hub: hf://org/name")
    .hook("preAction", () => {
      const [word] = command.args;
      const { model } = command.opts<{ model?: string }>();
      // An argument overrides the model of an options file, as `--model` does.
      if (word !== undefined && model !== undefined && command.getOptionValueSource("model") !== "config") {
        command.error(`error: there are two models, ${word} and --model ${model}; give one`);
      }
      const elsewhere = otherSource !== undefined && command.getOptionValue(otherSource) !== undefined;
      if (word === undefined && model === undefined && !elsewhere)
        command.error("error: required option '--model <path>' not specified");
      command.setOptionValue("model", word ?? model);
    });
}
