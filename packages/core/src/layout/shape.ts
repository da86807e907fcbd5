import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import type { TypedArray } from "./dtype.ts";

/** Sizes of a tensor's dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** Returns the number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i];
  return size;
}

/** Returns a shape as error messages print it: `[2,3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

/** Returns true if two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Returns row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/**
 * Returns the strides with which to read `shape` as if it were broadcast to `target`; a repeated dimension has stride
 * 0.
 */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? 0 : own[i - lead]));
}

/**
 * Returns the shape to which two operands broadcast by NumPy's rule. Throws an error that starts with `op` if they do
 * not broadcast.
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i] : 1;
    const y = i <= b.length ? b[b.length - i] : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new Error(
        `${op}: cannot broadcast ${formatShape(a)} with ${formatShape(b)}: sizes ${x} and ${y} differ and neither is 1`,
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/**
 * Returns a dimension as a number from 0 to rank - 1; negative ones count from the end. Throws if it is out of range.
 */
export function normalizeDim(op: string, dim: number, rank: number): number {
  const d = dim < 0 ? dim + rank : dim;
  if (!Number.isInteger(dim) || d < 0 || d >= rank) {
    throw new Error(`${op}: dim ${dim} is out of range for ${rank} dimensions; use ${-rank}..${rank - 1}`);
  }
  return d;
}

/** Throws unless every size is a non-negative integer. */
export function checkShape(what: string, shape: Shape): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw new Error(`${what}: shape ${formatShape(shape)} holds ${size}; sizes are integers of at least 0`);
    }
  }
}

/** A number or boolean, or arrays of them, nested by dimension. */
export type NestedArray = number | boolean | NestedArray[];

/**
 * Returns the elements, from index `start` on, in arrays nested by `shape`. If `asBooleans`, they are converted to
 * booleans.
 */
export function nested(data: TypedArray, shape: Shape, asBooleans: boolean, start = 0): NestedArray {
  if (shape.length === 0) return asBooleans ? data[start] !== 0 : data[start];
  const rest = shape.slice(1);
  const stride = sizeOf(rest);
  return Array.from({ length: shape[0] }, (_, i) => nested(data, rest, asBooleans, start + i * stride));
}

/** Arguments of functions such as `zeros`: a shape or its sizes one by one, then options. */
export type ShapeArguments<O> =
  | [shape: Shape]
  | [shape: Shape, options: O | undefined]
  | [...sizes: number[]]
  | [...sizes: number[], options: O];

/** Returns the shape and options that the caller passed. Throws if they are invalid. */
export function shapeArguments<O extends object>(
  name: string,
  args: ShapeArguments<O>,
  keys: OptionKeys<O>,
): { shape: Shape; options: O | undefined } {
  const list: readonly unknown[] = args;
  if (list.length === 0) throw new Error(`${name}: it takes a shape, as in ${name}([2, 3]); [] is a single number`);
  const given = Array.isArray(list[0]);
  const count = given ? 1 : leadingNumbers(list);
  const shape = (given ? list[0] : list.slice(0, count)) as Shape;
  if (count === 0 || list.length > count + 1) {
    throw new Error(`${name}: it takes a shape and options, as in ${name}([2, 3]) or ${name}(2, 3), not (${list})`);
  }
  checkShape(name, shape);
  const options = list[count] as O | undefined;
  if (options !== undefined) checkOptions(name, options, keys);
  return { shape, options };
}

/** Returns how many items at the start of the list are numbers. */
function leadingNumbers(list: readonly unknown[]): number {
  const other = list.findIndex((item) => typeof item !== "number");
  return other < 0 ? list.length : other;
}
