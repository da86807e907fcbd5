import { compute } from "../operators/arithmetic.ts";
import { isEqual, isOrdered, numeric, sequenceOf, sortBy, textOf } from "../operators/compare.ts";
import { isTrue, iterate, lengthOf, listOf, refuseUndefined } from "../operators/iterate.ts";
import { intArgument } from "../operators/signature.ts";
import { codePoints } from "../text/codePoints.ts";
import { str } from "../text/repr.ts";
import { spend } from "../values/limits.ts";
import { typeError, valueError } from "../values/templateError.ts";
import {
  type Arguments,
  Dict,
  Markup,
  Range,
  Stream,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "../values/types.ts";
import { attributeGetter, attributesGetter, ignoreCase } from "./attributes.ts";
import type { FilterEnvironment, Filters } from "./environment.ts";

const flag = (value: Value = false): boolean => isTrue(value);
const caseOf = (isSensitive: boolean): ((value: Value) => Value) => (isSensitive ? (value) => value : ignoreCase);

function sort(value: Value, reverse?: Value, caseSensitive?: Value, attribute?: Value): Value[] {
  const get = attributesGetter(attribute);
  const fold = caseOf(flag(caseSensitive));
  return sortBy(listOf(value), (one) => get(one).map(fold), flag(reverse));
}

function dictSort(value: Value, caseSensitive?: Value, by: Value = "key", reverse?: Value): Value[] {
  if (by !== "key" && by !== "value") throw valueError('You can only sort by either "key" or "value"');
  const fold = caseOf(flag(caseSensitive));
  const pairs = entriesOf(value).map((entry) => new Tuple(entry));
  return sortBy(pairs, (pair) => fold((pair as Tuple).items[by === "key" ? 0 : 1]), flag(reverse));
}

/** Returns the entries of a dict. Throws for other values. */
export function entriesOf(value: Value): [Value, Value][] {
  refuseUndefined(value);
  if (value instanceof Dict) return value.entries();
  throw typeError(`'${typeName(value)}' object has no attribute 'items'`);
}

function* unique(value: Value, caseSensitive?: Value, attribute?: Value): Generator<Value> {
  const get = attributeGetter(attribute);
  const fold = caseOf(flag(caseSensitive));
  const seen = new Dict();
  for (const one of iterate(value)) {
    const key = fold(get(one));
    if (seen.has(key)) continue;
    seen.set(key, null);
    yield one;
  }
}

function extreme(operator: "<" | ">", value: Value, caseSensitive?: Value, attribute?: Value): Value {
  const get = attributeGetter(attribute);
  const fold = caseOf(flag(caseSensitive));
  let best: { value: Value; key: Value } | undefined;
  for (const one of iterate(value)) {
    const key = fold(get(one));
    if (!best || isOrdered(key, operator, best.key)) best = { value: one, key };
  }
  return best ? best.value : new Undefined("No aggregated item, sequence was empty.");
}

function groupBy(value: Value, attribute: Value | undefined, fallback?: Value, caseSensitive?: Value): Value[] {
  const get = attributeGetter(attribute, fallback ?? null);
  const fold = caseOf(flag(caseSensitive));
  const groups: { key: Value; list: Value[] }[] = [];
  for (const one of sortBy(listOf(value), (item) => fold(get(item)), false)) {
    const key = fold(get(one));
    const last = groups.at(-1);
    if (last && isEqual(last.key, key)) last.list.push(one);
    else groups.push({ key, list: [one] });
  }
  return groups.map(({ list }) => new Tuple([get(list[0]), list], ["grouper", "list"]));
}

function sum(value: Value, attribute?: Value, start: Value = 0n): Value {
  if (typeof start === "string") throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
  const get = attributeGetter(attribute);
  let total: Value = start;
  for (const one of iterate(value)) total = compute("+", total, get(one));
  return total;
}

function* batch(value: Value, size: Value | undefined, fill: Value = null): Generator<Value> {
  const count = numeric(size!);
  let rows: Value[] = [];
  for (const one of iterate(value)) {
    // biome-ignore lint/suspicious/noDoubleEquals: the size is an int or a float.
    if (count !== undefined && rows.length == count) {
      yield rows;
      rows = [];
    }
    rows.push(one);
  }
  if (rows.length === 0) return;
  if (fill !== null) {
    const missing = Math.max(0, intArgument(size) - rows.length);
    spend(missing);
    rows = rows.concat(Array.from({ length: missing }, () => fill));
  }
  yield rows;
}

function* slices(value: Value, slicesGiven: Value | undefined, fill: Value = null): Generator<Value> {
  const all = listOf(value);
  const count = intArgument(slicesGiven);
  if (count === 0) throw valueError("integer division or modulo by zero");
  const size = Math.floor(all.length / count);
  const larger = all.length - size * count;
  let start = 0;
  for (let i = 0; i < count; i++) {
    spend();
    const end = start + size + (i < larger ? 1 : 0);
    const part = all.slice(start, end);
    yield fill !== null && i >= larger ? [...part, fill] : part;
    start = end;
  }
}

function last(value: Value): Value {
  const reversed = reversedOf(value);
  if (!reversed) throw typeError(`'${typeName(value)}' object is not reversible`);
  return reversed.length > 0 ? reversed[0] : new Undefined("No last item, sequence was empty.");
}

/** Returns the elements in reverse order; undefined for values that Python's `reversed` does not accept. */
function reversedOf(value: Value): Value[] | undefined {
  if (value instanceof Undefined) return [];
  const isSequence = textOf(value) !== undefined || sequenceOf(value) !== undefined;
  if (!isSequence && !(value instanceof Dict || value instanceof Range || value instanceof View)) return undefined;
  return listOf(value).reverse();
}

function reverse(value: Value): Value {
  const text = textOf(value);
  if (text !== undefined) {
    const reversed = codePoints(text).reverse().join("");
    return value instanceof Markup ? new Markup(reversed) : reversed;
  }
  const reversed = reversedOf(value);
  return reversed ? new Stream("reversed", reversed) : listOf(value).reverse();
}

/** Filters of lists and dicts. */
export const sequenceFilters: Filters = {
  batch: ["linecount fill_with?", (value, ...args) => new Stream("do_batch", batch(value, ...(args as [Value])))],
  count: ["", (value) => BigInt(lengthOf(value))],
  dictsort: ["case_sensitive? by? reverse?", dictSort],
  first: ["", first],
  groupby: ["attribute default? case_sensitive?", groupBy],
  items: ["", (value) => new Stream("do_items", items(value))],
  last: ["", last],
  length: ["", (value) => BigInt(lengthOf(value))],
  list: ["", listOf],
  max: ["case_sensitive? attribute?", (value, ...args) => extreme(">", value, ...args)],
  min: ["case_sensitive? attribute?", (value, ...args) => extreme("<", value, ...args)],
  random: ["", random],
  reverse: ["", reverse],
  slice: ["slices fill_with?", (value, ...args) => new Stream("sync_do_slice", slices(value, ...(args as [Value])))],
  sort: ["reverse? case_sensitive? attribute?", sort],
  sum: ["attribute? start?", sum],
  unique: ["case_sensitive? attribute?", (value, ...args) => new Stream("sync_do_unique", unique(value, ...args))],
};

function first(value: Value): Value {
  for (const one of iterate(value)) return one;
  return new Undefined("No first item, sequence was empty.");
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw typeError("Can only get item pairs from a mapping.");
  for (const entry of value.entries()) yield new Tuple(entry);
}

function random(value: Value): Value {
  const all = listOf(value);
  if (all.length === 0) return new Undefined("No random item, sequence was empty.");
  return all[Math.floor(Math.random() * all.length)];
}

/** The filter `map`: yields, for each element of a value, the element's attribute or the result of another filter. */
function* map(value: Value, { positional, named }: Arguments, environment: FilterEnvironment): Generator<Value> {
  if (!isTrue(value)) return;
  const run = mapper(positional, named, environment);
  for (const one of iterate(value)) yield run(one);
}

function mapper(
  [name, ...positional]: readonly Value[],
  named: Arguments["named"],
  environment: FilterEnvironment,
): (value: Value) => Value {
  if (name !== undefined) return (value) => environment.callFilter(str(name), value, { positional, named });
  const attribute = named.get("attribute");
  if (attribute === undefined) throw valueError("map requires a filter argument");
  for (const key of named.keys()) {
    if (key !== "attribute" && key !== "default") throw valueError(`Unexpected keyword argument '${key}'`);
  }
  return attributeGetter(attribute, named.get("default") ?? null);
}

/**
 * The filters `select` and `reject`: yields the elements for which the test returns `wanted`. If no test is given, the
 * element's truth value is used.
 */
function* select(
  value: Value,
  { positional, named }: Arguments,
  environment: FilterEnvironment,
  wanted: boolean,
  ofAttribute: boolean,
): Generator<Value> {
  if (!isTrue(value)) return;
  const [attribute, ...others] = positional;
  if (ofAttribute && attribute === undefined) throw valueError("Missing parameter for attribute name");
  const get = ofAttribute ? attributeGetter(attribute) : (one: Value) => one;
  const [name, ...rest] = ofAttribute ? others : positional;
  const test = (one: Value): boolean =>
    name === undefined ? isTrue(one) : environment.callTest(str(name), one, { positional: rest, named });
  for (const one of iterate(value)) if (test(get(one)) === wanted) yield one;
}

const selection =
  (wanted: boolean, ofAttribute: boolean) =>
  (value: Value, args: Arguments, environment: FilterEnvironment): Stream =>
    new Stream("select_or_reject", select(value, args, environment, wanted, ofAttribute));

/** Filters that apply another filter or a test to every element. */
export const selectionFilters: Filters = {
  map: (value, args, environment) => new Stream("sync_do_map", map(value, args, environment)),
  reject: selection(false, false),
  rejectattr: selection(false, true),
  select: selection(true, false),
  selectattr: selection(true, true),
};
