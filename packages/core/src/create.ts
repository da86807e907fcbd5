import { type Backend, type BackendOp, currentBackend, type TensorSpec } from "./backend.ts";
import { bytesPerElement, type DType, type PackedDType, type TypedArray, viewAs } from "./dtype.ts";
import { f32ToBf16, f32ToF16 } from "./half.ts";
import { byteLength, checkPacked, checkPackedBytes } from "./packing.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "./shape.ts";
import { allocate, type Tensor } from "./tensor.ts";

/** Options of the functions that make tensors. */
export interface CreateOptions {
  /** Default f32. */
  dtype?: DType;
  requiresGrad?: boolean;
  /** Default: the one `init` chose. */
  backend?: Backend;
}

type Nested = number | boolean | readonly Nested[];

/** A tensor on `backend` from raw little-endian bytes, which are copied. */
export function fromBytes(bytes: Uint8Array, shape: Shape, dtype: DType, backend: Backend = currentBackend()): Tensor {
  checkShape("fromBytes", shape);
  return written("fromBytes", bytes, { shape, dtype }, backend);
}

/**
 * A packed weight from its bytes, which are copied: nf4 and fp4 as `byteLength` lays them
 * out, with a header that agrees with `packing`; q4_1 and q8_0 as blocks of a GGUF file,
 * whole ones in every row.
 */
export function packedTensor(bytes: Uint8Array, spec: TensorSpec & { dtype: PackedDType; backend?: Backend }): Tensor {
  checkShape("packedTensor", spec.shape);
  checkPacked("packedTensor", spec);
  return written("packedTensor", bytes, spec, spec.backend ?? currentBackend());
}

function written(what: string, bytes: Uint8Array, { shape, dtype, packing }: TensorSpec, backend: Backend): Tensor {
  const spec = { shape, dtype, packing };
  const wanted = byteLength(spec);
  if (bytes.byteLength !== wanted) {
    throw new Error(`${what}: ${dtype} ${formatShape(shape)} takes ${wanted} bytes, got ${bytes.byteLength}`);
  }
  checkPackedBytes(what, bytes, spec);
  const out = allocate(spec, backend);
  backend.write(out.storage.buffer, bytes);
  return out;
}

/**
 * A tensor from a number, nested arrays (`[[1, 2], [3, 4]]`) or a typed array with a `shape`. The
 * dtype defaults to f32, or to i32 for an Int32Array and u8 for a Uint8Array.
 */
export function tensor(data: Nested | ArrayLike<number>, options: CreateOptions & { shape?: Shape } = {}): Tensor {
  const flat: number[] = [];
  let values: ArrayLike<number> = flat;
  let shape = options.shape;
  if (ArrayBuffer.isView(data)) {
    values = data as TypedArray;
    shape ??= [values.length];
  } else {
    const found = flatten(data as Nested, flat);
    shape ??= found;
  }
  checkShape("tensor", shape);
  if (sizeOf(shape) !== values.length) {
    throw new Error(`tensor: ${values.length} values do not fill the shape ${formatShape(shape)}`);
  }
  const dtype = options.dtype ?? (data instanceof Int32Array ? "i32" : data instanceof Uint8Array ? "u8" : "f32");
  return finish(fromBytes(encode("tensor", values, dtype), shape, dtype, options.backend), options);
}

function flatten(data: Nested, into: number[], depth = 0, shape: number[] = []): number[] {
  if (typeof data === "number" || typeof data === "boolean") {
    if (depth !== shape.length) throw new Error(`tensor: nested arrays are ragged: a value stands at depth ${depth}`);
    into.push(Number(data));
    return shape;
  }
  if (shape.length === depth && into.length === 0) shape.push(data.length);
  if (shape[depth] !== data.length) {
    throw new Error(`tensor: nested arrays are ragged: lengths ${shape[depth]} and ${data.length} at depth ${depth}`);
  }
  for (const item of data) flatten(item, into, depth + 1, shape);
  return shape;
}

