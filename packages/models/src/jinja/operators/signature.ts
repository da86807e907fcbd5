import { typeError, valueError } from "../values/templateError.ts";
import { type Arguments, RuntimeObject, typeName, type Value } from "../values/types.ts";
import { numeric, textOf } from "./compare.ts";
import { refuseUndefined } from "./iterate.ts";

/** The arguments of a call in the order of a signature; undefined for an argument that the call omits. */
export type Bound = readonly (Value | undefined)[];

/**
 * Sorts the arguments of a call into the order of a signature. `signature` lists the parameter names, separated by
 * spaces. A `?` marks an optional parameter; a leading `/` makes all parameters positional-only. Throws for missing or
 * unknown arguments, like Python.
 */
export function bind(owner: string, signature: string, { positional, named }: Arguments): Bound {
  const [only, ...rest] = signature.split(" ");
  const names = only === "/" ? rest : signature === "" ? [] : [only, ...rest];
  if (positional.length > names.length) {
    throw typeError(`${owner}() takes at most ${names.length} arguments, and ${positional.length} were given`);
  }
  if (only === "/" && named.size > 0) throw typeError(`${owner}() takes no keyword arguments`);
  const bare = names.map((name) => name.replace("?", ""));
  for (const name of named.keys()) {
    const at = bare.indexOf(name);
    if (at < 0) throw typeError(`${owner}() got an unexpected keyword argument '${name}'`);
    if (at < positional.length) throw typeError(`${owner}() got multiple values for argument '${name}'`);
  }
  return names.map((name, i) => {
    const value = i < positional.length ? positional[i] : named.get(bare[i]);
    if (value === undefined && !name.endsWith("?")) throw typeError(`${owner}() is missing the argument '${name}'`);
    return value;
  });
}

/** Makes a function that templates can call. Its arguments are sorted by `signature` (see `bind`). */
export function nativeFunction(name: string, signature: string, run: (...args: Bound) => Value): RuntimeObject {
  return new RuntimeObject("builtin_function_or_method", {
    call: (args) => run(...bind(name, signature, args)),
    repr: () => `<built-in function ${name}>`,
  });
}

/** Converts an argument to an integer; returns `fallback` if it is missing. Throws for other types. */
export function intArgument(value: Value | undefined, fallback = 0): number {
  if (value === undefined) return fallback;
  refuseUndefined(value);
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
}

/** Returns an argument as a text. Throws for other types. */
export function textArgument(value: Value | undefined): string {
  const text = value === undefined ? undefined : textOf(value);
  if (text !== undefined) return text;
  throw typeError(`expected a str, and got ${value === undefined ? "nothing" : typeName(value)}`);
}

/** Returns a numeric argument as a float, like Python's `float(value)`. */
export function floatArgument(value: Value): number {
  refuseUndefined(value);
  const number = numeric(value);
  if (number === undefined) throw typeError(`must be real number, not ${typeName(value)}`);
  const float = Number(number);
  if (typeof number === "bigint" && !Number.isFinite(float)) throw valueError("int too large to convert to float");
  return float;
}
