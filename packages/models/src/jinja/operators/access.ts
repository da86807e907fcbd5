import { characterAt, codePoints, sliceBounds, slicePositions, sliceText } from "../text/codePoints.ts";
import { repr } from "../text/repr.ts";
import { spendEach } from "../values/limits.ts";
import { TemplateError, typeError, valueError } from "../values/templateError.ts";
import {
  type Arguments,
  Dict,
  Markup,
  Range,
  RuntimeObject,
  Tuple,
  typeName,
  Undefined,
  type Value,
  valueOr,
} from "../values/types.ts";
import { textOf } from "./compare.ts";
import { refuseUndefined } from "./iterate.ts";

/** A function that reads an attribute of a value's Python type, such as a method; undefined if it is missing. */
export type ReadAttribute = (value: Value, name: string) => Value | undefined;

/** Python's `value[key]`; undefined if Python would raise `TypeError` or `LookupError`. */
function item(value: Value, key: Value): Value | undefined {
  refuseUndefined(value);
  if (value instanceof Dict) return Array.isArray(key) || key instanceof Dict ? undefined : value.get(key);
  const index = typeof key === "boolean" ? BigInt(key) : key;
  if (typeof index !== "bigint") return undefined;
  const at = (length: number): number => Number(index) + (index < 0n ? length : 0);
  if (Array.isArray(value)) return value[at(value.length)];
  if (value instanceof Tuple) return value.items[at(value.items.length)];
  if (value instanceof Range) {
    const position = at(value.length);
    return position >= 0 && position < value.length ? value.at(position) : undefined;
  }
  const text = textOf(value);
  if (text === undefined) return undefined;
  const found = characterAt(text, Number(index));
  return found !== undefined && value instanceof Markup ? new Markup(found) : found;
}

/** Jinja's `value[key]`: the item with that key, else the attribute of that name, else an `Undefined` value. */
export function getItem(value: Value, key: Value, read: ReadAttribute): Value {
  const found = item(value, key);
  if (found !== undefined) return found;
  const name = textOf(key);
  return valueOr(name === undefined ? undefined : read(value, name), () => missing(value, key));
}

/** Jinja's `value.name`: the attribute of that name, else the item with that key, else an `Undefined` value. */
export function getAttribute(value: Value, name: string, read: ReadAttribute): Value {
  refuseUndefined(value);
  const found = read(value, name);
  return found === undefined ? valueOr(item(value, name), () => missing(value, name)) : found;
}

function missing(value: Value, key: Value): Undefined {
  const owner = value === null ? "None" : `${typeName(value)} object`;
  if (typeof key !== "string") return new Undefined(`${owner} has no element ${repr(key)}`);
  return new Undefined(`'${owner}' has no attribute ${repr(key)}`);
}

/** Python's `value[start:stop:step]`. */
export function slice(value: Value, [start, stop, step]: readonly [Value, Value, Value]): Value {
  refuseUndefined(value);
  const by = bound(step) ?? 1;
  if (by === 0) throw valueError("slice step cannot be zero");
  const [from, to] = [bound(start), bound(stop)];
  const take = <T>(all: readonly T[]): T[] => {
    spendEach(all.length);
    return Array.from(slicePositions(all.length, from, to, by), (i) => all[i]);
  };
  const text = textOf(value);
  if (text !== undefined) {
    const part = by === 1 ? sliceText(text, from, to) : take(codePoints(text)).join("");
    return value instanceof Markup ? new Markup(part) : part;
  }
  if (Array.isArray(value) || value instanceof Tuple) {
    const items = Array.isArray(value) ? value : value.items;
    return Array.isArray(value) ? take(items) : new Tuple(take(items));
  }
  if (value instanceof Range) {
    const [first, end] = sliceBounds(value.length, from, to, by).map((at) => value.start + at * value.step);
    return new Range(first, end, value.step * by);
  }
  throw typeError(
    value instanceof Dict ? "unhashable type: 'slice'" : `'${typeName(value)}' object is not subscriptable`,
  );
}

function bound(value: Value): number | null {
  if (value === null) return null;
  if (typeof value === "boolean" || typeof value === "bigint") return Number(value);
  throw typeError("slice indices must be integers or None or have an __index__ method");
}

/** Calls a value. Throws if it cannot be called. */
export function call(value: Value, args: Arguments): Value {
  refuseUndefined(value);
  if (value instanceof RuntimeObject && value.can.call) return value.can.call(args);
  throw new TemplateError("TEMPLATE_TYPE", `'${typeName(value)}' object is not callable`);
}
