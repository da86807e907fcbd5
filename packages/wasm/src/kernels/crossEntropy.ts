import type { crossEntropyBackward, crossEntropyWithRows } from "@lowrank/core/backend";
import { findBadLabel } from "./entryFault.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

/** Names of reductions; the position is the number that the WebAssembly kernels take. */
const reductions = ["none", "sum", "mean"];

export const crossEntropyWithRowsKernel: WasmKernel = kernel<typeof crossEntropyWithRows>(
  "crossEntropy",
  (k, [logits, labels], [loss, sums], { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 }) => {
    const n = logits.shape[logits.shape.length - 1];
    const fault = findBadLabel(k, labels, n, ignoreIndex);
    if (fault) return fault;
    const [x, y, kind] = [logits.ptr, labels.ptr, reductions.indexOf(reduction)];
    k.crossEntropy(x, y, loss.ptr, sums.ptr, labels.size, n, ignoreIndex, labelSmoothing, kind);
    return undefined;
  },
);

export const crossEntropyBackwardKernel: WasmKernel = kernel<typeof crossEntropyBackward>(
  "crossEntropyBackward",
  (k, [dloss, logits, labels, sums], [dlogits], params) => {
    const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 } = params;
    const n = logits.shape[logits.shape.length - 1];
    const [dx, rows, kind] = [dlogits.ptr, labels.size, reductions.indexOf(reduction)];
    const [dy, x, y, log] = [dloss.ptr, logits.ptr, labels.ptr, sums.ptr];
    k.crossEntropyBackward(dy, x, y, log, dx, rows, n, ignoreIndex, labelSmoothing, kind);
  },
);
