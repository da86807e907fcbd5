import type { OpKernels, TensorSpec, View, WasmTensor } from "../backend.ts";
import { collapse, forEachRow } from "../broadcast.ts";
import type { Kernels } from "../kernels.gen.ts";
import { expectDType } from "../op.ts";
import { broadcastShapes } from "../shape.ts";

/** A kernel over one run: addresses, length, and the operands' strides in elements (0 or 1). */
type RunKernel = (k: Kernels) => (a: number, b: number, out: number, n: number, aStep: number, bStep: number) => void;

/** Shape rule and kernels of a broadcasting op of two f32 tensors. */
export function binary(name: string, f: (a: number, b: number) => number, kernel: RunKernel): OpKernels<void> & {
  shape: (inputs: readonly TensorSpec[]) => TensorSpec;
} {
  return {
    name,
    shape: (inputs) => {
      expectDType(name, inputs, 0, "f32");
      expectDType(name, inputs, 1, "f32");
      return { shape: broadcastShapes(name, inputs[0].shape, inputs[1].shape), dtype: "f32" };
    },
    ref: ([a, b]: View[], [out]: View[]) => {
      forEachRow(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], n, [si, sj]) => {
        for (let x = 0; x < n; x++) out.data[o + x] = f(a.data[i + x * si], b.data[j + x * sj]);
      });
    },
    wasm: (k: Kernels, [a, b]: WasmTensor[], [out]: WasmTensor[]) => {
      const run = kernel(k);
      forEachRow(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], n, [si, sj]) => {
        run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o, n, si, sj);
      });
    },
  };
}
