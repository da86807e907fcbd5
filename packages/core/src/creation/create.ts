import { type Backend, type BackendOp, currentBackend, type TensorSpec } from "../backends/backend.ts";
import { byteLength } from "../backends/packedFormat.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { bytesOf } from "../internal/bytesOf.ts";
import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import { checkDType } from "../layout/checkDType.ts";
import { bytesPerElement, type DType, expectsUnpacked, isPacked, type TypedArray, viewAs } from "../layout/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../layout/half.ts";
import { checkShape, formatShape, type Shape, type ShapeArguments, shapeArguments } from "../layout/shape.ts";

/** Options of functions that create tensors. */
export interface CreateOptions {
  /** The tensor's dtype. Default f32. */
  dtype?: DType;
  requiresGrad?: boolean;
  /** The backend to create the tensor on. Default: the backend set by `init`. */
  backend?: Backend;
}

/** The names of all options of `CreateOptions`. */
export const createKeys: OptionKeys<CreateOptions> = { dtype: true, requiresGrad: true, backend: true };

/**
 * Creates a tensor on `backend` from a copy of raw little-endian bytes. A typed array of any element type may be
 * passed: the bytes of its memory are copied, without conversion of its elements.
 */
export function fromBytes(
  bytes: ArrayBuffer | ArrayBufferView,
  shape: Shape,
  dtype: DType,
  backend: Backend = currentBackend(),
): Tensor {
  checkShape("fromBytes", shape);
  checkDType("fromBytes", dtype);
  if (isPacked(dtype)) throw expectsUnpacked(dtype);
  return tensorFromBytes("fromBytes", bytesOf("fromBytes", bytes), { shape, dtype }, backend);
}

/** Creates a tensor from a copy of bytes. Throws if their number does not match the shape and dtype. */
export function tensorFromBytes(
  what: string,
  bytes: Uint8Array,
  { shape, dtype, packing }: TensorSpec,
  backend: Backend,
): Tensor {
  const spec = { shape, dtype, packing };
  const wanted = byteLength(spec);
  if (bytes.byteLength !== wanted) {
    throw new Error(`${what}: ${dtype} ${formatShape(shape)} takes ${wanted} bytes, got ${bytes.byteLength}`);
  }
  const out = allocate(spec, backend);
  backend.write(out.storage.buffer, bytes);
  return out;
}

/** The smallest and the largest value of each integer dtype. */
const ranges: Partial<Record<DType, readonly [number, number]>> = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255] };

/** Throws if an integer dtype cannot hold one of the values. Fractions are allowed, and truncated as in PyTorch. */
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

/** Converts numbers to the bytes of a dtype. Throws if an integer dtype cannot hold one of them. */
export function encode(what: string, values: ArrayLike<number>, dtype: DType): Uint8Array {
  const raw = viewAs(dtype, new ArrayBuffer(values.length * bytesPerElement(dtype)), 0, values.length);
  if (raw instanceof Uint16Array) {
    const wide = values instanceof Float32Array ? values : Float32Array.from(values);
    if (dtype === "bf16") f32ToBf16(wide, raw);
    else f32ToF16(wide, raw);
  } else if (dtype === "bool") {
    raw.set(Array.from(values, (value) => (value ? 1 : 0)));
  } else {
    if (values.constructor !== raw.constructor) checkRange(what, values, dtype);
    raw.set(values);
  }
  return new Uint8Array(raw.buffer);
}

/** Sets the tensor's `requiresGrad` if the options do, and returns the tensor. */
export function finish(out: Tensor, options: CreateOptions): Tensor {
  if (options.requiresGrad) out.requiresGrad = true;
  return out;
}

/**
 * Creates a tensor whose elements are written by `fill`. If the backend's memory cannot be accessed directly, `fill`
 * writes to host memory, which is then copied. If the backend stores no data, `fill` is not called.
 */
