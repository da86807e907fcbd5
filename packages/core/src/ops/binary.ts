import type { OpKernels, TensorSpec, View, WasmTensor } from "../backend.ts";
import { collapse, forEachPlane, forEachRow } from "../broadcast.ts";
import type { Kernels } from "../kernels.gen.ts";
import { expectDType } from "../op.ts";
import { broadcastShapes, sameShape } from "../shape.ts";

/**
 * A kernel over `rows` runs of `n` elements: addresses, then each operand's stride between rows and within a run,
 * in elements (within: 0 or 1). The output is contiguous.
 */
export type PlaneKernel = (
  a: number,
  b: number,
  out: number,
  rows: number,
  n: number,
  aRow: number,
  bRow: number,
  aStep: number,
  bStep: number,
) => void;

/** Shape rule and kernels of a broadcasting op of two f32 tensors. */
export function binary(
  name: string,
  f: (a: number, b: number) => number,
  kernel?: (k: Kernels) => PlaneKernel,
): OpKernels<void> & { shape: (inputs: readonly TensorSpec[]) => TensorSpec } {
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
    ...(kernel && {
      wasm: (k: Kernels, [a, b]: WasmTensor[], [out]: WasmTensor[]) => {
        const run = kernel(k);
        if (sameShape(a.shape, b.shape)) {
          run(a.ptr, b.ptr, out.ptr, 1, out.size, 0, 0, 1, 1);
          return;
        }
        forEachPlane(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], { rows, length, row, inner }) => {
          run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o, rows, length, row[0], row[1], inner[0], inner[1]);
        });
      },
    }),
  };
}
