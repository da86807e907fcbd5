import { textLength } from "../text/codePoints.ts";
import { spend } from "../values/limits.ts";
import { TemplateError, typeError } from "../values/templateError.ts";
import {
  Dict,
  Markup,
  Range,
  RuntimeObject,
  Stream,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "../values/types.ts";

/** Returns Python's `bool(value)`. */
export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "object" && !(value instanceof Stream)) {
    const length = lengthIfSized(value);
    return length === undefined || length > 0;
  }
  return typeof value === "number" ? value !== 0 : Boolean(value);
}

/** Python's `len(value)`. Throws if the value lacks a length. */
export function lengthOf(value: Value): number {
  const length = lengthIfSized(value);
  if (length === undefined) throw typeError(`object of type '${typeName(value)}' has no len()`);
  return length;
}

/** Python's `len(value)`; undefined if the value has no length. */
export function lengthIfSized(value: Value): number | undefined {
  if (typeof value === "string") return textLength(value);
  if (value instanceof Markup) return textLength(value.text);
  if (Array.isArray(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof View) return value.dict.size;
  if (value instanceof Undefined) return 0;
  return value instanceof RuntimeObject ? value.can.length?.() : undefined;
}

/**
 * Returns the elements that Python's `iter(value)` yields; undefined if the value is not iterable. Each element uses a
 * step of the template's step limit.
 */
export function elementsOf(value: Value): Iterable<Value> | undefined {
  if (typeof value === "string") return counted(value);
  // As in Python, iterating over markup yields plain texts.
  if (value instanceof Markup) return counted(value.text);
  if (Array.isArray(value)) return counted(value);
  if (value instanceof Tuple) return counted(value.items);
  if (value instanceof Dict) return counted(value.keys());
  if (value instanceof View) return counted(value.items());
  if (value instanceof Range) return rangeElements(value);
  if (value instanceof Undefined) return [];
  return value instanceof Stream ? streamElements(value) : undefined;
}

/** Returns the elements of a value. Throws if it is not iterable. */
export function iterate(value: Value): Iterable<Value> {
  const elements = elementsOf(value);
  if (!elements) throw typeError(`'${typeName(value)}' object is not iterable`);
  return elements;
}

/** Returns the elements of a value as a new list. */
export const listOf = (value: Value): Value[] => Array.from(iterate(value));

/** Throws if the value is `Undefined`, as any operation on it does in Jinja. */
export function refuseUndefined(value: Value): void {
  if (!(value instanceof Undefined)) return;
  throw new TemplateError(value.isUnsafe ? "TEMPLATE_SECURITY" : "TEMPLATE_UNDEFINED", value.message);
}

function* counted(values: Iterable<Value>): Generator<Value> {
  for (const value of values) {
    spend();
    yield value;
  }
}

function* rangeElements(range: Range): Generator<Value> {
  for (let i = 0; i < range.length; i++) {
    spend();
    yield range.at(i);
  }
}

function* streamElements({ iterator }: Stream): Generator<Value> {
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    spend();
    yield next.value;
  }
}
