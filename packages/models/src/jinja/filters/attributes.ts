import { readAttribute } from "../methods/readAttribute.ts";
import { getItem } from "../operators/access.ts";
import { textOf } from "../operators/compare.ts";
import { Markup, Undefined, type Value } from "../values/types.ts";

/**
 * Returns a text in lower case, and other values unchanged. Filters that ignore case, such as `sort`, compare these
 * results.
 */
export function ignoreCase(value: Value): Value {
  const text = textOf(value);
  if (text === undefined) return value;
  return value instanceof Markup ? new Markup(text.toLowerCase()) : text.toLowerCase();
}

/**
 * Returns a function that reads an attribute path (such as `address.city`) or an index from a value. If `attribute` is
 * missing, the function returns the value itself. A `fallback` other than null replaces an undefined result.
 */
export function attributeGetter(attribute: Value | undefined, fallback: Value = null): (value: Value) => Value {
  const parts = partsOf(attribute ?? null);
  return (value) => {
    let result = value;
    for (const part of parts) {
      result = getItem(result, part, readAttribute);
      if (fallback !== null && result instanceof Undefined) result = fallback;
    }
    return result;
  };
}

/** Returns a function that reads several attributes, which `attribute` lists separated by commas. */
export function attributesGetter(attribute: Value | undefined): (value: Value) => Value[] {
  const text = textOf(attribute ?? null);
  const getters = (text === undefined ? [attribute] : text.split(",")).map((one) => attributeGetter(one));
  return (value) => getters.map((get) => get(value));
}

function partsOf(attribute: Value): Value[] {
  if (attribute === null) return [];
  const text = textOf(attribute);
  if (text === undefined) return [attribute];
  return text.split(".").map((part) => (/^\d+$/.test(part) ? BigInt(part) : part));
}
