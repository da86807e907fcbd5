import type { TensorSpec, View } from "../backend.ts";
import type { DType, TypedArray } from "../dtype.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../half.ts";
import { defineOp, type Op } from "../op.ts";
import type { Tensor } from "../tensor.ts";

function wide({ data, dtype, size }: View): TypedArray {
  if (!(data instanceof Uint16Array)) return data;
  const out = new Float32Array(size);
  if (dtype === "bf16") bf16ToF32(data, out);
  else f16ToF32(data, out);
  return out;
}

function narrow(values: TypedArray, { data, dtype, size }: View): void {
  if (data instanceof Uint16Array) {
    const wide = values instanceof Float32Array ? values : Float32Array.from(values);
    if (dtype === "bf16") f32ToBf16(wide, data);
    else f32ToF16(wide, data);
  } else if (dtype === "bool") {
    for (let i = 0; i < size; i++) data[i] = values[i] === 0 ? 0 : 1;
  } else if (dtype === "f32") {
    data.set(values);
  } else {
    const [low, high] = dtype === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 255];
    for (let i = 0; i < size; i++) data[i] = Math.min(Math.max(values[i], low), high);
  }
}

/** The order in which the kernel numbers dtypes. */
const dtypes: readonly DType[] = ["f32", "f16", "bf16", "i32", "u8", "bool"];

/**
 * x in another dtype. To i32 and u8, fractions are cut off, numbers out of range become the nearest end and NaN 0; to
 * bool, all but 0 is true; to f16 and bf16, rounds to nearest even.
 */
export const to: Op<1, { dtype: DType }> = defineOp({
  name: "to",
  shape: ([x]: readonly TensorSpec[], { dtype }) => ({ shape: x.shape, dtype }),
  ref: ([x], [out]) => narrow(wide(x), out),
  wasm: (k, [x], [out]) => k.cast(x.ptr, out.ptr, x.size, dtypes.indexOf(x.dtype), dtypes.indexOf(out.dtype)),
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [dy.dtype === x.dtype ? dy : to(dy, { dtype: x.dtype })],
});

/** x in f32, in which arithmetic is done: x itself where it is f32. */
export function widen(x: Tensor): Tensor {
  return x.dtype === "f32" ? x : to(x, { dtype: "f32" });
}
