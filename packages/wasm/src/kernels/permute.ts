import type { permute } from "@lowrank/core/backend";
import { bytesPerElement, forEachOuter, permutedDims, traversePermuted } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

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
