import type { Command, Option } from "commander";

/** Values that a shell can offer for an argument: files, a list of choices, or none ("free"). */
export type Words =
  | { readonly kind: "files" | "free" }
  | { readonly kind: "choices"; readonly values: readonly string[] };

/** Option of a command that a shell can complete. */
interface CompletedOption {
  /** Flag, such as "--model". */
  readonly flag: string;
  readonly help: string;
  /** Completions of the value; null for an option without a value. */
  readonly value: Words | null;
}

/** Command of the program that a shell can complete. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** Values that a shell can offer for the arguments without a flag. */
  readonly words: Words;
}

/** Returns the commands of a program with the options that its parser defines. */
export function programWords(program: Command): CompletedCommand[] {
  const visible = program.createHelp().visibleCommands(program);
  const names = visible.map((command) => command.name());
  return visible.map((command) => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    options: command.options
      .filter(({ long, hidden }) => long && !hidden)
      .map((option) => ({
        flag: option.long as string,
        help: firstClause(option.description),
        value: valueWords(option),
      }))
      .concat({ flag: "--help", help: "display help for command", value: null }),
    words: command.name() === "help" ? { kind: "choices", values: names } : argumentOf(command),
  }));
}

/** Returns the first clause of a description, for the list of completions. */
const firstClause = (text: string): string => text.split(/[;(:\n]/)[0].trim();

function valueWords(option: Option): Words | null {
  if (option.isBoolean()) return null;
  if (option.argChoices) return { kind: "choices", values: option.argChoices };
  return { kind: /<(dir|path|file|name=path|folder)(\.\.\.)?>/.test(option.flags) ? "files" : "free" };
}

function argumentOf(command: Command): Words {
  const [argument] = command.registeredArguments;
  if (argument?.argChoices) return { kind: "choices", values: argument.argChoices };
  return { kind: argument ? "files" : "free" };
}
