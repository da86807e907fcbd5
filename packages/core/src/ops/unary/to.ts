import type { TensorSpec, View } from "../../backends/backend.ts";
import { unpackAll } from "../../backends/packedFormat.ts";
import { defineOp, type Op, refuseSurplus } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { type DType, isFloating, isPacked, type TypedArray } from "../../layout/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../../layout/half.ts";
import { formatShape } from "../../layout/shape.ts";

const wide = (x: View): TypedArray => (isFloating(x.dtype) || isPacked(x.dtype) ? unpackAll(x) : x.data);

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

/**
 * Converts x to another dtype. To i32 and u8, fractions are truncated, values out of range become the nearest bound,
 * and NaN becomes 0. To bool, every value but 0 is true. To f16 and bf16, values are rounded to nearest even. Packed
 * weights are dequantised; `quantize4bit` creates them.
 */
export const to: Op<1, { dtype: DType }> = defineOp({
  name: "to",
  arity: 1,
  options: { dtype: true },
  packed: [0],
  shape: ([x]: readonly TensorSpec[], { dtype }) => {
    if (isPacked(dtype)) {
      throw new Error(`to: ${x.dtype} ${formatShape(x.shape)} cannot become ${dtype}; quantize4bit makes nf4 and fp4`);
    }
    return { shape: x.shape, dtype };
  },
  ref: ([x], [out]) => narrow(wide(x), out),
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [toDTypeOf(dy, x)],
});

/** Returns x in the dtype of another tensor, or x itself if it already has that dtype. */
export function toDTypeOf(x: Tensor, { dtype }: TensorSpec): Tensor {
  return x.dtype === dtype ? x : to(x, { dtype });
}

/** Returns x converted to f32, in which ops compute, or x itself if it is f32. */
export function widen(x: Tensor): Tensor {
  refuseSurplus("widen", 1, arguments);
  return x.dtype === "f32" ? x : to(x, { dtype: "f32" });
}
