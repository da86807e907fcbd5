import { exponentText, fixedDecimals, floatRepr, scientific } from "../values/number.ts";

/** Format of a number: the type letter of a Python format specification (such as `f`), its precision and its flags. */
export interface NumberStyle {
  letter: string;
  precision?: number;
  /** The flag `#`: adds base prefixes, and keeps zeros that `g` would remove. Default: false. */
  alternate?: boolean;
}

const bases: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 };

/**
 * Returns the digits of an int's absolute value, in the base of the type letter: `b` 2, `o` 8, `x` or `X` 16, others
 * 10.
 */
export function intDigits(value: bigint, letter: string): string {
  const digits = (value < 0n ? -value : value).toString(bases[letter] ?? 10);
  return letter === "X" ? digits.toUpperCase() : digits;
}

/** Returns the prefix that the `#` flag adds to an int, for example `0x`. */
export const basePrefix = (letter: string): string => (bases[letter] === undefined ? "" : `0${letter}`);

/**
 * Returns the digits of a float's absolute value in the format of the type letter `e`, `f`, `g` or `%`. Without a
 * letter and a precision, the format is Python's `repr`.
 */
export function floatDigits(value: number, { letter, precision, alternate }: NumberStyle): string {
  const upper = letter !== "" && letter === letter.toUpperCase() && letter !== "%";
  const text = digitsOf(Math.abs(value), letter.toLowerCase(), precision, alternate);
  return upper ? text.toUpperCase() : text;
}

function digitsOf(value: number, letter: string, precision?: number, alternate?: boolean): string {
  if (!Number.isFinite(value)) return floatRepr(value) + (letter === "%" ? "%" : "");
  if (letter === "" && precision === undefined) {
    const text = floatRepr(value);
    return alternate ? text.replace(/^(\d+)e/, "$1.e") : text;
  }
  if (letter === "%") return `${digitsOf(value * 100, "f", precision, alternate)}%`;
  const pointed = (text: string): string => (alternate && !text.includes(".") ? `${text}.` : text);
  if (letter === "f") return pointed(fixedDecimals(value, precision ?? 6));
  if (letter === "e") {
    const [digits, exponent] = scientific(value, precision ?? 6);
    return `${pointed(digits)}e${exponentText(exponent)}`;
  }
  const count = Math.max(1, precision ?? 6);
  const [digits, exponent] = scientific(value, count - 1);
  const trim = (text: string): string =>
    alternate || !text.includes(".") ? pointed(text) : text.replace(/\.?0+$/, "");
  // Without a letter, at least one digit is kept after the point, so the exponent form starts earlier.
  const isPlain = exponent >= -4 && exponent < (letter === "" ? count - 1 : count);
  if (!isPlain) return `${trim(digits)}e${exponentText(exponent)}`;
  const fixed = trim(fixedDecimals(value, Math.max(0, count - 1 - exponent)));
  return letter === "" && !fixed.includes(".") ? `${fixed}.0` : fixed;
}

/**
 * Inserts a separator between groups of digits before the decimal point. Pads with zeros to `width` characters, or to
 * one more if the text would begin with the separator.
 */
export function groupDigits(digits: string, separator: string, size: number, width: number): string {
  const [whole] = /^(?:[\da-fA-F]+$|\d*)/.exec(digits)!;
  if (whole === "") return digits;
  const rest = digits.slice(whole.length);
  let count = whole.length;
  while (count + Math.floor((count - 1) / size) + rest.length < width) count++;
  const filled = whole.padStart(count, "0");
  const groups: string[] = [];
  for (let end = count; end > 0; end -= size) groups.unshift(filled.slice(Math.max(0, end - size), end));
  return groups.join(separator) + rest;
}
