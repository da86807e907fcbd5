import { InvalidArgumentError, Option } from "commander";

/** Parses an option's value as a whole number of at least `least`, at most `most`. */
export function integer(least?: number, most?: number): (text: string) => number {
  const expected = limits({ "of at least": least, "of at most": most });
  return (text) => {
    const value = Number(text);
    const fits = Number.isSafeInteger(value) && value >= (least ?? value) && value <= (most ?? value);
    if (text.trim() !== "" && fits) return value;
    throw new InvalidArgumentError(`Expected a whole number${expected}.`);
  };
}

/** Parses a list of whole numbers separated by commas, each at least `least`. */
export function integers(least?: number): (text: string) => number[] {
  const parse = integer(least);
  return (text) => text.split(",").map(parse);
}

/** Returns the given limits in words after a space, as in " of at least 1, of at most 8"; "" if no limit is set. */
function limits(range: Readonly<Record<string, number | undefined>>): string {
  const words = Object.entries(range).flatMap(([word, limit]) => (limit === undefined ? [] : [`${word} ${limit}`]));
  return words.length > 0 ? ` ${words.join(", ")}` : "";
}

/** Returns the `--threads` option of commands that compute for a long time. Default 1. */
export function threadsOption(): Option {
  return new Option("--threads <n>", "threads that compute; results do not depend on it")
    .argParser(integer(1))
    .default(1);
}

/** Form of weights in memory: a dtype, or `packed`, which keeps the quantised blocks of a GGUF file. */
export type LoadedWeights = "f32" | "f16" | "bf16" | "packed";

/** Returns the `--weights` option of commands that load a model without quantising it. Default `f32`. */
export function weightsOption(): Option {
  return new Option(
    "--weights <how>",
    "dtype of the weights in memory; packed keeps the quantized blocks of a .gguf file",
  )
    .choices(["f32", "f16", "bf16", "packed"])
    .default("f32");
}

/** Returns the `--activations` option of commands that generate text. */
export function activationsOption(): Option {
  return new Option(
    "--activations <type>",
    "int8: with --weights packed, round layer inputs to 8-bit integers, as llama.cpp does; faster, less exact",
  ).choices(["int8"]);
}

/** Returns the `--wide-simd` option of commands that compute for a long time. */
export function wideSimdOption(): Option {
  return new Option("--wide-simd", "use 256-bit SIMD instructions; needs Node 26 or later on x64");
}

/** Parses an option's value as a number: at least `least`, greater than `above`, and at most `most`. */
export function number(range: { least?: number; above?: number; most?: number }): (text: string) => number {
  const { least = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY, most = Number.MAX_VALUE } = range;
  const expected = limits({ "at least": range.least, above: range.above, "at most": range.most });
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value > above && value <= most) return value;
    throw new InvalidArgumentError(`Expected a number${expected}.`);
  };
}

/** Parses a list of names separated by commas. */
export function names(text: string): string[] {
  const list = text.split(",").map((name) => name.trim());
  if (list.every((name) => name !== "")) return list;
  throw new InvalidArgumentError("Expected names separated by commas.");
}

/**
 * Parses `--target-modules`: `all-linear`, names separated by commas, or a regular expression. A text with any of
 * `*+?()[]|^$\{}` counts as an expression.
 */
export function targetModules(text: string): string | string[] {
  if (text === "all-linear") return text;
  return /[*+?()[\]|^$\\{}]/.test(text) ? text : names(text);
}
