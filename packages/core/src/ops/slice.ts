import type { TensorSpec } from "../backend.ts";
import { bytesPerElement } from "../dtype.ts";
import { defineOp, expectDType, type Op } from "../op.ts";
import { type AlongDim, alongDim, withSize } from "./alongDim.ts";
import { bitsOf } from "./bits.ts";

/** Which elements of a dimension `slice` takes, as in Python: negative positions count from the end. */
export interface SliceParams {
  /** Default 0. */
  readonly dim?: number;
  /** Default 0. */
  readonly start?: number;
  /** First position not taken; default the dimension's end. */
  readonly end?: number;
  /** At least 1, the default. */
  readonly step?: number;
}

/** Where `place` puts its input. */
export interface PlaceParams {
  readonly dim: number;
  /** The dimension's new size. */
  readonly size: number;
  readonly start: number;
  /** Default 1. */
  readonly step?: number;
  /** What the other positions hold; default 0. */
  readonly value?: number;
}

interface Plan extends AlongDim {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

function plan({ shape }: TensorSpec, { dim = 0, start = 0, end, step = 1 }: SliceParams): Plan {
  const along = alongDim("slice", shape, dim);
  const { n } = along;
  if (!Number.isInteger(step) || step < 1) throw new Error(`slice: step ${step} must be an integer of at least 1`);
  const position = (p: number) => {
    if (!Number.isInteger(p)) throw new Error(`slice: position ${p} is not an integer`);
    return Math.min(Math.max(p < 0 ? p + n : p, 0), n);
  };
  const from = position(start);
  return { ...along, start: from, step, count: Math.max(0, Math.ceil((position(end ?? n) - from) / step)) };
}

/** Every `step`-th element of one dimension from `start` to before `end`, copied. Any dtype. */
export const slice: Op<1, SliceParams> = defineOp({
  name: "slice",
  shape: ([x], params) => {
    const { dim, count } = plan(x, params);
    return { shape: withSize(x.shape, dim, count), dtype: x.dtype };
  },
  ref: ([x], [out], params) => {
    const { outer, n, inner, start, step, count } = plan(x, params);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < count; j++) {
        const from = (i * n + start + j * step) * inner;
        for (let l = 0; l < inner; l++) out.data[(i * count + j) * inner + l] = x.data[from + l];
      }
    }
  },
  wasm: (k, [x], [out], params) => {
    const { outer, n, inner, start, step, count } = plan(x, params);
    const bytes = inner * bytesPerElement(x.dtype);
    if (step === 1) {
      k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, 1, count * bytes, n * bytes, 0, count * bytes, 0);
    } else {
      k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, count, bytes, n * bytes, step * bytes, count * bytes, bytes);
    }
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params }) => {
    const { dim, n: size, start, step } = plan(x, params);
    return [place(dy, { dim, size, start, step })];
  },
});

/** The dual of `slice`: x at every `step`-th position from `start` of a dimension grown to `size`, `value` elsewhere. */
export const place: Op<1, PlaceParams> = defineOp({
  name: "place",
  shape: ([x], { dim, size, start, step = 1 }) => {
    expectDType("place", [x], 0, "f32", "i32");
    const { dim: d, n } = alongDim("place", x.shape, dim);
    if (start < 0 || step < 1 || (n > 0 && start + (n - 1) * step >= size)) {
      throw new Error(
        `place: ${n} elements from ${start} in steps of ${step} do not fit into size ${size} of dim ${dim}`,
      );
    }
    return { shape: withSize(x.shape, d, size), dtype: x.dtype };
  },
  ref: ([x], [out], { dim, size, start, step = 1, value = 0 }) => {
    const { outer, n, inner } = alongDim("place", x.shape, dim);
    out.data.fill(value);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < n; j++) {
        const to = (i * size + start + j * step) * inner;
        for (let l = 0; l < inner; l++) out.data[to + l] = x.data[(i * n + j) * inner + l];
      }
    }
  },
  wasm: (k, [x], [out], { dim, size, start, step = 1, value = 0 }) => {
    const { outer, n, inner } = alongDim("place", x.shape, dim);
    const bytes = 4 * inner;
    k.fill(out.ptr, out.size, bitsOf(value, x.dtype));
    if (step === 1) {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, 1, n * bytes, n * bytes, 0, size * bytes, 0);
    } else {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, n, bytes, n * bytes, bytes, size * bytes, step * bytes);
    }
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params: { dim, start, step = 1 } }) => {
    const { n } = alongDim("place", x.shape, dim);
    return [slice(dy, { dim, start, end: start + (n - 1) * step + 1, step })];
  },
});
