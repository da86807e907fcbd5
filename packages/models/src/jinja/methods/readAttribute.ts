import { isEqual, textOf } from "../operators/compare.ts";
import { bind, intArgument } from "../operators/signature.ts";
import { intDigits } from "../text/numberFormat.ts";
import { spend } from "../values/limits.ts";
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
  View,
  valueOr,
} from "../values/types.ts";
import { formatMethod } from "./formatMethod.ts";
import { type Method, onMarkup, otherStringMethods, spendMethod, stringMethods } from "./stringMethods.ts";

const dictMethods: Readonly<Record<string, Method<Dict>>> = {
  copy: [
    "",
    (dict) => {
      spend(dict.size);
      return new Dict(dict.entries());
    },
  ],
  get: ["/ key default?", (dict, key, fallback = null) => valueOr(dict.get(key!), () => fallback)],
  items: ["", (dict) => new View("items", dict)],
  keys: ["", (dict) => new View("keys", dict)],
  values: ["", (dict) => new View("values", dict)],
};

const listMethods: Readonly<Record<string, Method<readonly Value[]>>> = {
  copy: [
    "",
    (list) => {
      spend(list.length);
      return [...list];
    },
  ],
  count: ["/ value", (list, value) => BigInt(list.filter((one) => isEqual(one, value!)).length)],
  index: ["/ value start? stop?", indexOf],
};

function indexOf(list: readonly Value[], value: Value | undefined, start?: Value, stop?: Value): bigint {
  const from = intArgument(start);
  const to = intArgument(stop, list.length);
  const bound = (at: number): number => (at < 0 ? Math.max(0, at + list.length) : at);
  const found = list.findIndex((one, i) => i >= bound(from) && i < bound(to) && isEqual(one, value!));
  if (found < 0) throw valueError("the value is not in the list");
  return BigInt(found);
}

const floatMethods: Readonly<Record<string, Method<number>>> = {
  is_integer: ["", (value) => Number.isInteger(value)],
  conjugate: ["", (value) => value],
};

const intMethods: Readonly<Record<string, Method<bigint>>> = {
  bit_length: ["", (value) => BigInt(value === 0n ? 0 : intDigits(value, "b").length)],
  conjugate: ["", (value) => value],
};

/** Methods that change a list or a dict. transformers' sandbox forbids them. */
const listChanges = ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];
const dictChanges = ["clear", "pop", "popitem", "setdefault", "update"];

/**
 * Returns an attribute of a value: a method or property of its Python type, or an attribute of an object such as a
 * namespace or `loop`. Returns undefined if it is missing. If transformers' sandbox forbids the attribute, returns an
 * `Undefined` value with `isUnsafe` set.
 */
export function readAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof RuntimeObject) return value.can.get?.(name);
  const isSpecial = name.startsWith("__") && name.endsWith("__");
  if (isSpecial && !(value instanceof Dict && value.has(name))) return unsafe(value, name);
  if (typeof value === "string" || value instanceof Markup) return stringAttribute(value, name);
  if (value instanceof Dict) {
    return dictChanges.includes(name) ? unsafe(value, name) : method(value, name, dictMethods, value);
  }
  if (Array.isArray(value)) {
    return listChanges.includes(name) ? unsafe(value, name) : method(value, name, listMethods, value);
  }
  if (value instanceof Tuple) return tupleAttribute(value, name);
  if (value instanceof Range && ["start", "stop", "step"].includes(name)) {
    return BigInt(value[name as "start" | "stop" | "step"]);
  }
  return numberAttribute(value, name);
}

function unsafe(value: Value, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe.`, true);
}

function method<Self>(owner: Value, name: string, methods: Readonly<Record<string, Method<Self>>>, self: Self) {
  if (!Object.hasOwn(methods, name)) return undefined;
  const [signature, run] = methods[name];
  return bound(owner, name, (args) => run(self, ...bind(name, signature, args)));
}

function bound(owner: Value, name: string, run: (args: Arguments) => Value): RuntimeObject {
  const call = (args: Arguments): Value => {
    spend();
    return run(args);
  };
  const repr = (): string => `<built-in method ${name} of ${typeName(owner)} object>`;
  return new RuntimeObject("builtin_function_or_method", { call, repr });
}

function stringAttribute(value: string | Markup, name: string): Value | undefined {
  const text = textOf(value)!;
  if (name === "format") return bound(value, name, (args) => formatMethod(value, args, readAttribute));
  if (name === "format_map") return bound(value, name, (args) => formatMethod(value, mapped(args), readAttribute));
  if (otherStringMethods.includes(name)) {
    return bound(value, name, () => {
      throw new TemplateError("TEMPLATE_UNSUPPORTED", `the method str.${name} is not supported`);
    });
  }
  if (!Object.hasOwn(stringMethods, name)) return undefined;
  const [signature, run] = stringMethods[name];
  return bound(value, name, (args) => {
    spendMethod(name, text);
    const values = bind(name, signature, args);
    return typeof value === "string" ? run(text, ...values) : onMarkup(value, name, run)(value, ...values);
  });
}

function mapped({ positional, named }: Arguments): Arguments {
  const [map] = positional;
  if (named.size > 0 || positional.length !== 1 || !(map instanceof Dict)) {
    throw typeError("format_map() takes exactly one dict");
  }
  return { positional: [], named: new Map(map.entries().map(([key, value]) => [textOf(key) ?? "", value])) };
}

function tupleAttribute(tuple: Tuple, name: string): Value | undefined {
  const at = tuple.names.indexOf(name);
  if (at >= 0) return tuple.items[at];
  return name === "copy" ? undefined : method(tuple, name, listMethods, tuple.items);
}

function numberAttribute(value: Value, name: string): Value | undefined {
  const number = typeof value === "boolean" ? BigInt(value) : value;
  if (typeof number !== "bigint" && typeof number !== "number") return undefined;
  if (name === "real") return number;
  if (name === "imag") return typeof number === "bigint" ? 0n : 0;
  if (typeof number === "number") return method(value, name, floatMethods, number);
  if (name === "numerator") return number;
  return name === "denominator" ? 1n : method(value, name, intMethods, number);
}
