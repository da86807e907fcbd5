import type { DataFault, embedding, embeddingBackward } from "@lowrank/core/backend";
import { bytesPerElement, isPacked } from "@lowrank/core/backend";
import { dtypeNumber } from "./dtypeNumber.ts";
import { entryFault } from "./entryFault.ts";
import { kernel, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

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