/** The least and the largest number of the integer dtypes. */
const ranges: Partial<Record<DType, readonly [number, number]>> = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255] };

/** Throws for a number that an integer dtype cannot hold. Fractions are cut off, as in PyTorch. */
function checkRange(what: string, values: ArrayLike<number>, dtype: DType): void {
  const range = ranges[dtype];
  if (!range) return;
  const [low, high] = range;
  for (let i = 0; i < values.length; i++) {
    const value = Math.trunc(values[i]);
    if (value >= low && value <= high) continue;
    throw new Error(`${what}: ${values[i]} at position ${i} is not within ${dtype}, which goes from ${low} to ${high}`);
  }
}

function encode(what: string, values: ArrayLike<number>, dtype: DType): Uint8Array {
  const raw = viewAs(dtype, new ArrayBuffer(values.length * bytesPerElement(dtype)), 0, values.length);
  if (raw instanceof Uint16Array) {
    const wide = values instanceof Float32Array ? values : Float32Array.from(values);
    if (dtype === "bf16") f32ToBf16(wide, raw);
    else f32ToF16(wide, raw);
  } else if (dtype === "bool") {
    for (let i = 0; i < values.length; i++) raw[i] = values[i] ? 1 : 0;
  } else {
    if (values.constructor !== raw.constructor) checkRange(what, values, dtype);
    raw.set(values);
  }
  return new Uint8Array(raw.buffer);
}

function finish(out: Tensor, options: CreateOptions): Tensor {
  if (options.requiresGrad) out.requiresGrad = true;
  return out;
}

/**
 * Returns a tensor whose elements `fill` writes in place; if the backend's memory is not the
 * host's, `fill` writes into host memory, which is then copied. Without data nothing is written.
 */
export function writtenBy(spec: TensorSpec, backend: Backend, fill: (elements: TypedArray) => void): Tensor {
  const out = allocate(spec, backend);
  if (backend.dataless) return out;
  const kernel: BackendOp<void> = { name: "writtenBy", ref: (_inputs, [view]) => fill(view.data) };
  if (backend.supports(kernel, [], undefined)) {
    backend.run(kernel, [], [out], undefined);
  } else {
    const elements = viewAs(spec.dtype, new ArrayBuffer(byteLength(spec)), 0, out.size);
    fill(elements);
    backend.write(out.storage.buffer, new Uint8Array(elements.buffer));
  }
  return out;
}

/** A tensor filled with `value`, where it lies: nothing is uploaded. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  checkShape("full", shape);
  const { dtype = "f32", backend = currentBackend() } = options;
  const word = wordOf(value, dtype);
  const out = allocate({ shape, dtype }, backend);
  backend.fill(out.storage.buffer, word);
  return finish(out, options);
}

const float = new Float32Array(1);
const floatBits = new Int32Array(float.buffer);

/** Returns 32 bits that hold one element, or several equal ones. */
function wordOf(value: number, dtype: DType): number {
  if (dtype === "f32") {
    float[0] = value;
    return floatBits[0];
  }
  const element = encode("full", [value], dtype);
  const word = Uint8Array.from({ length: 4 }, (_, i) => element[i % element.length]);
  return new Int32Array(word.buffer)[0];
}

/** A tensor of zeros. */
export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 0, options);
}

/** A tensor of ones. */
export function ones(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** The numbers `start`, `start + step`, ... below `end`, as i32 by default. */
export function arange(start: number, end: number, step = 1, options: CreateOptions = {}): Tensor {
  if (!(step !== 0 && Number.isFinite(step)))
    throw new Error(`arange: step ${step} must be a finite number other than 0`);
  const length = Math.max(0, Math.ceil((end - start) / step));
  const values = Float64Array.from({ length }, (_, i) => start + i * step);
  const dtype = options.dtype ?? "i32";
  return finish(fromBytes(encode("arange", values, dtype), [length], dtype, options.backend), options);
}
