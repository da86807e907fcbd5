import type { MethodOption } from "@lowrank/peft";
import { InvalidArgumentError } from "commander";
import { integer, integers, names, number, targetModules } from "./argument.ts";

/**
 * Returns the parser of an option's value. For an invalid text, the parser throws an error that describes the expected
 * values.
 */
export function valueParser(option: MethodOption): (text: string) => unknown {
  switch (option.type) {
    case "integer":
      return integer(option.least, option.most);
    case "number":
      return number(option);
    case "boolean":
      return () => true;
    case "text":
      return (text) => (option.orBoolean && isBoolean(text) ? text === "true" : text);
    case "oneOf":
      return (text) => {
        const found = option.values.find((value) => String(value) === text);
        if (found !== undefined) return found;
        throw new InvalidArgumentError(`Expected ${listed(option.values)}.`);
      };
    case "integers":
      return integers(option.least);
    case "names":
      return names;
    case "targets":
      return targetModules;
  }
}

/** Returns the error message for an option's value; null if the value is valid. */
export function describeProblem(option: MethodOption, text: string): string | null {
  try {
    valueParser(option)(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const isBoolean = (text: string): boolean => text === "true" || text === "false";

/** Joins values for a message: "a, b or c". */
export function listed(values: readonly unknown[]): string {
  const words = values.map(String);
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words[0];
}

/** Placeholders of option values in `--help`, by the option's type. Each begins with a space. */
export const placeholders: Readonly<Record<MethodOption["type"], string>> = {
  integer: " <n>",
  number: " <x>",
  boolean: "",
  text: " <text>",
  oneOf: " <which>",
  integers: " <n,n>",
  names: " <names>",
  targets: " <which>",
};
