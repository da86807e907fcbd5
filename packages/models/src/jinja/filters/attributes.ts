import { readAttribute } from "../methods/readAttribute.ts";
import { getItem } from "../operators/access.ts";
import { textOf } from "../operators/compare.ts";
import { Markup, Undefined, type Value } from "../values/types.ts";

/**
 * Returns a text in lower case and other values unchanged: the sort key for case-insensitive filters such as `sort`.
 */
export function ignoreCase(value: Value): Value {
  const text = textOf(value);
  if (text === undefined) return value;
  return value instanceof Markup ? new Markup(text.toLowerCase()) : text.toLowerCase();
}

/**
 * Returns a function that reads an attribute such as `address.city`, or an index. Without `attribute`, it returns the
 * value.
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

/** Like `attributeGetter`, for several attributes separated by commas. */
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
