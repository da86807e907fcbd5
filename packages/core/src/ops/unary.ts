import type { OpKernels, TensorSpec, View, WasmTensor } from "../backend.ts";
import type { Kernels } from "../kernels.gen.ts";
import { expectDType } from "../op.ts";

/** Shape rule and kernels of an elementwise function of one f32 tensor. */
export function unary(
  name: string,
  f: (x: number) => number,
  kernel?: (k: Kernels) => (x: number, out: number, n: number) => void,
): OpKernels<void> & { shape: (inputs: readonly TensorSpec[]) => TensorSpec } {
  return {
    name,
    shape: (inputs) => {
      expectDType(name, inputs, 0, "f32");
      return { shape: inputs[0].shape, dtype: "f32" };
    },
    ref: ([x]: View[], [out]: View[]) => {
      for (let i = 0; i < out.size; i++) out.data[i] = f(x.data[i]);
    },
    ...(kernel && {
      wasm: (k: Kernels, [x]: WasmTensor[], [out]: WasmTensor[]) => kernel(k)(x.ptr, out.ptr, out.size),
    }),
  };
}
