import type { TensorSpec } from "../../backends/backend.ts";
import { fromBytes } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { cat } from "../shapes/cat.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { affine } from "../unary/affine.ts";

/** Options of `rope`: the position of the first token, and the direction of the rotation. */
export interface RopeParams {
  /** Position of the first token: token t uses row offset + t of the tables [P, R/2]. Default 0. */
  readonly offset?: number;
  /** Rotates in the opposite direction, which is the gradient of the rotation. Default false. */
  readonly inverse?: boolean;
}

function check(inputs: readonly TensorSpec[], { offset = 0 }: RopeParams): void {
  for (let i = 0; i < 3; i++) expectDType("rope", inputs, i, "f32");
  const [x, cos, sin] = inputs.map(({ shape }) => shape);
  const tables = () => `cos ${formatShape(cos)} and sin ${formatShape(sin)}`;
  if (x.length !== 4) throw new Error(`rope: x ${formatShape(x)} must be [batch, tokens, heads, head size]`);
  if (!sameShape(cos, sin) || cos.length < 2 || cos.length > 3) {
    throw new Error(`rope: ${tables()} must both be [positions, R/2] or [batch, tokens, R/2]`);
  }
  if (2 * cos[cos.length - 1] > x[3]) {
    throw new Error(`rope: ${tables()} rotate ${2 * cos[cos.length - 1]} values per head, but x has only ${x[3]}`);
  }
  if (cos.length === 3 && (cos[0] !== x[0] || cos[1] !== x[1] || offset !== 0)) {
    throw new Error(`rope: ${tables()} per token must begin with [${x[0]},${x[1]}] as x does, and need offset 0`);
  }
  if (cos.length === 2 && offset + x[1] > cos[0]) {
    throw new Error(
      `rope: positions ${offset}..${offset + x[1] - 1} exceed the tables' ${cos[0]} rows; make longer ones`,
    );
  }
}

/**
 * Rotary position embedding of x [B, T, H, D], half-split as in Hugging Face's Llama. Element i of a head is rotated
 * with element i + R/2; elements from R on are not changed. cos and sin are [P, R/2], or [B, T, R/2] for rows selected
 * per token (`embedding(table, positions)`). No gradient flows to the tables. Su et al. 2021,
 * https://arxiv.org/abs/2104.09864
 */
export const rope: Op<3, RopeParams> = defineOp({
  name: "rope",
  arity: 3,
  options: { offset: true, inverse: true },
  shape: (inputs, params) => {
    check(inputs, params);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x, cos, sin], [out], { offset = 0, inverse }) => {
    const [batch, tokens, heads, size] = x.shape;
    const half = cos.shape[cos.shape.length - 1];
    const sign = inverse ? -1 : 1;
    for (let row = 0; row < batch * tokens; row++) {
      const table = (cos.shape.length === 3 ? row : offset + (row % tokens)) * half;
      for (let h = 0; h < heads; h++) {
        const at = (row * heads + h) * size;
        for (let i = 0; i < half; i++) {
          const c = cos.data[table + i];
          const s = sign * sin.data[table + i];
          const a = x.data[at + i];
          const b = x.data[at + half + i];
          out.data[at + i] = a * c - b * s;
          out.data[at + half + i] = b * c + a * s;
        }
        for (let i = 2 * half; i < size; i++) out.data[at + i] = x.data[at + i];
      }
    }
  },
  compose: ([x, cos, sin], { offset = 0, inverse }) => {
    const [batch, tokens] = x.shape;
    const half = cos.shape[cos.shape.length - 1];
    const table = (t: Tensor) =>
      t.ndim === 3
        ? reshape(t, { shape: [batch, tokens, 1, half] })
        : reshape(slice(t, { start: offset, end: offset + tokens }), { shape: [tokens, 1, half] });
    const [c, s] = [table(cos), inverse ? affine(table(sin), { scale: -1 }) : table(sin)];
    const part = (start: number, end?: number) => slice(x, { dim: 3, start, end });
    const [a, b] = [part(0, half), part(half, 2 * half)];
    return cat(sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s)), part(2 * half), { dim: 3 });
  },
  saves: { inputs: [1, 2] },
  vjp: ({ grads: [dy], inputs: [, cos, sin], params }) => [
    rope(dy, cos, sin, { ...params, inverse: !params.inverse }),
    null,
    null,
  ],
});

/**
 * Returns the tables of `rope` for positions 0 to length - 1: the cosine and the sine of position * inverse frequency,
 * each [length, R/2] and multiplied by `scale`. Angles are rounded to f32 first, as in Hugging Face's code.
 */
export function ropeTables(
  inverseFrequencies: ArrayLike<number>,
  length: number,
  scale = 1,
): { cos: Tensor; sin: Tensor } {
  const half = inverseFrequencies.length;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let p = 0; p < length; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * Math.fround(inverseFrequencies[i]));
      cos[p * half + i] = scale * Math.cos(angle);
      sin[p * half + i] = scale * Math.sin(angle);
    }
  }
  const table = (values: Float32Array) => fromBytes(new Uint8Array(values.buffer), [length, half], "f32");
  return { cos: table(cos), sin: table(sin) };
}
