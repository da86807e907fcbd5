import { checkSpaces, spendText } from "../values/limits.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { Dict, Tuple, typeName, type Value } from "../values/types.ts";
import { codePoints } from "./codePoints.ts";
import { characterOf, pad } from "./formatSpec.ts";
import { basePrefix, floatDigits, intDigits } from "./numberFormat.ts";
import { codeEscape, repr, str } from "./repr.ts";

const directive = /%(?:\((.*?)\))?([-#0 +]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([\s\S])?/gu;

/**
 * Python's `text % values`. `write` converts a value to text, and for markup also escapes it. Default: Python's `str`.
 */
export function percentFormat(text: string, values: Value, write?: (value: Value) => string): string {
  const list = values instanceof Tuple ? values.items : [values];
  let used = 0;
  const next = (): Value => {
    if (used >= list.length) throw typeError("not enough arguments for format string");
    return list[used++];
  };
  const size = (given: string | undefined): number | undefined => {
    const count = given === "*" ? starSize(next()) : given === undefined ? undefined : Number(given);
    if (count) checkSpaces(Math.abs(count));
    return count;
  };
  const result = text.replace(directive, (whole, name, flags: string, width, precision, letter) => {
    if (letter === undefined) throw valueError("incomplete format");
    if (letter === "%" && name === undefined) return "%";
    const columns = size(width);
    const least = size(precision);
    const digits = least === undefined ? undefined : Math.max(0, least);
    let value: Value;
    if (name === undefined) value = next();
    else {
      if (!(values instanceof Dict)) throw typeError("format requires a mapping");
      const found = values.get(name);
      if (found === undefined) throw valueError(`KeyError: '${name}'`);
      value = found;
      // If a conversion is named, Python does not use positional values at all.
      used = list.length;
    }
    return one(value, { letter, flags, width: columns, precision: digits, whole, write });
  });
  const mapping = values instanceof Dict || Array.isArray(values);
  if (used < list.length && !mapping) throw typeError("not all arguments converted during string formatting");
  spendText(result.length);
  return result;
}

/** Returns a value as the width or precision of a conversion such as `%*d`. Throws if it is not an integer. */
function starSize(value: Value): number {
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  throw typeError(`* wants int, not ${typeName(value)}`);
}

/** One conversion in a format, such as `%5.2f`. */
interface Directive {
  letter: string;
  flags: string;
  width?: number;
  precision?: number;
  /** The whole text of the conversion. */
  whole: string;
  write?: (value: Value) => string;
}

function one(value: Value, { letter, flags, width = 0, precision, whole, write = str }: Directive): string {
  const left = flags.includes("-") || Math.sign(width) === -1;
  const columns = Math.abs(width);
  const cut = (text: string): string => {
    const shown = precision === undefined ? text : codePoints(text).slice(0, precision).join("");
    return pad(shown, "", " ", left ? "<" : ">", columns);
  };
  if (write !== str && "cxXo".includes(letter)) throw typeError(`%${letter} format: markup does not take it`);
  if (letter === "s") return cut(write(value));
  if (letter === "r") return cut(write(repr(value)));
  if (letter === "a") return cut(asciiText(write(repr(value))));
  if (letter === "c") {
    if (typeof value === "string" && codePoints(value).length === 1) return cut(value);
    if (typeof value === "bigint" || typeof value === "boolean") return cut(characterOf(value));
    throw typeError("%c requires int or char");
  }
  if (!"diouxXeEfFgG".includes(letter)) throw valueError(`unsupported format character in ${whole}`);
  const [digits, negative, prefix = ""] = numberText(value, letter, flags, precision);
  const sign = negative ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const align = left ? "<" : flags.includes("0") ? "=" : ">";
  return pad(digits, sign + prefix, align === "=" ? "0" : " ", align, columns);
}

function numberText(
  value: Value,
  letter: string,
  flags: string,
  precision?: number,
): [digits: string, negative: boolean, prefix?: string] {
  const number = typeof value === "boolean" ? BigInt(value) : value;
  if (typeof number !== "bigint" && typeof number !== "number") {
    throw typeError(`%${letter} format: a number is required, not ${typeName(value)}`);
  }
  const alternate = flags.includes("#");
  if (/[eEfFgG]/.test(letter)) {
    const float = Number(number);
    return [floatDigits(float, { letter, precision, alternate }), float < 0 || Object.is(float, -0)];
  }
  if (typeof number === "number" && /[oxX]/.test(letter))
    throw typeError(`%${letter} format: an integer is required, not float`);
  if (typeof number === "number" && !Number.isFinite(number))
    throw valueError(`cannot convert float ${number} to integer`);
  const int = typeof number === "bigint" ? number : BigInt(Math.trunc(number));
  const digits = intDigits(int, letter);
  return [
    precision === undefined ? digits : digits.padStart(precision, "0"),
    int < 0n,
    alternate ? basePrefix(letter) : "",
  ];
}

/** Returns a text with its non-ASCII characters as escape sequences. */
export function asciiText(text: string): string {
  return text.replace(/\P{ASCII}/gu, (one) => codeEscape(one.codePointAt(0)!));
}