export function tensorFilledBy(spec: TensorSpec, backend: Backend, fill: (elements: TypedArray) => void): Tensor {
  const out = allocate(spec, backend);
  if (backend.dataless) return out;
  const kernel: BackendOp<void> = { name: "tensorFilledBy", ref: (_inputs, [view]) => fill(view.data) };
  if (backend.supports(kernel, [], undefined)) {
    backend.run(kernel, [], [out], undefined);
  } else {
    const elements = viewAs(spec.dtype, new ArrayBuffer(byteLength(spec)), 0, out.size);
    fill(elements);
    backend.write(out.storage.buffer, new Uint8Array(elements.buffer));
  }
  return out;
}

/** Creates a tensor filled with `value`. The backend fills its memory itself, so nothing is uploaded. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  if (typeof value !== "number" || !Array.isArray(shape)) {
    throw new Error(`full: it takes a shape and a number, as in full([2, 3], 0.5), not (${shape}, ${value})`);
  }
  checkShape("full", shape);
  checkOptions("full", options, createKeys);
  return filled("full", shape, value, options);
}

function filled(name: string, shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  const { dtype = "f32", backend = currentBackend() } = options;
  checkDType(name, dtype);
  const word = wordOf(value, dtype);
  const out = allocate({ shape, dtype }, backend);
  backend.fill(out.storage.buffer, word);
  return finish(out, options);
}

const float = new Float32Array(1);
const floatBits = new Int32Array(float.buffer);

/**
 * Returns a 32-bit word filled with copies of one element: one copy for 4-byte dtypes, two or four for smaller ones.
 */
function wordOf(value: number, dtype: DType): number {
  if (Object.is(value, 0)) return 0;
  if (dtype === "f32") {
    float[0] = value;
    return floatBits[0];
  }
  const element = encode("full", [value], dtype);
  const word = Uint8Array.from({ length: 4 }, (_, i) => element[i % element.length]);
  return new Int32Array(word.buffer)[0];
}

/** Creates a tensor of zeros: `zeros([2, 3], { dtype: "i32" })`, or `zeros(2, 3)` as in PyTorch. */
export function zeros(...args: ShapeArguments<CreateOptions>): Tensor {
  const { shape, options } = shapeArguments("zeros", args, createKeys);
  return filled("zeros", shape, 0, options);
}

/** Creates a tensor of ones: `ones([2, 3])` or `ones(2, 3)`. */
export function ones(...args: ShapeArguments<CreateOptions>): Tensor {
  const { shape, options } = shapeArguments("ones", args, createKeys);
  return filled("ones", shape, 1, options);
}

/** Arguments of `arange`, as in PyTorch: the end alone, or the start, the end and optionally the step. */
export type RangeArguments =
  | [end: number, options?: CreateOptions]
  | [start: number, end: number, options?: CreateOptions]
  | [start: number, end: number, step: number | undefined, options?: CreateOptions];

/** Returns the values `start` (default 0), `start + step`, ... below `end`, as i32 by default. */
export function arange(...args: RangeArguments): Tensor {
  const numbers = args.filter((arg) => typeof arg === "number");
  const options = args.find((arg) => typeof arg === "object") ?? {};
  checkOptions("arange", options, createKeys);
  const [start, end, step = 1] = numbers.length === 1 ? [0, numbers[0]] : numbers;
  if (!(step !== 0 && Number.isFinite(step)))
    throw new Error(`arange: step ${step} must be a finite number other than 0`);
  if (!Number.isFinite(start) || !Number.isFinite(end)) {
    throw new Error(`arange: it takes an end, or a start and an end, as in arange(5) and arange(2, 5), not (${args})`);
  }
  const length = Math.max(0, Math.ceil((end - start) / step));
  const values = Float64Array.from({ length }, (_, i) => start + i * step);
  const dtype = options.dtype ?? ([start, end, step].every(Number.isInteger) ? "i32" : "f32");
  checkDType("arange", dtype);
  return finish(fromBytes(encode("arange", values, dtype), [length], dtype, options.backend), options);
}

/** Returns an f32 scalar on the backend of `t`. */
export function scalarLike(t: Tensor, value: number): Tensor {
  return full([], value, { backend: t.storage.backend });
}
