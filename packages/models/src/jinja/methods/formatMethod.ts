import { getAttribute, getItem, type ReadAttribute } from "../operators/access.ts";
import { formatValue } from "../text/formatSpec.ts";
import { asciiText } from "../text/percentFormat.ts";
import { escapeHtml, repr, str } from "../text/repr.ts";
import { spendText } from "../values/limits.ts";
import { valueError } from "../values/templateError.ts";
import { type Arguments, Markup, type Value } from "../values/types.ts";

/** Numbers the replacement fields without an index, such as `{}`, in one `format` call. */
interface Counter {
  next: number;
  /**
   * True if the fields have an explicit index, such as `{0}`, and false for `{}`. Undefined before the first such
   * field.
   */
  numbered?: boolean;
}

/**
 * The arguments of one `format` call, its counter of replacement fields, and the functions that read attributes and
 * format values.
 */
interface Source {
  readonly args: Arguments;
  readonly read: ReadAttribute;
  readonly counter: Counter;
  /** Formats a value by its format specification. */
  readonly write: (value: Value, spec: string) => string;
}

/**
 * Python's `text.format(...)`. Attributes that fields read (such as `{0.name}`) are restricted by the sandbox. If
 * `text` is markup, inserted values are escaped.
 */
export function formatMethod(text: string | Markup, args: Arguments, read: ReadAttribute): string | Markup {
  const isMarkup = text instanceof Markup;
  const source: Source = { args, read, counter: { next: 0 }, write: isMarkup ? escaped : formatValue };
  return isMarkup ? new Markup(format(text.text, source, 2)) : format(text, source, 2);
}

function escaped(value: Value, spec: string): string {
  if (value instanceof Markup && spec !== "") throw valueError("Unsupported format specification for Markup.");
  return value instanceof Markup ? value.text : escapeHtml(formatValue(value, spec)).text;
}

function format(text: string, source: Source, depth: number): string {
  if (depth < 0) throw valueError("Max string recursion exceeded");
  let result = "";
  for (let at = 0; at < text.length; ) {
    const one = text[at];
    if ((one === "{" || one === "}") && text[at + 1] === one) {
      result += one;
      at += 2;
    } else if (one === "}") {
      throw valueError("Single '}' encountered in format string");
    } else if (one === "{") {
      const end = closing(text, at);
      result += field(text.slice(at + 1, end), source, depth);
      at = end + 1;
    } else {
      result += one;
      at++;
    }
  }
  spendText(result.length);
  return result;
}

function closing(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  throw valueError(
    text.length === start + 1 ? "Single '{' encountered in format string" : "expected '}' before end of string",
  );
}

function field(body: string, source: Source, depth: number): string {
  const [, name, conversion, spec = ""] = /^((?:\[[^\]]*\]|[^!:[])*)(?:!([\s\S]))?(?::([\s\S]*))?$/.exec(body) ?? [];
  if (name === undefined) throw valueError(`the field {${body}} cannot be read`);
  const value = converted(lookUp(name, source), conversion);
  return source.write(value, format(spec, source, depth - 1));
}

function converted(value: Value, conversion: string | undefined): Value {
  if (conversion === undefined) return value;
  if (conversion === "s") return str(value);
  if (conversion === "r") return repr(value);
  if (conversion === "a") return asciiText(repr(value));
  throw valueError(`Unknown conversion specifier ${conversion}`);
}

function lookUp(name: string, { args, read, counter }: Source): Value {
  const [, first, path] = /^([^.[]*)([\s\S]*)$/.exec(name)!;
  let value = argument(first, args, counter);
  for (const [whole, attribute, key] of path.matchAll(/\.([^.[]+)|\[([^\]]+)\]|[\s\S]/g)) {
    if (attribute !== undefined) value = getAttribute(value, attribute, read);
    else if (key !== undefined) value = getItem(value, /^\d+$/.test(key) ? BigInt(key) : key, read);
    else throw valueError(`the field {${name}} cannot be read at '${whole}'`);
  }
  return value;
}

function argument(name: string, { positional, named }: Arguments, counter: Counter): Value {
  const isNumber = /^\d*$/.test(name);
  if (isNumber) {
    if (counter.numbered !== undefined && counter.numbered !== (name !== "")) {
      throw valueError("cannot switch between manual field specification and automatic field numbering");
    }
    counter.numbered = name !== "";
  }
  const value = isNumber ? positional[name === "" ? counter.next++ : Number(name)] : named.get(name);
  if (value === undefined) throw valueError(`the format has no argument for {${name}}`);
  return value;
}
