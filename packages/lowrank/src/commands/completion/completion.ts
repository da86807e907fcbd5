import { Argument, Command } from "commander";
import { printJson } from "../../cli/json.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { programWords } from "./programWords.ts";
import { zshScript } from "./zsh.ts";

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

const help = `
Commands, options and values are those of the program that prints the script, plugins included.

  bash  echo 'source <(lowrank completion bash)' >> ~/.bashrc
  zsh   echo 'source <(lowrank completion zsh)' >> ~/.zshrc, below compinit
  fish  lowrank completion fish > ~/.config/fish/completions/lowrank.fish

Examples:
  $ lowrank completion bash
  $ source <(lowrank completion zsh)`;

/** Returns the `lowrank completion` command. */
export function completionCommand(): Command {
  return new Command("completion")
    .summary("prints a shell completion script")
    .description(
      "Prints a completion script for bash, zsh or fish: the Tab key then completes commands, options and values.",
    )
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(shells)))
    .option("--json", "print all commands, options and values as one JSON object instead of a script")
    .addHelpText("after", help)
    .action((shell: keyof typeof shells, { json }: { json?: boolean }, command: Command) => {
      const words = programWords(command.parent as Command);
      if (json) printJson({ shell, commands: words });
      else process.stdout.write(shells[shell](words));
    });
}
