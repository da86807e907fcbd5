import { isEqual } from "../operators/compare.ts";
import { lengthIfSized } from "../operators/iterate.ts";
import { typeError } from "../values/templateError.ts";
import { type Arguments, RuntimeObject, Tuple, Undefined, type Value, valueOr } from "../values/types.ts";

/** A running `for` loop, and the value of its variable `loop`. */
export class Loop {
  readonly variable: RuntimeObject;
  readonly #depth: number;
  readonly #iterator: Iterator<Value>;
  #length: number | undefined;
  /**
   * Elements that were read from the iterator in advance, because the template used a variable such as `loop.last` or
   * `loop.length`. `#passed` is the number of these elements that `next` has returned.
   */
  #ahead: Value[] = [];
  #passed = 0;
  #at = -1;
  #previous: Value | undefined;
  #current: Value | undefined;
  #changed: Value | undefined;

  constructor(
    over: Value,
    elements: Iterable<Value>,
    depth: number,
    recurse: ((over: Value, depth: number) => Value) | undefined,
  ) {
    this.#iterator = elements[Symbol.iterator]();
    this.#length = lengthIfSized(over);
    this.#depth = depth;
    const call = ({ positional }: Arguments): Value => {
      if (!recurse) throw typeError("The loop must have the 'recursive' marker to be called recursively.");
      if (positional.length !== 1) throw typeError("loop() takes one value to iterate over");
      return recurse(positional[0], depth + 1);
    };
    const repr = (): string => `<LoopContext ${this.#at + 1}/${this.#count()}>`;
    this.variable = new RuntimeObject("LoopContext", {
      call,
      repr,
      get: (name) => this.#get(name),
      length: () => this.#count(),
    });
  }

  /** Returns the next element, which becomes the current one; undefined at the end. */
  next(): Value | undefined {
    const value = this.#passed < this.#ahead.length ? this.#ahead[this.#passed++] : this.#read();
    if (value === undefined) return undefined;
    this.#at++;
    this.#previous = this.#current;
    this.#current = value;
    return value;
  }

  #read(): Value | undefined {
    const { done, value } = this.#iterator.next();
    return done ? undefined : value;
  }

  #peek(): Value | undefined {
    if (this.#passed === this.#ahead.length) {
      const value = this.#read();
      this.#ahead = value === undefined ? [] : [value];
      this.#passed = 0;
    }
    return this.#ahead[this.#passed];
  }

  #count(): number {
    if (this.#length === undefined) {
      for (let value = this.#read(); value !== undefined; value = this.#read()) this.#ahead.push(value);
      this.#length = this.#at + 1 + this.#ahead.length - this.#passed;
    }
    return this.#length;
  }

  #get(name: string): Value | undefined {
    switch (name) {
      case "index":
        return BigInt(this.#at + 1);
      case "index0":
        return BigInt(this.#at);
      case "revindex":
        return BigInt(this.#count() - this.#at);
      case "revindex0":
        return BigInt(this.#count() - this.#at - 1);
      case "length":
        return BigInt(this.#count());
      case "first":
        return this.#at === 0;
      case "last":
        return this.#peek() === undefined;
      case "depth":
        return BigInt(this.#depth + 1);
      case "depth0":
        return BigInt(this.#depth);
      case "previtem":
        return valueOr(this.#previous, () => new Undefined("there is no previous item"));
      case "nextitem":
        return valueOr(this.#peek(), () => new Undefined("there is no next item"));
      case "cycle":
        return variadic("cycle", (values) => this.#cycle(values));
      case "changed":
        return variadic("changed", (values) => this.#hasChanged(new Tuple(values)));
      default:
        return undefined;
    }
  }

  #cycle(values: readonly Value[]): Value {
    if (values.length === 0) throw typeError("no items for cycling given");
    return values[this.#at % values.length];
  }

  #hasChanged(value: Tuple): boolean {
    if (this.#changed !== undefined && isEqual(this.#changed, value)) return false;
    this.#changed = value;
    return true;
  }
}

/** Makes a function that templates can call with any number of positional arguments. */
export function variadic(name: string, run: (values: readonly Value[]) => Value): RuntimeObject {
  return new RuntimeObject("builtin_function_or_method", {
    call: ({ positional, named }) => {
      if (named.size > 0) throw typeError(`${name}() takes no keyword arguments`);
      return run(positional);
    },
  });
}
