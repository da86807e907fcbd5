import type { logSoftmax, logSoftmaxBackward, softmax, softmaxBackward } from "@lowrank/core/backend";
import { alongDim } from "@lowrank/core/backend";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/**
 * Runs a kernel that works on rows, along any dimension. If that is not the last dimension, x is transposed before the
 * call, and the result is transposed back.
 */
function alongRows(
  k: Kernels,
  inputs: readonly WasmTensor[],
  out: WasmTensor,
  dim: number,
  scratch: Scratch,
  kernel: (inputs: number[], out: number, rows: number, n: number) => void,
): void {
  const { outer, n, inner } = alongDim("softmax", out.shape, dim);
  if (inner === 1) {
    kernel(
      inputs.map(({ ptr }) => ptr),
      out.ptr,
      outer,
      n,
    );
    return;
  }
  const rows = inputs.map(({ ptr, size }) => {
    const turned = scratch(4 * size);
    k.permute(ptr, turned, 1, outer, inner, n, 0, n * inner, 1, inner, 4);
    return turned;
  });
  kernel(rows, rows[0], outer * inner, n);
  k.permute(rows[0], out.ptr, 1, outer, n, inner, 0, n * inner, 1, n, 4);
}

export const softmaxKernel: WasmKernel = kernel<typeof softmax>("softmax", (k, [x], [out], { dim }, scratch) =>
  alongRows(k, [x], out, dim, scratch, (p, to, rows, n) => k.softmax(p[0], to, rows, n)),
);

export const softmaxBackwardKernel: WasmKernel = kernel<typeof softmaxBackward>(
  "softmaxBackward",
  (k, inputs, [dx], { dim }, scratch) => {
    alongRows(k, inputs, dx, dim, scratch, ([dy, y], to, rows, n) => k.softmaxBackward(dy, y, to, rows, n));
  },
);

export const logSoftmaxKernel: WasmKernel = kernel<typeof logSoftmax>("logSoftmax", (k, [x], [out], { dim }, scratch) =>
  alongRows(k, [x], out, dim, scratch, (p, to, rows, n) => k.logSoftmax(p[0], to, rows, n)),
);

export const logSoftmaxBackwardKernel: WasmKernel = kernel<typeof logSoftmaxBackward>(
  "logSoftmaxBackward",
  (k, inputs, [dx], { dim }, scratch) => {
    alongRows(k, inputs, dx, dim, scratch, ([dy, y], to, rows, n) => k.logSoftmaxBackward(dy, y, to, rows, n));
  },
);
