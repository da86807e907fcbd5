import { checkSpaces, spendText } from "../values/limits.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { Markup, typeName, type Value } from "../values/types.ts";
import { codePoints, textLength } from "./codePoints.ts";
import { basePrefix, floatDigits, groupDigits, intDigits } from "./numberFormat.ts";
import { str } from "./repr.ts";

const grammar =
  /^(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<positive>z)?(?<alternate>#)?(?<zero>0)?(?<width>\d+)?(?<group>[,_])?(?:\.(?<precision>\d+))?(?<letter>[a-zA-Z%])?$/su;

/** Python's `format(value, spec)`, for example `>8`, `05.2f` or `,`. */
export function formatValue(value: Value, spec: string): string {
  if (spec === "") return str(value);
  const parts = grammar.exec(spec)?.groups;
  if (!parts) throw valueError(`Invalid format specifier '${spec}' for object of type '${typeName(value)}'`);
  if (typeof value === "boolean") return formatNumber(BigInt(value), parts);
  if (typeof value === "bigint" || typeof value === "number") return formatNumber(value, parts);
  if (typeof value === "string" || value instanceof Markup) return formatText(str(value), parts);
  throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`);
}

type Parts = Record<string, string | undefined>;

function formatText(
  text: string,
  { fill, align, sign, positive, zero, width, group, precision, letter, alternate }: Parts,
): string {
  if ((letter !== undefined && letter !== "s") || sign || positive || group || alternate || align === "=") {
    const unknown = letter ?? sign ?? positive ?? group ?? align ?? "#";
    throw valueError(`Unknown format code '${unknown}' for object of type 'str'`);
  }
  const cut = precision === undefined ? text : codePoints(text).slice(0, Number(precision)).join("");
  return pad(cut, "", fill ?? (zero ? "0" : " "), align ?? "<", Number(width ?? ""));
}

function formatNumber(value: bigint | number, parts: Parts): string {
  const { fill, align, sign, positive, zero, group, letter = "", alternate } = parts;
  const filling = fill ?? (zero ? "0" : " ");
  const side = align ?? (zero ? "=" : ">");
  const width = Number(parts.width ?? "");
  checkSpaces(width);
  const precision = parts.precision === undefined ? undefined : Number(parts.precision);
  if (precision !== undefined) checkSpaces(precision);
  const style = {
    letter: letter === "n" ? (typeof value === "bigint" ? "d" : "g") : letter,
    precision,
    alternate: !!alternate,
  };
  const isFloatLetter = /^[eEfFgG%]$/.test(style.letter);
  let digits: string;
  let negative: boolean;
  let prefix = "";
  if (typeof value === "bigint" && !isFloatLetter) {
    if (!/^[bdoxXc]?$/.test(style.letter)) throw valueError(`Unknown format code '${letter}' for object of type 'int'`);
    if (precision !== undefined) throw valueError("Precision not allowed in integer format specifier");
    if (positive) throw valueError("Negative zero coercion (z) not allowed in integer format specifier");
    if (alternate) prefix = basePrefix(style.letter);
    negative = value < 0n;
    if (style.letter === "c") checkCharacterFormat(parts);
    digits = style.letter === "c" ? characterOf(value) : intDigits(value, style.letter);
  } else {
    if (style.letter !== "" && !isFloatLetter) {
      throw valueError(`Unknown format code '${letter}' for object of type 'float'`);
    }
    const float = Number(value);
    digits = floatDigits(float, style);
    negative = (float < 0 || Object.is(float, -0)) && !(positive && Number.parseFloat(digits) === 0);
  }
  const mark = (negative ? "-" : sign === "+" || sign === " " ? sign : "") + prefix;
  if (group) {
    if (letter === "n" || (group === "," && /[boxX]/.test(letter)))
      throw valueError(`Cannot specify '${group}' with '${letter}'.`);
    const least = filling === "0" && side === "=" ? width - mark.length : Number.NaN;
    digits = groupDigits(digits, group, /[boxX]/.test(letter) ? 4 : 3, least);
  }
  return pad(digits, mark, filling, side, width);
}

function checkCharacterFormat({ sign, group, alternate }: Parts): void {
  if (group) throw valueError(`Cannot specify '${group}' with 'c'.`);
  if (sign) throw valueError("Sign not allowed with integer format specifier 'c'");
  if (alternate) throw valueError("Alternate form (#) not allowed with integer format specifier 'c'");
}

/** Returns the character of a code point. Throws for an invalid one. */
export function characterOf(code: bigint | boolean): string {
  const point = Number(code);
  if (point >= 0 && point < 0x110000) return String.fromCodePoint(point);
  throw valueError("%c arg not in range(0x110000)");
}

/**
 * Pads `sign` and `text` together to `width` characters with the character `fill`. `align` is as in Python's format
 * specifications. With "=", the padding is between the sign and the text.
 */
export function pad(text: string, sign: string, fill: string, align: string, width: number): string {
  checkSpaces(width);
  const missing = Math.max(0, width - textLength(sign + text));
  const left = align === ">" || align === "=" ? missing : align === "^" ? Math.floor(missing / 2) : 0;
  const result =
    align === "=" ? sign + fill.repeat(left) + text : fill.repeat(left) + sign + text + fill.repeat(missing - left);
  spendText(result.length);
  return result;
}
