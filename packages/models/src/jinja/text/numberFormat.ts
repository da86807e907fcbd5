import { exponentText, fixedDecimals, floatRepr, scientific } from "../values/number.ts";

/** Style of a number: a letter of `format` or `%`, and its flags. */
export interface NumberStyle {
  letter: string;
  precision?: number;
  /** `#`: prefixes of bases, and zeros that `g` would remove. */
  alternate?: boolean;
}

const bases: Record<string, [base: number, prefix: string]> = {
  b: [2, "0b"],
  o: [8, "0o"],
  x: [16, "0x"],
  X: [16, "0X"],
};

/** The digits of an absolute int in the base of `letter`. */
export function intDigits(value: bigint, { letter, alternate }: NumberStyle): string {
  const [base, prefix] = bases[letter] ?? [10, ""];
  const digits = (value < 0n ? -value : value).toString(base);
  return (alternate ? prefix : "") + (letter === "X" ? digits.toUpperCase() : digits);
}

/**
 * The digits of an absolute float by `e`, `f`, `g`, `%` or, without a letter, as `repr` writes it.
 */
export function floatDigits(value: number, { letter, precision, alternate = false }: NumberStyle): string {
  const upper = letter !== "" && letter === letter.toUpperCase() && letter !== "%";
  const text = digitsOf(Math.abs(value), letter.toLowerCase(), precision, alternate);
  return upper ? text.toUpperCase() : text;
}

function digitsOf(value: number, letter: string, precision: number | undefined, alternate: boolean): string {
  if (!Number.isFinite(value)) return floatRepr(value) + (letter === "%" ? "%" : "");
  if (letter === "" && precision === undefined) return floatRepr(value);
  if (letter === "%") return `${digitsOf(value * 100, "f", precision, alternate)}%`;
  if (letter === "f") {
    const text = fixedDecimals(value, precision ?? 6);
    return alternate && !text.includes(".") ? `${text}.` : text;
  }
  if (letter === "e") {
    const [digits, exponent] = scientific(value, precision ?? 6);
    return `${digits}${alternate && !digits.includes(".") ? "." : ""}e${exponentText(exponent)}`;
  }
  const count = Math.max(1, precision ?? 6);
  const [digits, exponent] = scientific(value, count - 1);
  const trim = (text: string): string => (alternate || !text.includes(".") ? text : text.replace(/\.?0+$/, ""));
  // Without a letter, one digit stays after the point, and large numbers get an exponent earlier.
  const isPlain = exponent >= -4 && exponent < (letter === "" ? count - 1 || 1 : count);
  if (!isPlain) return `${trim(digits)}e${exponentText(exponent)}`;
  const fixed = trim(fixedDecimals(value, Math.max(0, count - 1 - exponent)));
  return letter === "" && !fixed.includes(".") ? `${fixed}.0` : fixed;
}

/** Puts a separator between groups of digits before the point. */
export function groupDigits(digits: string, separator: string, size: number): string {
  const [, prefix, whole, rest] = /^(0[bxXo])?([0-9a-fA-F]*?)(\.[\s\S]*|e[\s\S]*|%)?$/.exec(digits) ?? [];
  if (whole === undefined) return digits;
  const groups: string[] = [];
  for (let end = whole.length; end > 0; end -= size) groups.unshift(whole.slice(Math.max(0, end - size), end));
  return (prefix ?? "") + groups.join(separator) + (rest ?? "");
}
