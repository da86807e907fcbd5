import type { Command } from "commander";

/** Words of the library for what a flag says, where they are not the flag's own name. */
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
    words: /other keys can be named by columns/,
    instead: "other keys can be named by --columns prompt=KEY,completion=KEY",
  },
  { flag: "--stop", words: /^stop holds/, instead: "--stop holds" },
];

/** The function or configuration that a message of the library begins with. */
const speaker = /^(?:[A-Z]\w*Config|generate|planMemory|getPeftModel): /;

/**
 * A message of the library with the flags of the command that ran in the place of the library's
 * options: "targetModules" is --target-modules. Where a file says the adapter, its fields keep
 * their names.
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
