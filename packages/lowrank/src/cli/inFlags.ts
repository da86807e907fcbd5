import type { Command } from "commander";

/**
 * Phrases in the library's error messages that name an option. `words` matches the phrase; `instead` is the text that
 * replaces it, which names the command's flag `flag`.
 */
const libraryWords: readonly { readonly flag: string; readonly words: RegExp; readonly instead: string }[] = [
  { flag: "--quant-block-size", words: /quantize4bit: blockSize/, instead: "--quant-block-size" },
  { flag: "--seq", words: /^planMemory: sequenceLength/, instead: "--seq" },
  { flag: "--threads", words: /^wasm: threads/, instead: "--threads" },
  { flag: "--weights", words: /give weights: "(\w+)"/, instead: "give --weights $1" },
  { flag: "--weights", words: /\bweights "(\w+)"/, instead: "--weights $1" },
  { flag: "--activations", words: /\bactivations "(\w+)"/, instead: "--activations $1" },
  { flag: "--max-new-tokens", words: /^generate: (.* \d+ new ones)/, instead: "$1 (--max-new-tokens)" },
  { flag: "--beta", words: /^\w+: beta is/, instead: "--beta is" },
  { flag: "--scale", words: /^\w+: scale is/, instead: "--scale is" },
  { flag: "--temperature", words: /^\w+: temperature is/, instead: "--temperature is" },
  {
    flag: "--columns",
    words: /map other keys with the option columns/,
    instead: "map other keys with --columns prompt=KEY,completion=KEY",
  },
  { flag: "--stop", words: /^stop holds/, instead: "--stop holds" },
];

/** Name of a function or configuration class at the start of an error message of the library. */
const speaker = /^(?:[A-Z]\w*Config|generate|planMemory|getPeftModel): /;

/**
 * Replaces the library's option names in a message by the flags of the command that ran: "targetModules" becomes
 * --target-modules. With `--peft-config`, names of adapter fields stay as they are, since the file uses them.
 */
export function inFlags(message: string, command: Command | null): string {
  if (!command) return message;
  let text = message;
  const flags = new Set(command.options.map(({ long }) => long));
  for (const { flag, words, instead } of libraryWords) if (flags.has(flag)) text = text.replace(words, instead);
  if (command.getOptionValue("peftConfig") === undefined) {
    for (const option of command.options) {
      const name = option.attributeName();
      if (/[A-Z]/.test(name))
        text = text.replace(new RegExp(`(?<![\\w."'-])${name}(?![\\w"'])`, "g"), `${option.long}`);
    }
  }
  return text === message ? message : text.replace(speaker, "");
}
