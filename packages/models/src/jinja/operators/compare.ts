import { compareTexts } from "../text/codePoints.ts";
import { spend, spendSearch } from "../values/limits.ts";
import { typeError } from "../values/templateError.ts";
import { Dict, Markup, Range, Tuple, typeName, Undefined, type Value, View } from "../values/types.ts";
import { iterate, refuseUndefined } from "./iterate.ts";

type Numeric = number | bigint;

/** Returns a bool, int or float as a number; undefined for other values. */
export function numeric(value: Value): Numeric | undefined {
  if (typeof value === "boolean") return BigInt(value);
  return typeof value === "bigint" || typeof value === "number" ? value : undefined;
}

/** Returns the text of a `str` or of markup; undefined for other values. */
export const textOf = (value: Value): string | undefined =>
  typeof value === "string" ? value : value instanceof Markup ? value.text : undefined;

/** Returns the elements of a list or a tuple; undefined for other values. */
export const sequenceOf = (value: Value): readonly Value[] | undefined =>
  Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined;

/** Python's `a == b`. */
export function isEqual(a: Value, b: Value): boolean {
  spend();
  const number = numeric(a);
  // biome-ignore lint/suspicious/noDoubleEquals: an int and a float of one value are equal.
  if (number !== undefined) return number == numeric(b);
  const text = textOf(a);
  if (text !== undefined) return text === textOf(b);
  const list = sequenceOf(a);
  if (list && Array.isArray(a) === Array.isArray(b)) {
    const other = sequenceOf(b);
    return other?.length === list.length && list.every((one, i) => one === other[i] || isEqual(one, other[i]));
  }
  if (a instanceof Dict && b instanceof Dict)
    return (
      a.size === b.size &&
      a.entries().every(([key, value]) => {
        const other = b.get(key);
        return other !== undefined && (value === other || isEqual(value, other));
      })
    );
  if (a instanceof Undefined) return b instanceof Undefined;
  if (a instanceof Range && b instanceof Range) return sameRange(a, b);
  if (a instanceof View && b instanceof View && a.kind !== "values") {
    return a.kind === b.kind && a.dict.size === b.dict.size && a.items().every((one) => contains(b, one));
  }
  return a === b;
}

function sameRange(a: Range, b: Range): boolean {
  if (a.length !== b.length) return false;
  return a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step));
}

/**
 * Python's comparison `a < b`, `a <= b`, `a > b` or `a >= b`. Throws for types without an order.
 */
export function isOrdered(a: Value, operator: "<" | "<=" | ">" | ">=", b: Value): boolean {
  spend();
  refuseUndefined(a);
  refuseUndefined(b);
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return holds(x, operator, y);
  const [text, other] = [textOf(a), textOf(b)];
  if (text !== undefined && other !== undefined) return holds(compareTexts(text, other), operator, 0);
  const [left, right] = [sequenceOf(a), sequenceOf(b)];
  if (left && right && Array.isArray(a) === Array.isArray(b)) {
    const at = left.findIndex((one, i) => !(one === right[i] || isEqual(one, right[i])));
    if (at < 0 || at >= right.length) return holds(left.length, operator, right.length);
    return isOrdered(left[at], operator, right[at]);
  }
  throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

function holds(a: Numeric, operator: string, b: Numeric): boolean {
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  return operator === ">" ? a > b : a >= b;
}

/** Python's `value in container`. */
export function contains(container: Value, value: Value): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(value);
    refuseUndefined(value);
    if (part === undefined) {
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(value)}`);
    }
    spendSearch(text.length);
    return text.includes(part);
  }
  if (container instanceof Dict) return container.has(value);
  if (container instanceof View && container.kind === "keys") return container.dict.has(value);
  for (const one of iterate(container)) if (one === value || isEqual(one, value)) return true;
  return false;
}

/** Sorts like Python's `sorted`: stable, by key, using only `<`. */
export function sortBy(values: readonly Value[], key: (value: Value) => Value, reverse: boolean): Value[] {
  const keyed = values.map((value) => ({ value, key: key(value) }));
  const order = (a: Value, b: Value): number => Number(isOrdered(b, "<", a)) - Number(isOrdered(a, "<", b));
  // Equal elements keep their order in both directions.
  keyed.sort((a, b) => (reverse ? order(b.key, a.key) : order(a.key, b.key)));
  return keyed.map(({ value }) => value);
}
