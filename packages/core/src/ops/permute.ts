import type { TensorSpec } from "../backend.ts";
import { forEachOuter, forEachRow, type Traversal } from "../broadcast.ts";
import { bytesPerElement } from "../dtype.ts";
import { defineOp, type Op } from "../op.ts";
import { formatShape, normalizeDim, type Shape, stridesOf } from "../shape.ts";

function resolve({ shape }: TensorSpec, dims: Shape): number[] {
  const resolved = dims.map((dim) => normalizeDim("permute", dim, shape.length));
  if (new Set(resolved).size !== shape.length) {
    throw new Error(`permute: dims ${formatShape(dims)} must name each dimension of ${formatShape(shape)} once`);
  }
  return resolved;
}

/** The traversal of x in the order of the output, with dimensions that stay neighbours merged. */
function traverse(x: TensorSpec, dims: readonly number[]): Traversal {
  const from = stridesOf(x.shape);
  const sizes: number[] = [];
  const strides: number[] = [];
  for (const d of dims) {
    if (x.shape[d] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && strides[last] === from[d] * x.shape[d]) {
      sizes[last] *= x.shape[d];
      strides[last] = from[d];
    } else {
      sizes.push(x.shape[d]);
      strides.push(from[d]);
    }
  }
  return sizes.length > 0 ? { sizes, strides: [strides] } : { sizes: [1], strides: [[1]] };
}

/** x with its dimensions in the order `dims`, copied. Any dtype. */
export const permute: Op<1, { dims: Shape }> = defineOp({
  name: "permute",
  shape: ([x], { dims }) => ({ shape: resolve(x, dims).map((d) => x.shape[d]), dtype: x.dtype }),
  ref: ([x], [out], { dims }) => {
    forEachRow(traverse(x, resolve(x, dims)), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) out.data[o + j] = x.data[i + j * step];
    });
  },
  wasm: (k, [x], [out], { dims }) => {
    const traversal = traverse(x, resolve(x, dims));
    const bytes = bytesPerElement(x.dtype);
    const rank = traversal.sizes.length;
    const pad = <T>(values: readonly T[], value: T) => [
      ...new Array<T>(Math.max(0, 4 - rank)).fill(value),
      ...values.slice(-4),
    ];
    const [n0, n1, n2, n3] = pad(traversal.sizes, 1);
    const [s0, s1, s2, s3] = pad(traversal.strides[0], 0);
    forEachOuter(traversal, Math.min(4, rank), (o, [i]) => {
      k.permute(x.ptr + bytes * i, out.ptr + bytes * o, n0, n1, n2, n3, s0, s1, s2, s3, bytes);
    });
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params: { dims } }) => {
    const inverse = new Array<number>(dims.length);
    for (const [to, from] of resolve(x, dims).entries()) inverse[from] = to;
    return [permute(dy, { dims: inverse })];
  },
});
