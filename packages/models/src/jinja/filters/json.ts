import { sequenceOf, sortBy, textOf } from "../operators/compare.ts";
import { isTrue } from "../operators/iterate.ts";
import { intArgument, textArgument } from "../operators/signature.ts";
import { intText } from "../text/repr.ts";
import { checkSpaces, spend, spendText } from "../values/limits.ts";
import { floatRepr } from "../values/number.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { Dict, typeName, type Value } from "../values/types.ts";
import type { Filters } from "./environment.ts";

interface JsonStyle {
  isAscii: boolean;
  /** The indentation per nesting level; null to write everything on one line. */
  indent: string | null;
  between: string;
  afterKey: string;
  isSorted: boolean;
}

/**
 * The filter `tojson` of transformers, which is Python's `json.dumps` with `ensure_ascii=False`.
 */
function toJson(
  value: Value,
  ascii: Value = false,
  indent: Value = null,
  separators: Value = null,
  sort: Value = false,
) {
  const level = indentText(indent);
  const [between, afterKey] = separatorsOf(separators, level !== null);
  const style = { isAscii: isTrue(ascii), indent: level, between, afterKey, isSorted: isTrue(sort) };
  return write(value, style, 0);
}

function indentText(indent: Value): string | null {
  if (indent === null) return null;
  const text = textOf(indent);
  if (text !== undefined) return text;
  const count = intArgument(indent);
  checkSpaces(count);
  return " ".repeat(Math.max(0, count));
}

function separatorsOf(separators: Value, isIndented: boolean): string[] {
  if (separators === null) return [isIndented ? "," : ", ", ": "];
  const pair = sequenceOf(separators);
  if (pair?.length !== 2) throw valueError("separators are two texts, such as (',', ':')");
  return pair.map(textArgument);
}

function write(value: Value, style: JsonStyle, depth: number): string {
  spend();
  const text = textOf(value);
  if (text !== undefined) return quoted(text, style);
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return intText(value);
  if (typeof value === "number") return floatText(value);
  const list = sequenceOf(value);
  const inside = (one: Value): string => write(one, style, depth + 1);
  if (list) return wrapped("[", list.map(inside), "]", style, depth);
  if (value instanceof Dict) {
    const entries = style.isSorted ? sortedEntries(value) : value.entries();
    const parts = entries.map(([key, one]) => quoted(keyText(key), style) + style.afterKey + inside(one));
    return wrapped("{", parts, "}", style, depth);
  }
  throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function sortedEntries(dict: Dict): [Value, Value][] {
  return sortBy(dict.keys(), (key) => key, false).map((key) => [key, dict.get(key)!]);
}

function wrapped(open: string, parts: string[], close: string, { indent, between }: JsonStyle, depth: number): string {
  if (parts.length === 0) return open + close;
  const line = indent === null ? "" : `\n${indent.repeat(depth + 1)}`;
  const end = indent === null ? "" : `\n${indent.repeat(depth)}`;
  spendText(parts.length * (between.length + line.length));
  return open + line + parts.join(between + line) + end + close;
}

function keyText(key: Value): string {
  const text = textOf(key);
  if (text !== undefined) return text;
  if (key === null) return "null";
  if (typeof key === "number") return floatText(key);
  if (typeof key === "boolean" || typeof key === "bigint") return String(key);
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function floatText(value: number): string {
  return Number.isFinite(value) ? floatRepr(value) : String(value);
}

const short: Record<string, string> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
  '"': '\\"',
  "\\": "\\\\",
};

function quoted(text: string, { isAscii }: JsonStyle): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them.
  const special = isAscii ? /["\\\0-\x1f]|[^\0-\x7e]/g : /["\\\0-\x1f]/g;
  const escaped = text.replace(special, (one) => short[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
  spendText(escaped.length);
  return `"${escaped}"`;
}

/** The filter `tojson`. */
export const jsonFilters: Filters = { tojson: ["ensure_ascii? indent? separators? sort_keys?", toJson] };
