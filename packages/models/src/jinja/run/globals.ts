import { iterate, listOf, refuseUndefined } from "../operators/iterate.ts";
import { intArgument, nativeFunction, textArgument } from "../operators/signature.ts";
import { repr, str } from "../text/repr.ts";
import { spend } from "../values/limits.ts";
import { TemplateError, typeError, valueError } from "../values/templateError.ts";
import { type Arguments, Dict, Range, RuntimeObject, typeName, type Value } from "../values/types.ts";
import { variadic } from "./loop.ts";
import { strftime } from "./strftime.ts";

/** Maximum length of a `range()`, as in Jinja's sandbox. */
const mostNumbers = 100_000;

function range(values: readonly Value[]): Range {
  if (values.length < 1 || values.length > 3) throw typeError("range expected 1 to 3 arguments");
  const [first, second, step = 1] = values.map((value) => intArgument(value));
  if (step === 0) throw valueError("range() arg 3 must not be zero");
  const result = second === undefined ? new Range(0, first, 1) : new Range(first, second, step);
  if (!(result.length <= mostNumbers)) {
    throw new TemplateError(
      "TEMPLATE_LIMIT",
      `range() would have ${result.length} elements, and at most ${mostNumbers} are allowed`,
    );
  }
  return result;
}

/** Python's `dict(...)` called with these arguments. */
function dictOf({ positional, named }: Arguments): Dict {
  if (positional.length > 1) throw typeError(`dict expected at most 1 argument, got ${positional.length}`);
  const [given] = positional;
  if (given !== undefined) refuseUndefined(given);
  const dict = new Dict();
  if (given instanceof Dict) {
    spend(given.size);
    for (const [key, value] of given.entries()) dict.set(key, value);
  } else if (given !== undefined) {
    for (const pair of iterate(given)) {
      const entry = listOf(pair);
      if (entry.length !== 2) throw valueError("dictionary update sequence elements have a length of 2");
      dict.set(entry[0], entry[1]);
    }
  }
  for (const [key, value] of named) dict.set(key, value);
  return dict;
}

function namespace(args: Arguments): RuntimeObject {
  const attributes = dictOf(args);
  for (const key of attributes.keys()) checkName(key);
  return new RuntimeObject("Namespace", {
    get: (name) => attributes.get(name),
    set: (name, value) => {
      checkName(name);
      attributes.set(name, value);
    },
    repr: () => `<Namespace ${repr(attributes)}>`,
  });
}

function checkName(name: Value): void {
  if (typeof name === "string" && name.startsWith("_")) {
    throw new TemplateError(
      "TEMPLATE_SECURITY",
      `the attribute '${name}' of a namespace begins with an underscore; rename it`,
    );
  }
}

function cycler(values: readonly Value[]): RuntimeObject {
  if (values.length === 0) throw valueError("at least one item has to be provided");
  let at = 0;
  const methods: Record<string, () => Value> = {
    current: () => values[at],
    next: () =>
      nativeFunction("next", "", () => {
        const value = values[at];
        at = (at + 1) % values.length;
        return value;
      }),
    reset: () =>
      nativeFunction("reset", "", () => {
        at = 0;
        return null;
      }),
  };
  return new RuntimeObject("Cycler", { get: (name) => (Object.hasOwn(methods, name) ? methods[name]() : undefined) });
}

function joiner(separator: Value = ", "): RuntimeObject {
  let isUsed = false;
  const call = (): Value => {
    const text = isUsed ? separator : "";
    isUsed = true;
    return text;
  };
  return new RuntimeObject("Joiner", {
    call,
    get: (name) => (name === "sep" ? separator : name === "used" ? isUsed : undefined),
  });
}

function fromKeys(keys: Value | undefined, value: Value = null): Dict {
  return new Dict(Array.from(iterate(keys!), (key) => [key, value]));
}

/** The global functions that transformers provides to templates. */
export const globals: Readonly<Record<string, Value>> = {
  range: variadic("range", range),
  dict: new RuntimeObject("TemplateDict", {
    call: dictOf,
    get: (name) => (name === "fromkeys" ? nativeFunction("fromkeys", "iterable value?", fromKeys) : undefined),
  }),
  namespace: new RuntimeObject("type", { call: namespace }),
  cycler: variadic("cycler", cycler),
  joiner: nativeFunction("joiner", "sep?", joiner),
  lipsum: variadic("lipsum", () => {
    throw new TemplateError("TEMPLATE_UNSUPPORTED", "the function lipsum is not supported");
  }),
  raise_exception: nativeFunction("raise_exception", "message", (message) => {
    throw new TemplateError("TEMPLATE_RAISED", str(message!));
  }),
  strftime_now: nativeFunction("strftime_now", "format", (format) => {
    if (typeof format !== "string") throw typeError(`strftime() argument 1 must be str, not ${typeName(format!)}`);
    return strftime(textArgument(format), new Date());
  }),
};
