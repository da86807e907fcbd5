import { isTrue, iterate } from "../operators/iterate.ts";
import { str } from "../text/repr.ts";
import { valueError } from "../values/templateError.ts";
import { type Arguments, Stream, type Value } from "../values/types.ts";
import { attributeGetter } from "./attributes.ts";
import type { FilterEnvironment, Filters } from "./environment.ts";

/** Yields the result of a filter, or an attribute, for every element of a value. */
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

/** Yields the elements for which a test, or without a test the element's truth value, gives `wanted`. */
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
