import type { TensorSpec, View } from "../../backends/backend.ts";
import { unpackAll } from "../../backends/packedFormat.ts";
import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { dtypes, isPacked } from "../../layout/dtype.ts";
import { formatShape } from "../../layout/shape.ts";
import { supportsInt8Activations } from "../../packed/supportsInt8Activations.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { amax } from "../reductions/amax.ts";
import { reshape } from "../shapes/reshape.ts";
import { abs } from "../unary/abs.ts";
import { affine } from "../unary/affine.ts";
import { matmul } from "./matmul.ts";

/** Number of consecutive elements of a row that share one scale. */
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

/**
 * 1.5 * 2^23. Adding it to a value rounds the value to the nearest integer (ties to even), because every f32 between
 * 2^23 and 2^24 is an integer.
 */
const wholeNumbers = 1.5 * 2 ** 23;

/** Rounds to the nearest integer, ties to even, like `roundEven`, but with ops. Works for magnitudes up to 2^22. */
function toWholeNumbers(x: Tensor): Tensor {
  return affine(affine(x, { shift: wholeNumbers }), { shift: -wholeNumbers });
}

/** Returns x after rounding to 8-bit codes and back, in blocks of 32 elements. */
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
 * Computes x Wᵀ with integer dot products, as llama.cpp does. Each block of 32 elements of x [..., in] is rounded to
 * 8-bit codes; its scale is its largest magnitude divided by 127. W [out, in] is a GGUF format, nf4 or fp4; the values
 * of nf4 and fp4 may be rounded to 7 bits, by at most 0.0065 of a block's largest value. Returns f32 [..., out]. It is
 * for inference only: requesting its gradient throws.
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
      throw new Error(
        `linearInt8: the last size of x ${formatShape(x)} must be the last size of W ${formatShape(w)} [out,in]`,
      );
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
    throw new Error('linearInt8: int8 activations have no gradient; train with activations: "f32"');
  },
});
