import type { maxPool2d } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const maxPool2dKernel: WasmKernel = kernel<typeof maxPool2d>(
  "maxPool2d",
  (k, inputs, outputs, params, _, { plan }) => {
    const [[x], [values, positions]] = [inputs, outputs];
    const { planes, height, width, kernel, rows, columns, stride, padding } = plan(inputs, outputs, params);
    const window = [...kernel, rows, columns, ...stride, ...padding] as const;
    k.maxPool2d(x.ptr, values.ptr, positions.ptr, planes, height, width, ...window);
  },
);
