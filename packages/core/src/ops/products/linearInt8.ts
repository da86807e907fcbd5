import type { TensorSpec, View } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { dtypes, isPacked } from "../../layout/dtype.ts";
import { formatShape } from "../../layout/shape.ts";
import { supportsInt8Activations } from "../../packed/supportsInt8Activations.ts";
import { unpackAll } from "../../packed/unpackAll.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { amax } from "../reductions/amax.ts";
import { reshape } from "../shapes/reshape.ts";
import { scalarLike } from "../shared/scalarLike.ts";
import { abs } from "../unary/abs.ts";
import { affine } from "../unary/affine.ts";
import { matmul } from "./matmul.ts";

/** The number of elements that share a scale. */
const block = 32;

const codedDTypes = dtypes.filter(isPacked);

function plan([x, w]: readonly TensorSpec[]): { rows: number; inFeatures: number; outFeatures: number } {
  const [outFeatures, inFeatures] = w.shape;
  return { rows: x.shape.slice(0, -1).reduce((product, n) => product * n, 1), inFeatures, outFeatures };
}

/** Rounds to the nearest integer, ties to even, as the kernels do. */
function roundEven(x: number): number {
  const nearest = Math.round(x);
  return nearest - x === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

/** Between 2^23 and 2^24 every f32 is an integer, so adding this rounds to an integer, ties to even. */
const wholeNumbers = 1.5 * 2 ** 23;

/** Rounds values of magnitude up to 2^22 as `roundEven` does. */
function toWholeNumbers(x: Tensor): Tensor {
  return affine(affine(x, { shift: wholeNumbers }), { shift: -wholeNumbers });
}

/** Returns x with each block replaced by the values of its 8-bit codes. */
function quantized({ data }: View): Float32Array {
  const out = new Float32Array(data.length);
  for (let at = 0; at < data.length; at += block) {
    const own = data.subarray(at, at + block) as Float32Array;
    const most = own.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const factor = most === 0 ? 0 : Math.fround(127 / most);
    const scale = Math.fround(most / 127);
    for (const [i, x] of own.entries()) out[at + i] = roundEven(Math.fround(x * factor)) * scale;
  }
  return out;
}

/**
 * Computes x Wᵀ in integers, as llama.cpp does. Each block of 32 elements of x [..., in] is rounded to 8-bit codes with
 * one scale, its largest magnitude divided by 127. Integer dot products multiply these by the codes of W [out, in], a
 * GGUF format, nf4 or fp4. The values of nf4 and fp4 may be rounded to 7 bits, by at most 0.0065 of a block's largest
 * value. Returns f32 [..., out], with the rounding error. It is for inference only: requesting its gradient throws.
 */
export const linearInt8: Op<2> = defineOp({
  name: "linearInt8",
  arity: 2,
  packed: [1],
  shape: (inputs) => {
    expectDType("linearInt8", inputs, 0, "f32");
    expectDType("linearInt8", inputs, 1, ...codedDTypes);
    const [x, w] = inputs.map(({ shape }) => shape);
    if (w.length !== 2 || x[x.length - 1] !== w[1]) {
      throw new Error(`linearInt8: x ${formatShape(x)} must end in the last size of W ${formatShape(w)} [out,in]`);
    }
    if (!supportsInt8Activations(inputs[1])) {
      throw new Error(`linearInt8: rows of W ${formatShape(w)}, ${inputs[1].dtype}, must be whole blocks of ${block}`);
    }
    return { shape: [...x.slice(0, -1), w[0]], dtype: "f32" };
  },
  ref: ([x, w], [out]) => {
    const { rows, inFeatures, outFeatures } = plan([x, w]);
    const [left, right] = [quantized(x), unpackAll(w)];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < outFeatures; j++) {
        let sum = 0;
        for (let p = 0; p < inFeatures; p++) sum += left[i * inFeatures + p] * right[j * inFeatures + p];
        out.data[i * outFeatures + j] = sum;
      }
    }
  },
  compose: ([x, w]) => {
    const { rows, inFeatures, outFeatures } = plan([x, w]);
    const blocks = reshape(x, { shape: [x.size / block, block] });
    const most = amax(abs(blocks), { shape: [x.size / block, 1] });
    const [zero, byte] = [0, 127].map((value) => scalarLike(x, value));
    const factor = where(compare(most, zero, { relation: "eq" }), zero, div(byte, most));
    const codes = toWholeNumbers(mul(blocks, factor));
    const left = reshape(mul(codes, div(most, byte)), { shape: [rows, inFeatures] });
    return reshape(matmul(left, w, { transposeB: true }), { shape: [...x.shape.slice(0, -1), outFeatures] });
  },
  vjp: () => {
    throw new Error(
      'linearInt8: rounding to bytes has no gradient; train with weights that are multiplied in f32 (activations: "f32")',
    );
  },
});
