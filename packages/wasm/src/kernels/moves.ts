import {
  alongDim,
  bytesPerElement,
  type cat,
  collapse,
  dtypes,
  type expand,
  forEachOuter,
  forEachPlane,
  isPacked,
  type permute,
  permutedDims,
  type place,
  type slice,
  slicePlan,
  type split,
  type sumToShape,
  type to,
  traversePermuted,
} from "@lowrank/core/backend";
import { bitsOf, dtypeNumber, kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

export const catKernel: WasmKernel = kernel<typeof cat>("cat", (k, inputs, [out], { dim }) => {
  const { dim: d, outer, n, inner } = alongDim("cat", out.shape, dim);
  const bytes = inner * bytesPerElement(out.dtype);
  let to = out.ptr;
  for (const x of inputs) {
    const run = x.shape[d] * bytes;
    k.copyBlocks(x.ptr, to, outer, 1, run, run, 0, n * bytes, 0);
    to += run;
  }
});

export const splitKernel: WasmKernel = kernel<typeof split>("split", (k, [x], outputs, { sizes, dim }) => {
  const { outer, n, inner } = alongDim("split", x.shape, dim);
  const bytes = inner * bytesPerElement(x.dtype);
  let from = x.ptr;
  for (const [i, out] of outputs.entries()) {
    const run = sizes[i] * bytes;
    k.copyBlocks(from, out.ptr, outer, 1, run, n * bytes, 0, run, 0);
    from += run;
  }
});

export const expandKernel: WasmKernel = kernel<typeof expand>("expand", (k, [x], [out]) => {
  forEachPlane(collapse(out.shape, [x.shape]), (o, [i], { rows, length, row, inner }) => {
    k.expand(x.ptr + 4 * i, out.ptr + 4 * o, rows, length, row[0], inner[0]);
  });
});

export const sumToShapeKernel: WasmKernel = kernel<typeof sumToShape>(
  "sumToShape",
  (k, [x], [out], _params, scratch) => {
    const sums = scratch(8 * out.size);
    k.fill(sums, 2 * out.size, 0);
    forEachPlane(collapse(x.shape, [out.shape]), (i, [o], { rows, length, row, inner }) => {
      k.sumPlane(x.ptr + 4 * i, sums + 8 * o, rows, length, length, row[0], inner[0]);
    });
    k.narrow(sums, out.ptr, out.size);
  },
);

export const permuteKernel: WasmKernel = kernel<typeof permute>("permute", (k, [x], [out], { dims }) => {
  const traversal = traversePermuted(x, permutedDims(x, dims));
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
});

export const sliceKernel: WasmKernel = kernel<typeof slice>("slice", (k, [x], [out], params) => {
  const { outer, n, inner, start, step, count } = slicePlan(x, params);
  const bytes = inner * bytesPerElement(x.dtype);
  if (step === 1) {
    k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, 1, count * bytes, n * bytes, 0, count * bytes, 0);
  } else {
    k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, count, bytes, n * bytes, step * bytes, count * bytes, bytes);
  }
});

export const placeKernel: WasmKernel = kernel<typeof place>(
  "place",
  (k, [x], [out], { dim, size, start, step = 1, value = 0 }) => {
    const { outer, n, inner } = alongDim("place", x.shape, dim);
    const bytes = 4 * inner;
    k.fill(out.ptr, out.size, bitsOf(value, x.dtype));
    if (step === 1) {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, 1, n * bytes, n * bytes, 0, size * bytes, 0);
    } else {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, n, bytes, n * bytes, bytes, size * bytes, step * bytes);
    }
  },
);

/**
 * Number of elements of a packed weight that are converted to f32 at a time, before they are rounded to f16 or bf16.
 */
const chunk = 1 << 14;

function unpack(k: Kernels, x: WasmTensor, out: WasmTensor, scratch: Scratch): void {
  const format = dtypeNumber(x);
  if (out.dtype === "f32") {
    k.unpackRow(format, x.ptr, 0, x.size, out.ptr);
    return;
  }
  const wide = scratch(4 * chunk);
  for (let from = 0; from < x.size; from += chunk) {
    const count = Math.min(chunk, x.size - from);
    k.unpackRow(format, x.ptr, from, count, wide);
    k.cast(wide, out.ptr + from * bytesPerElement(out.dtype), count, dtypes.indexOf("f32"), dtypeNumber(out));
  }
}

export const toKernel: WasmKernel = kernel<typeof to>("to", (k, [x], [out], _params, scratch) => {
  if (isPacked(x.dtype)) unpack(k, x, out, scratch);
  else k.cast(x.ptr, out.ptr, x.size, dtypeNumber(x), dtypeNumber(out));
});
