import { spendText } from "./limits.ts";
import { typeError } from "./templateError.ts";

/**
 * A value in a template: Python's `None`, `bool`, `int`, `float`, `str`, `list`, and the classes below. An `int` is a
 * bigint and a `float` is a number, because `1` and `1.0` are different values.
 */
export type Value = null | boolean | bigint | number | string | Value[] | ObjectValue;

/** Values that are class instances. */
type ObjectValue = Tuple | Dict | Undefined | Markup | Range | View | Stream | RuntimeObject;

/** Arguments of a call: by position and by name. */
export interface Arguments {
  positional: Value[];
  named: ReadonlyMap<string, Value>;
}

/** Python's `tuple`; `names` are the fields of a named tuple. */
export class Tuple {
  readonly items: readonly Value[];
  readonly names: readonly string[];

  constructor(items: readonly Value[], names: readonly string[] = []) {
    this.items = items;
    this.names = names;
  }
}

/** Python's `dict`: keeps the order of insertion, and `1`, `1.0` and `True` are the same key. */
export class Dict {
  readonly #entries = new Map<unknown, [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashKey(key));
  }

  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    const entry = this.#entries.get(hash);
    if (entry) entry[1] = value;
    else this.#entries.set(hash, [key, value]);
  }

  entries(): [Value, Value][] {
    return Array.from(this.#entries.values(), ([key, value]) => [key, value]);
  }

  keys(): Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }

  values(): Value[] {
    return Array.from(this.#entries.values(), ([, value]) => value);
  }
}

/** Jinja's `Undefined`: prints as an empty text, and throws in nearly all other uses. */
export class Undefined {
  readonly message: string;
  /**
   * True if this value is the result of an access that the sandbox forbids, for example to a method that changes a
   * list.
   */
  readonly isUnsafe: boolean;

  constructor(message: string, isUnsafe = false) {
    this.message = message;
    this.isUnsafe = isUnsafe;
  }
}

/** Text that is safe in HTML, made by the filters `escape` and `safe`. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Python's `range`. */
export class Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;

  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }

  get length(): number {
    return Math.max(0, Math.ceil((this.stop - this.start) / this.step));
  }

  at(index: number): bigint {
    return BigInt(this.start + index * this.step);
  }
}

/** Python's view of a dict, which the dict's methods `keys`, `values` and `items` return. */
export class View {
  readonly kind: "keys" | "values" | "items";
  readonly dict: Dict;

  constructor(kind: View["kind"], dict: Dict) {
    this.kind = kind;
    this.dict = dict;
  }

  items(): Value[] {
    if (this.kind === "items") return this.dict.entries().map((entry) => new Tuple(entry));
    return this.kind === "keys" ? this.dict.keys() : this.dict.values();
  }
}

/** A generator or another iterator, which can be read only once. */
export class Stream {
  readonly name: string;
  readonly iterator: Iterator<Value>;

  constructor(name: string, values: Iterable<Value>) {
    this.name = name;
    this.iterator = values[Symbol.iterator]();
  }
}

/** The operations that a `RuntimeObject` supports. */
export interface Abilities {
  /** Returns an attribute; undefined if it is missing. */
  get?: (name: string) => Value | undefined;
  call?: (args: Arguments) => Value;
  repr?: () => string;
  /** Returns the length. Undefined if the object has no length. */
  length?: () => number;
  /** Sets an attribute of a namespace. */
  set?: (name: string, value: Value) => void;
}

/** A runtime object: a function, a macro, `loop`, or a namespace. */
export class RuntimeObject {
  readonly typeName: string;
  readonly can: Abilities;

  constructor(typeName: string, can: Abilities) {
    this.typeName = typeName;
    this.can = can;
  }
}

/**
 * Returns the value or, if it is undefined, the result of `fallback`. Unlike `??`, keeps null, which is Python's None.
 */
export function valueOr(value: Value | undefined, fallback: () => Value): Value {
  return value === undefined ? fallback() : value;
}

/** Returns the name of a value's Python type. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  if (typeof value === "string") return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Dict) return "dict";
  if (value instanceof Range) return "range";
  if (value instanceof View) return `dict_${value.kind}`;
  if (value instanceof RuntimeObject) return value.typeName;
  if (value instanceof Stream) return value.name;
  return value instanceof Markup ? "Markup" : "Undefined";
}

const undefinedKey = Symbol("undefined");

/** Returns a key for a JavaScript Map that is equal for values that Python's dict treats as the same key. */
function hashKey(key: Value): unknown {
  if (typeof key === "boolean") return BigInt(key);
  if (typeof key === "number") return Number.isInteger(key) ? BigInt(key) : key;
  if (key instanceof Markup) return key.text;
  if (key instanceof Undefined) return undefinedKey;
  if (key instanceof Tuple) {
    const text = `\0tuple ${key.items.map(hashText).join()}`;
    // Nested tuples can contain an element many times, so the text may be exponentially long.
    spendText(text.length);
    return text;
  }
  if (Array.isArray(key) || key instanceof Dict) throw typeError(`unhashable type: '${typeName(key)}'`);
  return key;
}

function hashText(key: Value): string {
  const hash = hashKey(key);
  return typeof hash === "string" ? JSON.stringify(hash) : `${typeof hash} ${String(hash)}`;
}
