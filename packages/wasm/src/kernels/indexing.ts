import {
  alongDim,
  bytesPerElement,
  type DataFault,
  type embedding,
  type embeddingBackward,
  forEachRow,
  type gather,
  type indexAdd,
  type indexSelect,
  isPacked,
  normalizeDim,
  type scatterAdd,
  stridesOf,
  traverseIndex,
} from "@lowrank/core/backend";
import { dtypeNumber, kernel, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

export const gatherKernel: WasmKernel = kernel<typeof gather>("gather", (k, [x, index], [out], { dim }) => {
  const d = normalizeDim("gather", dim, x.shape.length);
  const stride = stridesOf(x.shape)[d];
  let fault: DataFault | undefined;
  forEachRow(traverseIndex(index.shape, x.shape, d), (o, [i], n, [step]) => {
    const bad = k.gather(x.ptr + 4 * i, index.ptr + 4 * o, out.ptr + 4 * o, n, step, stride, x.shape[d]);
    if (bad >= 0) fault ??= entryFault(k, index, o + bad);
  });
  return fault;
});

export const scatterAddKernel: WasmKernel = kernel<typeof scatterAdd>(
  "scatterAdd",
  (k, [x, index], [out], { dim, shape }) => {
    const d = normalizeDim("scatterAdd", dim, shape.length);
    const stride = stridesOf(shape)[d];
    k.fill(out.ptr, out.size, 0);
    let fault: DataFault | undefined;
    forEachRow(traverseIndex(index.shape, shape, d), (o, [i], n, [step]) => {
      const bad = k.scatterAdd(x.ptr + 4 * o, index.ptr + 4 * o, out.ptr + 4 * i, n, step, stride, shape[d]);
      if (bad >= 0) fault ??= entryFault(k, index, o + bad);
    });
    return fault;
  },
);

export const indexSelectKernel: WasmKernel = kernel<typeof indexSelect>(
  "indexSelect",
  (k, [x, index], [out], { dim }) => {
    const { outer, n, inner } = alongDim("indexSelect", x.shape, dim);
    const bytes = inner * bytesPerElement(x.dtype);
    return entryFault(k, index, k.indexSelect(x.ptr, index.ptr, out.ptr, outer, n, index.size, bytes));
  },
);

export const indexAddKernel: WasmKernel = kernel<typeof indexAdd>("indexAdd", (k, [x, index], [out], { dim, size }) => {
  const { outer, n, inner } = alongDim("indexAdd", x.shape, dim);
  k.fill(out.ptr, out.size, 0);
  return entryFault(k, index, k.indexAdd(x.ptr, index.ptr, out.ptr, outer, size, n, inner));
});

function findBadId(k: Kernels, ids: WasmTensor, vocab: number): DataFault | undefined {
  return entryFault(k, ids, k.findBadId(ids.ptr, ids.size, vocab));
}

export const embeddingKernel: WasmKernel = kernel<typeof embedding>("embedding", (k, [weight, ids], [out]) => {
  const [vocab, width] = weight.shape;
  const fault = findBadId(k, ids, vocab);
  if (fault) return fault;
  if (isPacked(weight.dtype)) k.embeddingPacked(weight.ptr, dtypeNumber(weight), ids.ptr, out.ptr, ids.size, width);
  else k.embedding(weight.ptr, ids.ptr, out.ptr, ids.size, width * bytesPerElement(weight.dtype));
  return undefined;
});

export const embeddingBackwardKernel: WasmKernel = kernel<typeof embeddingBackward>(
  "embeddingBackward",
  (k, [dy, ids], [out], { vocab }) => {
    const fault = findBadId(k, ids, vocab);
    if (fault) return fault;
    k.fill(out.ptr, out.size, 0);
    k.embeddingBackward(dy.ptr, ids.ptr, out.ptr, ids.size, out.shape[1]);
    return undefined;
  },
);

/**
 * Returns a fault (an error about invalid data) for the entry at index `at` of an i32 tensor. Returns undefined if `at`
 * is negative, which means that all entries are valid.
 */
export function entryFault(k: Kernels, { ptr }: WasmTensor, at: number): DataFault | undefined {
  return at < 0 ? undefined : { at, value: k.readI32(ptr + 4 * at) };
}

/** Finds the first label that is neither a class index nor `ignoreIndex`. */
export function findBadLabel(
  k: Kernels,
  labels: WasmTensor,
  classes: number,
  ignoreIndex: number,
): DataFault | undefined {
  return entryFault(k, labels, k.findBadLabel(labels.ptr, labels.size, classes, ignoreIndex));
}
