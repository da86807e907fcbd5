import { spend, spendText } from "../values/limits.ts";
import { floatRepr } from "../values/number.ts";
import { valueError } from "../values/templateError.ts";
import { Dict, Markup, Range, RuntimeObject, Stream, Tuple, Undefined, type Value, View } from "../values/types.ts";

/** Python's `str(value)`. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Markup) return value.text;
  return value instanceof Undefined ? "" : repr(value);
}

/** Python's `repr(value)`. */
export function repr(value: Value): string {
  spend();
  const text = reprOf(value);
  spendText(text.length);
  return text;
}

function reprOf(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return intText(value);
  if (typeof value === "number") return floatRepr(value);
  if (typeof value === "string") return textRepr(value);
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Tuple) return `(${value.items.map(repr).join(", ")}${value.items.length === 1 ? "," : ""})`;
  if (value instanceof Dict)
    return `{${value
      .entries()
      .map((pair) => pair.map(repr).join(": "))
      .join(", ")}}`;
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${textRepr(value.text)})`;
  if (value instanceof Range) {
    return `range(${value.start}, ${value.stop}${value.step === 1 ? "" : `, ${value.step}`})`;
  }
  if (value instanceof View) return `dict_${value.kind}(${repr(value.items())})`;
  if (value instanceof Stream) return `<generator object ${value.name}>`;
  return value instanceof RuntimeObject && value.can.repr ? value.can.repr() : `<${(value as RuntimeObject).typeName}>`;
}

/** Returns the digits of an int. Throws for more than 4300 digits, like Python. */
export function intText(value: bigint): string {
  const text = String(value);
  if (text.replace("-", "").length > 4300)
    throw valueError("Exceeds the limit (4300 digits) for integer string conversion");
  return text;
}

const escapes: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Python's `repr` of a text. */
function textRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // White space, control characters and unassigned characters become escape sequences.
  const escaped = text.replace(
    /[\\\n\r\t]|(?! )[\p{C}\p{Z}]/gu,
    (one) => escapes[one] ?? codeEscape(one.codePointAt(0)!),
  );
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}

/** Returns a code point as `\x41`, `\u0041` or `\U00000041`. */
export function codeEscape(code: number): string {
  const [letter, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(width as number, "0")}`;
}

const htmlEscapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

/** Returns a value as HTML-escaped text. Markup is returned unchanged. */
export function escapeHtml(value: Value): Markup {
  if (value instanceof Markup) return value;
  return new Markup(str(value).replace(/[&<>'"]/g, (one) => htmlEscapes[one]));
}
