import { parseArgs } from "node:util";
import type { PeftType } from "./adapterCase.ts";
import { drawnMethods } from "./methods/index.ts";
import type { RandomChoice } from "./randomChecks.ts";

/** The checks to run, as the command line names them. */
export interface CommandLine extends RandomChoice {
  /** True if the checks that are the same every time run: neither a seed nor a method was given. */
  fixed: boolean;
  /** Only checks whose line holds all of these. */
  words: readonly string[];
}

/** Ten cases of each method. */
const defaults = { cases: 10 * drawnMethods.length, seed: 1 };

/**
 * Reads `[--cases N] [--seed S] [--method M] [words]`. Throws for arguments
 * that it does not understand.
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const string = { type: "string" } as const;
  const options = { cases: string, seed: string, method: string };
  const { values, positionals: words } = parseArgs({ args: [...args], options, allowPositionals: true });
  const { cases, seed, method } = values;
  return {
    cases: count("cases", cases, defaults.cases),
    seed: count("seed", seed, defaults.seed),
    ...(method === undefined ? {} : { method: methodNamed(method) }),
    fixed: seed === undefined && method === undefined,
    words,
  };
}

function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} is ${text}; it must be an integer from 0 to 2^53 - 1`);
}

/** PEFT's name of a method, however it is written: "lora", "ln-tuning", "P_TUNING". */
function methodNamed(text: string): PeftType {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const found = drawnMethods.find((name) => plain(name) === plain(text));
  if (found) return found;
  throw new Error(`--method is ${text}; there are ${drawnMethods.map((name) => name.toLowerCase()).join(", ")}`);
}
