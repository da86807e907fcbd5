import { parseArgs } from "node:util";
import type { PeftType } from "./adapterCase.ts";
import { drawnMethods } from "./methods/index.ts";
import type { RandomChoice } from "./randomChecks.ts";

/** The checks to run, from the command line. */
export interface CommandLine extends RandomChoice {
  /** True if the fixed checks run too: neither a seed nor a method was given. */
  fixed: boolean;
  /** Runs only checks whose name contains all of these words. */
  words: readonly string[];
}

/** Default: ten cases of each method. */
const defaults = { cases: 10 * drawnMethods.length, seed: 1 };

/** Parses `[--cases N] [--seed S] [--method M] [words]`. Throws for other arguments. */
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

/** Returns PEFT's name of a method in any spelling, as "lora", "ln-tuning", "P_TUNING", or "mixed" for mixed models. */
function methodNamed(text: string): PeftType | "mixed" {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const found = [...drawnMethods, "mixed" as const].find((name) => plain(name) === plain(text));
  if (found) return found;
  throw new Error(`--method is ${text}; there are ${drawnMethods.map((name) => name.toLowerCase()).join(", ")}`);
}
