import { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import { checkDType } from "../layout/checkDType.ts";
import type { DType, TypedArray } from "../layout/dtype.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../layout/shape.ts";
import { type CreateOptions, createKeys, encode, finish, fromBytes } from "./create.ts";

/** Options of `tensor`. */
export interface TensorOptions extends CreateOptions {
  /** Shape of the tensor. Default: the shape of the nested arrays or, for a typed array, [length]. */
  shape?: Shape;
}

/** Numbers in nested arrays of equal lengths. The innermost arrays may be typed arrays. */
export type NestedNumbers = number | boolean | ArrayLike<number> | readonly NestedNumbers[];

/**
 * Creates a tensor from a number, nested arrays (`[[1, 2], [3, 4]]`) or a typed array with a `shape`. The dtype
 * defaults to f32, to i32 for an Int32Array, and to u8 for a Uint8Array.
 */
export function tensor(data: NestedNumbers, options: TensorOptions = {}): Tensor {
  checkOptions("tensor", options, { ...createKeys, shape: true });
  if (options.dtype) checkDType("tensor", options.dtype);
  const flat: number[] = [];
  let values: ArrayLike<number> = flat;
  let { shape } = options;
  if (isTyped(data)) {
    values = data;
    shape ??= [values.length];
  } else {
    const found = flatten(data, flat, []);
    shape ??= found;
  }
  checkShape("tensor", shape);
  if (sizeOf(shape) !== values.length) {
    throw new Error(`tensor: ${values.length} values do not fill the shape ${formatShape(shape)}`);
  }
  const dtype = options.dtype ?? defaultDType(data);
  return finish(fromBytes(encode("tensor", values, dtype), shape, dtype, options.backend), options);
}

function defaultDType(data: unknown): DType {
  return data instanceof Int32Array ? "i32" : data instanceof Uint8Array ? "u8" : "f32";
}

function isTyped(data: unknown): data is TypedArray {
  return ArrayBuffer.isView(data) && "length" in data && typeof (data as TypedArray)[0] !== "bigint";
}

/**
 * Appends all elements of nested arrays to `into`, and returns their shape. Throws if arrays at the same depth have
 * different lengths.
 */
function flatten(data: NestedNumbers, into: number[], path: number[], shape: number[] = []): number[] {
  const depth = path.length;
  if (typeof data === "number" || typeof data === "boolean") {
    if (depth !== shape.length) throw ragged(path, "a number", shape);
    into.push(Number(data));
    return shape;
  }
  if (!(Array.isArray(data) || isTyped(data))) throw new Error(`tensor: ${adviceFor(data, path)}`);
  if (shape.length === depth && into.length === 0) shape.push(data.length);
  if (shape[depth] !== data.length) throw ragged(path, entries(data.length), shape);
  for (let i = 0; i < data.length; i++) flatten(data[i], into, [...path, i], shape);
  return shape;
}

function ragged(path: readonly number[], found: string, shape: readonly number[]): Error {
  const wanted = path.length < shape.length ? `${shape[path.length]} as those before it` : "a number";
  return new Error(
    `tensor: the nested arrays are ragged: at ${place(path)} there is ${found}, not ${wanted}; pad rows to one length`,
  );
}

function entries(count: number): string {
  return count === 1 ? "1 entry" : `${count} entries`;
}

/** Returns the position of a value in nested arrays, written as code: `data[0][1]`. */
function place(path: readonly number[]): string {
  return `data${path.map((i) => `[${i}]`).join("")}`;
}

function adviceFor(data: unknown, path: readonly number[]): string {
  const where = path.length === 0 ? "" : ` at ${place(path)}`;
  if (typeof data === "string") {
    return `${JSON.stringify(data)}${where} is text, and tensors hold numbers; texts become token ids by tokenizer.encode(text)`;
  }
  if (typeof data === "bigint" || (ArrayBuffer.isView(data) && "length" in data)) {
    return `the numbers${where} are bigint; give Int32Array.from(data, Number)`;
  }
  if (data instanceof Tensor) {
    return path.length === 0
      ? "this is a tensor already; clone() copies it, detach() cuts it from its history"
      : `there is a tensor${where}; stack([a, b]) or cat([a, b]) joins tensors`;
  }
  if (/^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(data)) || ArrayBuffer.isView(data)) {
    return "an ArrayBuffer has no element type; give new Float32Array(buffer), or fromBytes(buffer, shape, dtype)";
  }
  if (typeof Blob !== "undefined" && data instanceof Blob) {
    return "a Blob's bytes must be read first; give fromBytes(await blob.arrayBuffer(), shape, dtype)";
  }
  return `${String(data)}${where} is no number; give numbers, nested arrays of numbers or a typed array`;
}
